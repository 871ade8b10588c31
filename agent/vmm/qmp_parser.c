// SPDX-License-Identifier: GPL-2.0
/* Cuts QEMU's control stream into JSON objects; no I/O. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <json-c/json.h>

#include "qmp_parser.h"

/* QMP nests three or four levels; a deeper message is not QMP. */
#define QMP_DEPTH_MAX 32

int vmig_qmp_parser_init(struct vmig_qmp_parser *p)
{
	p->used = 0;
	p->tok = json_tokener_new_ex(QMP_DEPTH_MAX);
	return p->tok ? 0 : -ENOMEM;
}

void vmig_qmp_parser_exit(struct vmig_qmp_parser *p)
{
	if (p->tok)
		json_tokener_free(p->tok);
	p->tok = NULL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/**
 * vmig_qmp_parser_feed() - Parse what was read, in pieces of any size.
 * @fn: called once a complete message, in order
 *
 * Return: 0, -EMSGSIZE for a message over VMIG_QMP_MESSAGE_MAX, -EBADMSG for what
 * is not a JSON object. After an error the stream cannot be trusted again.
 */
int vmig_qmp_parser_feed(struct vmig_qmp_parser *p, const char *buf, size_t len,
		    vmig_qmp_message_fn fn, void *arg)
{
	while (len) {
		struct json_object *msg;
		size_t taken;

		if (!p->used) {
			if (is_space(*buf)) {
				buf++;
				len--;
				continue;
			}
			/* A bare number would never be known to be complete. */
			if (*buf != '{')
				return -EBADMSG;
		}
		if (p->used >= VMIG_QMP_MESSAGE_MAX)
			return -EMSGSIZE;

		/* In slices, so that one read cannot carry us past the limit. */
		taken = len < VMIG_QMP_MESSAGE_MAX - p->used ?
			len : VMIG_QMP_MESSAGE_MAX - p->used;
		msg = json_tokener_parse_ex(p->tok, buf, (int)taken);
		if (!msg) {
			if (json_tokener_get_error(p->tok) !=
			    json_tokener_continue)
				return -EBADMSG;
			p->used += taken;
			buf += taken;
			len -= taken;
			continue;
		}
		taken = json_tokener_get_parse_end(p->tok);
		buf += taken;
		len -= taken;
		p->used = 0;
		json_tokener_reset(p->tok);
		fn(arg, msg);
		json_object_put(msg);
	}
	return 0;
}
