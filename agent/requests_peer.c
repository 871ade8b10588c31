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
#include "drain/drain.h"
#include "keyfile.h"
#include "migrate/queue.h"
#include "migrate/visit.h"
#include "requests.h"
#include "vmm/machine.h"
#include "vmm/types.h"

#define RETRY_US	(100 * 1000ULL)
/* Nobody connects to say nothing. */
#define REQUEST_LIMIT_US (15 * 1000 * 1000ULL)

/**
 * struct caller - a peer that asks
 * @conn: NULL once it is gone
 * @moving: a VM is being sent to it, and its end will be told
 * @limit: until it has said what it wants; then until that can be answered
 * @msg: what it wants, while that is put off; owned
 * @visit: a VM that it thinks of sending is being checked; or NULL
 */
struct caller {
	struct vmig_daemon *daemon;
	struct vmig_conn *conn;
	char node[VMIG_NAME_MAX + 1];
	sd_event_source *limit;
	struct json_object *msg;
	struct vmig_visit *visit;
	bool moving;
};

static void free_caller(struct caller *c)
{
	vmig_conn_close(c->conn);
	sd_event_source_disable_unref(c->limit);
	json_object_put(c->msg);
	vmig_visit_stop(c->visit);
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

static void on_visited(void *arg, struct json_object *checks)
{
	struct caller *c = arg;

	c->visit = NULL;
	answer(c, checks);
}

static void handle_check(struct caller *c, struct json_object *msg)
{
	if (vmig_types_ready(c->daemon->types)) {
		c->visit = vmig_visit_new(c->daemon, c->node, msg, on_visited,
					  c);
		vmig_visit_run(c->visit);
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

static void handle_drain(struct caller *c, struct json_object *msg)
{
	struct vmig_err err;

	(void)msg;
	vmig_log("node %s asks to drain this node", c->node);
	if (vmig_drain_start(c->daemon, &err))
		refuse(c, err.text);
	else
		answer(c, vmig_node_describe(c->daemon));
}

static void handle_undrain(struct caller *c, struct json_object *msg)
{
	struct vmig_err err;

	(void)msg;
	vmig_log("node %s asks to end the drain of this node", c->node);
	if (vmig_drain_end(c->daemon, &err))
		refuse(c, err.text);
	else
		answer(c, vmig_node_describe(c->daemon));
}

static void tell_moved(struct caller *c, const char *what, const char *text)
{
	struct json_object *o = vmig_json_new(NULL);

	if (what)
		vmig_json_add_bool(o, what, true);
	if (text)
		vmig_json_add_string(o, "text", text);
	answer(c, o);
}

static void on_moved(void *arg, int error, bool busy, const char *message,
		     const char *data)
{
	struct caller *c = arg;

	(void)busy;
	(void)data;
	c->moving = false;
	if (c->conn)
		tell_moved(c, NULL, error ? message : NULL);
	else
		free_caller(c);
}

/* Why @m is not one that can be sent back; NULL if it is. */
static const char *find_whereabouts(const struct vmig_machine *m)
{
	if (!m || vmig_machine_is_leaving(m))
		return "the VM is not there any more";
	if (m->pidfd < 0)
		return "the VM is stopped there";
	return NULL;
}

/* To the caller and nowhere else. */
static void handle_migrate_back(struct caller *c, struct json_object *msg)
{
	struct vmig_request request = {
		.op = VMIG_REQUEST_OP_MIGRATE,
		.wait = true,
	};
	const char *vm = vmig_json_string(msg, "vm");
	struct vmig_machine *m;
	struct vmig_err err;
	const char *why;

	if (!vm || vmig_name_check("VM", vm, &err)) {
		refuse(c, "the request names no VM");
		return;
	}
	m = vmig_machine_find(c->daemon, vm);
	why = find_whereabouts(m);
	if (why) {
		tell_moved(c, "gone", why);
		return;
	}
	if (m->ops || vmig_queue_check(c->daemon, vm, NULL)) {
		tell_moved(c, "busy", "the VM is being migrated already");
		return;
	}
	strcpy(request.vm, vm);
	strcpy(request.node, c->node);
	c->moving = true;
	if (!vmig_queue_add(c->daemon, &request, on_moved, c, &err))
		return;
	c->moving = false;
	refuse(c, err.text);
}

static const struct {
	const char *op;
	void (*handle)(struct caller *c, struct json_object *msg);
} ops[] = {
	{ "node", handle_node },
	{ "check", handle_check },
	{ "drain", handle_drain },
	{ "undrain", handle_undrain },
	{ "migrate-back", handle_migrate_back },
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
	struct caller *c = arg;

	(void)why;
	vmig_conn_close(c->conn);
	c->conn = NULL;
	if (!c->moving)
		free_caller(c);
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
