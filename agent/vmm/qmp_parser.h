/* SPDX-License-Identifier: GPL-2.0 */
/* Cuts QEMU's control stream into JSON objects; no I/O. */
#ifndef VMIG_QMP_PARSER_H
#define VMIG_QMP_PARSER_H

#include <stddef.h>

struct json_object;
struct json_tokener;

/* The longest message that QEMU 7.2 can owe us is far below 100 KB. */
#define VMIG_QMP_MESSAGE_MAX (1024 * 1024)

/**
 * struct vmig_qmp_parser - what was read of an unfinished message
 * @tok: owned
 * @used: bytes of the unfinished message so far, 0 between messages
 */
struct vmig_qmp_parser {
	struct json_tokener *tok;
	size_t used;
};

/* Gets its own reference of @msg only if it takes one. */
typedef void (*vmig_qmp_message_fn)(void *arg, struct json_object *msg);

int vmig_qmp_parser_init(struct vmig_qmp_parser *p);
void vmig_qmp_parser_exit(struct vmig_qmp_parser *p);
int vmig_qmp_parser_feed(struct vmig_qmp_parser *p, const char *buf, size_t len,
		    vmig_qmp_message_fn fn, void *arg);

#endif /* VMIG_QMP_PARSER_H */
