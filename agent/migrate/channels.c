// SPDX-License-Identifier: GPL-2.0
/* The connections of a migration: data channels, and one for device state. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../cluster/nodes.h"
#include "../cluster/token.h"
#include "secure.h"
#include "source.h"

/* vmig_channels_greeting() - What a connection of @kind begins with. */
struct json_object *vmig_channels_greeting(struct vmig_source *s,
					   const char *kind)
{
	char token[VMIG_TOKEN_TEXT];
	struct json_object *o;
	struct vmig_hello mine;

	/* It was fine when the control connection was made. */
	vmig_hello_local(&mine, s->daemon->config, NULL);
	o = vmig_hello_encode(&mine);
	vmig_token_text(s->token, token);
	vmig_json_add_string(o, "kind", kind);
	if (!strcmp(kind, "control"))
		vmig_nodes_add(s->daemon->nodes, o);
	vmig_json_add_string(o, "token", token);
	return o;
}

/* vmig_channels_close() - Ours; what the kernel and QEMU took stays open. */
void vmig_channels_close(struct vmig_source *s)
{
	unsigned int i;

	for (i = 0; i <= VMIG_CHANNELS_MAX; i++) {
		struct vmig_channel *c = &s->channels[i];

		vmig_conn_close(c->conn);
		c->conn = NULL;
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
	}
}

static struct vmig_secure describe(const struct vmig_channel *c)
{
	return (struct vmig_secure){
		.control = c->s->control,
		.token = c->s->token,
		.index = (unsigned int)(c - c->s->channels),
	};
}

static void on_greeted(void *arg, struct json_object *msg)
{
	struct vmig_channel *c = arg;
	struct vmig_source *s = c->s;
	struct vmig_secure secure = describe(c);
	struct vmig_err err;

	(void)msg;
	c->fd = vmig_conn_take(c->conn);
	c->conn = NULL;
	if (c->fd < 0) {
		vmig_source_fail(s, EIO, "a channel to node %s is unusable",
				 s->peer->name);
		return;
	}
	if (vmig_secure_socket(&secure, c->fd, true, &err)) {
		vmig_source_fail(s, EIO, "channel to node %s: %s",
				 s->peer->name, err.text);
		return;
	}
	if (++s->connected == s->nsockets + 1)
		vmig_setup_connected(s);
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	(void)arg;
	(void)type;
	(void)msg;
}

static void on_closed(void *arg, const char *why)
{
	struct vmig_channel *c = arg;

	vmig_source_fail(c->s, ECONNRESET, "channel to node %s (%s port %u): %s",
			 c->s->peer->name, c->s->peer->address,
			 c->s->peer->port, why);
}

static const struct vmig_conn_ops channel_ops = {
	.greeted = on_greeted,
	.message = on_message,
	.closed = on_closed,
};

static int connect_channel(struct vmig_channel *c, const char *kind,
			   struct vmig_err *err)
{
	struct vmig_source *s = c->s;
	struct vmig_secure secure = describe(c);
	struct json_object *greeting = vmig_channels_greeting(s, kind);
	int ret;

	vmig_json_add_uint(greeting, "index", secure.index);
	ret = vmig_secure_greet(&secure, greeting, err);
	if (ret) {
		json_object_put(greeting);
		return ret;
	}
	return vmig_conn_connect(&c->conn, s->daemon->event, s->daemon->config,
				 s->peer, NULL, greeting, &channel_ops, c, err);
}

/* vmig_channels_connect() - All at once; the last to greet continues. */
void vmig_channels_connect(struct vmig_source *s)
{
	struct vmig_err err;
	unsigned int i;

	for (i = 0; i <= s->nsockets; i++) {
		if (connect_channel(&s->channels[i], i < s->nsockets ?
				    "channel" : "state", &err)) {
			vmig_source_fail(s, ENETUNREACH, "node %s: %s",
					 s->peer->name, err.text);
			return;
		}
	}
}
