// SPDX-License-Identifier: GPL-2.0
/* One question to a peer: who are you? Its greeting is the answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "conn.h"
#include "handshake.h"
#include "nodes.h"

struct inquiry {
	const struct vmig_config *config;
	const struct vmig_peer *peer;
	struct vmig_conn *conn;
	vmig_inquiry_fn fn;
	void *arg;
};

static void end(struct inquiry *q, struct json_object *greeting,
		const char *why)
{
	vmig_conn_close(q->conn);
	q->fn(q->arg, q->peer, greeting, why);
	free(q);
}

static void on_greeted(void *arg, struct json_object *msg)
{
	struct inquiry *q = arg;
	struct vmig_hello mine, theirs;
	struct vmig_err err;

	if (vmig_hello_decode(msg, &theirs, &err) ||
	    vmig_hello_local(&mine, q->config, &err) ||
	    vmig_hello_check(&mine, &theirs, &err)) {
		end(q, NULL, err.text);
		return;
	}
	if (strcmp(theirs.node, q->peer->name)) {
		vmig_err_set(&err, 0,
			     "at %s there is node %s, not node %s: see [peers] in agent.conf",
			     q->peer->address, theirs.node, q->peer->name);
		end(q, NULL, err.text);
		return;
	}
	end(q, msg, NULL);
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	(void)arg;
	(void)type;
	(void)msg;
}

static void on_closed(void *arg, const char *why)
{
	end(arg, NULL, why);
}

static const struct vmig_conn_ops conn_ops = {
	.greeted = on_greeted,
	.message = on_message,
	.closed = on_closed,
};

/* vmig_inquiry_start() - @fn is called once, possibly at once. */
void vmig_inquiry_start(sd_event *event, const struct vmig_config *config,
			const struct vmig_peer *peer,
			struct json_object *greeting, vmig_inquiry_fn fn,
			void *arg)
{
	struct inquiry *q = calloc(1, sizeof(*q));
	struct vmig_err err;

	if (!q)
		abort();	/* a daemon without memory is restarted */
	q->config = config;
	q->peer = peer;
	q->fn = fn;
	q->arg = arg;
	if (vmig_conn_connect(&q->conn, event, config, peer, config->tls,
			      greeting, &conn_ops, q, &err))
		end(q, NULL, err.text);
}
