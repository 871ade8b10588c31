/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How agents talk: a big-endian u32 length, then one JSON object. No I/O.
 *
 * The peer is not trusted: lengths are bounded before anything is allocated.
 */
#ifndef VMIG_MESSAGE_H
#define VMIG_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "../err.h"

struct json_object;

/* A VM definition with every field at its longest fits twice. */
#define VMIG_MESSAGE_MAX (64 * 1024)

/**
 * struct vmig_message_reader - what was read of an unfinished message
 * @head: the length, as far as it was read
 * @have: bytes read so far, of head and body together
 * @body: owned, allocated once the length is known
 */
struct vmig_message_reader {
	uint8_t head[4];
	size_t have;
	size_t size;
	char *body;
};

void vmig_message_reader_exit(struct vmig_message_reader *r);
size_t vmig_message_want(struct vmig_message_reader *r, void **where);
int vmig_message_got(struct vmig_message_reader *r, size_t n,
		     struct json_object **msg, struct vmig_err *err);
int vmig_message_encode(struct json_object *msg, uint8_t **frame, size_t *len,
			struct vmig_err *err);

/* NULL or @otherwise if there is no such member or it is of another type. */
const char *vmig_json_string(struct json_object *o, const char *key);
uint64_t vmig_json_uint(struct json_object *o, const char *key,
			uint64_t otherwise);
struct json_object *vmig_json_new(const char *type);
void vmig_json_add_string(struct json_object *o, const char *key,
			  const char *value);
void vmig_json_add_uint(struct json_object *o, const char *key,
			uint64_t value);
void vmig_json_add_bool(struct json_object *o, const char *key, int value);

#endif /* VMIG_MESSAGE_H */
