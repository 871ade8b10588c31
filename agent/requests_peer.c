// SPDX-License-Identifier: GPL-2.0
/*
 * What another node's agent may ask of this one, besides to take a VM: the
 * other end of cluster/errand.c. One request a connection.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster/conn.h"
#include "cluster/message.h"
#include "migrate/preflight.h"
#include "requests.h"
#include "vmm/types.h"

#define RETRY_US	(100 * 1000ULL)
/* Nobody connects to say nothing. */
#define REQUEST_LIMIT_US (15 * 1000 * 1000ULL)

/**
 * struct caller - a peer that asks
 * @conn: NULL once it is gone
 * @limit: until it has said what it wants; then until that can be answered
 * @msg: what it wants, while that is put off; owned
 */
struct caller {
	struct vmig_daemon *daemon;
	struct vmig_conn *conn;
	char node[VMIG_NAME_MAX + 1];
	sd_event_source *limit;
	struct json_object *msg;
};

static void free_caller(struct caller *c)
{
	vmig_conn_close(c->conn);
	sd_event_source_disable_unref(c->limit);
	json_object_put(c->msg);
	free(c);
}

/* The connection stays until the peer has read it and closes. */
static void answer(struct caller *c, struct json_object *o)
{
	vmig_json_add_string(o, "type", "answer");
	vmig_conn_send(c->conn, o);
}

static void refuse(struct caller *c, const char *reason)
{
	struct json_object *o = vmig_json_new("refused");

	vmig_json_add_string(o, "reason", reason);
	vmig_conn_send(c->conn, o);
}

static void handle_node(struct caller *c, struct json_object *msg)
{
	(void)msg;
	answer(c, vmig_node_describe(c->daemon));
}

static int on_types(sd_event_source *source, uint64_t usec, void *arg);

static void handle_check(struct caller *c, struct json_object *msg)
{
	if (vmig_types_ready(c->daemon->types)) {
		answer(c, vmig_preflight_answer(c->daemon, c->node, msg));
		return;
	}
	c->msg = json_object_get(msg);
	sd_event_add_time_relative(c->daemon->event, &c->limit, CLOCK_MONOTONIC,
				   RETRY_US, 0, on_types, c);
}

/* QEMU is being asked which machines it knows. */
static int on_types(sd_event_source *source, uint64_t usec, void *arg)
{
	struct caller *c = arg;
	struct json_object *msg = c->msg;

	(void)source;
	(void)usec;
	c->limit = sd_event_source_disable_unref(c->limit);
	c->msg = NULL;
	handle_check(c, msg);
	json_object_put(msg);
	return 0;
}

static const struct {
	const char *op;
	void (*handle)(struct caller *c, struct json_object *msg);
} ops[] = {
	{ "node", handle_node },
	{ "check", handle_check },
};

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	const char *op = vmig_json_string(msg, "op");
	struct caller *c = arg;
	size_t i;

	if (strcmp(type, "request") || !c->limit || c->msg)
		return;
	c->limit = sd_event_source_disable_unref(c->limit);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (op && !strcmp(ops[i].op, op)) {
			ops[i].handle(c, msg);
			return;
		}
	}
	refuse(c, "this vmig-agent does not know that request");
}

static void on_closed(void *arg, const char *why)
{
	(void)why;
	free_caller(arg);
}

static const struct vmig_conn_ops conn_ops = {
	.message = on_message,
	.closed = on_closed,
};

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	free_caller(arg);
	return 0;
}

void vmig_peer_accept(struct vmig_daemon *daemon, struct vmig_conn *conn,
		      const char *node)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (!c)
		abort();	/* a daemon without memory is restarted */
	c->daemon = daemon;
	c->conn = conn;
	strcpy(c->node, node);
	sd_event_add_time_relative(daemon->event, &c->limit, CLOCK_MONOTONIC,
				   REQUEST_LIMIT_US, 0, on_limit, c);
	vmig_conn_set_ops(conn, &conn_ops, c);
	vmig_conn_heartbeat(conn);
}
