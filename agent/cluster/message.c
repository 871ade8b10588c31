// SPDX-License-Identifier: GPL-2.0
/* How agents talk: a big-endian u32 length, then one JSON object. No I/O. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "message.h"

/* Ours nest four levels; the parser recurses on what the peer sends. */
#define DEPTH_MAX 8

void vmig_message_reader_exit(struct vmig_message_reader *r)
{
	free(r->body);
	memset(r, 0, sizeof(*r));
}

/**
 * vmig_message_want() - Where the next bytes belong.
 *
 * Never asks for a byte behind the message: what follows a greeting on a
 * channel belongs to the kernel.
 *
 * Return: how many bytes to read to @where, at least one.
 */
size_t vmig_message_want(struct vmig_message_reader *r, void **where)
{
	if (r->have < sizeof(r->head)) {
		*where = r->head + r->have;
		return sizeof(r->head) - r->have;
	}
	*where = r->body + (r->have - sizeof(r->head));
	return r->size - (r->have - sizeof(r->head));
}

static int begin_body(struct vmig_message_reader *r, struct vmig_err *err)
{
	r->size = (size_t)r->head[0] << 24 | (size_t)r->head[1] << 16 |
		  (size_t)r->head[2] << 8 | r->head[3];
	if (r->size < 2 || r->size > VMIG_MESSAGE_MAX)
		return vmig_err_set(err, EPROTO,
				    "that is not the vmig agents' protocol: a message cannot be %zu bytes long",
				    r->size);
	r->body = malloc(r->size);
	if (!r->body)
		return vmig_err_set(err, ENOMEM, "out of memory");
	return 0;
}

/**
 * vmig_message_got() - @n bytes were read to where vmig_message_want() said.
 * @msg: the message, the caller's to put, if one is complete; else NULL
 *
 * Return: 0 or a negative errno, after which the stream means nothing.
 */
int vmig_message_got(struct vmig_message_reader *r, size_t n,
		     struct json_object **msg, struct vmig_err *err)
{
	struct json_tokener *tok;

	*msg = NULL;
	r->have += n;
	if (r->have < sizeof(r->head))
		return 0;
	if (!r->body)
		return begin_body(r, err);
	if (r->have < sizeof(r->head) + r->size)
		return 0;

	tok = json_tokener_new_ex(DEPTH_MAX);
	if (!tok)
		return vmig_err_set(err, ENOMEM, "out of memory");
	*msg = json_tokener_parse_ex(tok, r->body, (int)r->size);
	if (*msg && (!json_object_is_type(*msg, json_type_object) ||
		     json_tokener_get_parse_end(tok) != r->size)) {
		json_object_put(*msg);
		*msg = NULL;
	}
	json_tokener_free(tok);
	vmig_message_reader_exit(r);
	if (!*msg)
		return vmig_err_set(err, EPROTO,
				    "that is not the vmig agents' protocol: a message is not a JSON object");
	return 0;
}

/* vmig_message_encode() - @frame is the caller's to free. @msg is put. */
int vmig_message_encode(struct json_object *msg, uint8_t **frame, size_t *len,
			struct vmig_err *err)
{
	size_t size;
	const char *text = json_object_to_json_string_length(
		msg, JSON_C_TO_STRING_PLAIN, &size);
	int ret = 0;

	*frame = NULL;
	if (!text) {
		ret = vmig_err_set(err, ENOMEM, "out of memory");
		goto out;
	}
	if (size > VMIG_MESSAGE_MAX) {
		ret = vmig_err_set(err, EMSGSIZE,
				   "a message of %zu bytes is too long for the other node (at most %d)",
				   size, VMIG_MESSAGE_MAX);
		goto out;
	}
	*frame = malloc(4 + size);
	if (!*frame) {
		ret = vmig_err_set(err, ENOMEM, "out of memory");
		goto out;
	}
	(*frame)[0] = (uint8_t)(size >> 24);
	(*frame)[1] = (uint8_t)(size >> 16);
	(*frame)[2] = (uint8_t)(size >> 8);
	(*frame)[3] = (uint8_t)size;
	memcpy(*frame + 4, text, size);
	*len = 4 + size;
out:
	json_object_put(msg);
	return ret;
}

const char *vmig_json_string(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

uint64_t vmig_json_uint(struct json_object *o, const char *key,
			uint64_t otherwise)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return otherwise;
	if (json_object_is_type(value, json_type_boolean))
		return (uint64_t)json_object_get_boolean(value);
	if (!json_object_is_type(value, json_type_int))
		return otherwise;
	return json_object_get_uint64(value);
}

/* vmig_json_new() - An object with a member "type", or none if it is NULL. */
struct json_object *vmig_json_new(const char *type)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		abort();	/* a daemon without memory is restarted */
	if (type)
		vmig_json_add_string(o, "type", type);
	return o;
}

void vmig_json_add_string(struct json_object *o, const char *key,
			  const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

void vmig_json_add_uint(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

void vmig_json_add_bool(struct json_object *o, const char *key, int value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}
