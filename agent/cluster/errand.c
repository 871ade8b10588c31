// SPDX-License-Identifier: GPL-2.0
/* One request to a peer's agent and its answer. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../daemon.h"
#include "conn.h"
#include "errand.h"
#include "message.h"
#include "nodes.h"

/**
 * struct vmig_errand - a request under way
 * @msg: until it is sent; owned
 * @greeting: the peer's, once it has come; owned
 * @limit: @limit_s are over, or what failed at once is to be told
 */
struct vmig_errand {
	struct vmig_daemon *daemon;
	const struct vmig_peer *peer;
	struct vmig_conn *conn;
	struct json_object *msg;
	struct json_object *greeting;
	sd_event_source *limit;
	unsigned int limit_s;
	char why[256];
	vmig_errand_fn fn;
	void *arg;
};

void vmig_errand_stop(struct vmig_errand *e)
{
	if (!e)
		return;
	vmig_conn_close(e->conn);
	sd_event_source_disable_unref(e->limit);
	json_object_put(e->msg);
	json_object_put(e->greeting);
	free(e);
}

static void end(struct vmig_errand *e, struct json_object *answer,
		const char *why)
{
	vmig_errand_fn fn = e->fn;
	void *arg = e->arg;
	const struct vmig_peer *peer = e->peer;
	struct json_object *greeting = json_object_get(e->greeting);

	vmig_errand_stop(e);
	fn(arg, peer, greeting, answer, why);
	json_object_put(greeting);
}

static int on_failure(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_errand *e = arg;

	(void)source;
	(void)usec;
	end(e, NULL, e->why);
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_errand *e = arg;
	char why[96];

	(void)source;
	(void)usec;
	snprintf(why, sizeof(why), "no answer within %u s", e->limit_s);
	end(e, NULL, why);
	return 0;
}

static void on_greeted(void *arg, struct json_object *msg)
{
	struct vmig_errand *e = arg;
	struct vmig_hello mine, theirs;
	struct vmig_err err;

	e->greeting = json_object_get(msg);
	if (vmig_hello_decode(msg, &theirs, &err) ||
	    vmig_hello_local(&mine, e->daemon->config, &err) ||
	    vmig_hello_check(&mine, &theirs, &err)) {
		end(e, NULL, err.text);
		return;
	}
	if (strcmp(theirs.node, e->peer->name)) {
		vmig_err_set(&err, 0,
			     "at %s there is node %s, not node %s: see [peers] in agent.conf",
			     e->peer->address, theirs.node, e->peer->name);
		end(e, NULL, err.text);
		return;
	}
	vmig_nodes_learn(e->daemon->nodes, e->peer->name, msg);
	vmig_conn_heartbeat(e->conn);
	vmig_conn_send(e->conn, e->msg);
	e->msg = NULL;
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	struct vmig_errand *e = arg;
	const char *reason = vmig_json_string(msg, "reason");

	if (!strcmp(type, "answer") || !strcmp(type, "refused"))
		end(e, reason ? NULL : msg, reason);
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

struct vmig_errand *vmig_errand_start(struct vmig_daemon *daemon,
				      const struct vmig_peer *peer,
				      const char *op, struct json_object *msg,
				      unsigned int limit_s, vmig_errand_fn fn,
				      void *arg)
{
	const struct vmig_config *config = daemon->config;
	struct vmig_errand *e = calloc(1, sizeof(*e));
	struct json_object *greeting;
	struct vmig_hello mine;
	struct vmig_err err;

	if (!e)
		abort();	/* a daemon without memory is restarted */
	e->daemon = daemon;
	e->peer = peer;
	e->fn = fn;
	e->arg = arg;
	e->limit_s = limit_s;
	e->msg = msg ? msg : vmig_json_new(NULL);
	vmig_json_add_string(e->msg, "type", "request");
	vmig_json_add_string(e->msg, "op", op);
	vmig_hello_local(&mine, config, NULL);
	greeting = vmig_hello_encode(&mine);
	vmig_json_add_string(greeting, "kind", "request");
	vmig_nodes_add(daemon->nodes, greeting);
	if (vmig_conn_connect(&e->conn, daemon->event, config, peer, config->tls,
			      greeting, &conn_ops, e, &err)) {
		snprintf(e->why, sizeof(e->why), "%s", err.text);
		sd_event_add_time_relative(daemon->event, &e->limit,
					   CLOCK_MONOTONIC, 0, 0, on_failure,
					   e);
	} else if (limit_s) {
		sd_event_add_time_relative(daemon->event, &e->limit,
					   CLOCK_MONOTONIC,
					   limit_s * 1000000ULL, 0, on_limit,
					   e);
	}
	return e;
}
