// SPDX-License-Identifier: GPL-2.0
/*
 * Every preflight check of a migration that is not begun.
 *
 * First this node, then QEMU, then the other node. A VM that goes away
 * meanwhile ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/errand.h"
#include "../cluster/message.h"
#include "../daemon.h"
#include "../vmm/machine.h"
#include "checkup.h"
#include "transport.h"

/* Of QEMU, and of the other node, together. */
#define CHECKUP_LIMIT_S	40
#define ANSWER_LIMIT_S	20

/**
 * struct vmig_checkup - one run through all checks
 * @next: takes it on from the event loop
 * @limit: QEMU has not answered by then
 * @errand: the other node is being asked; or NULL
 */
struct vmig_checkup {
	LIST_ENTRY(vmig_checkup) entry;
	struct vmig_preflight p;
	const struct vmig_peer *peer;
	sd_event_source *next;
	sd_event_source *limit;
	struct vmig_errand *errand;
	vmig_checkup_fn fn;
	void *arg;
};

void vmig_checkup_stop(struct vmig_checkup *c)
{
	if (!c)
		return;
	LIST_REMOVE(c, entry);
	vmig_preflight_forget(&c->p);
	vmig_preflight_exit(&c->p);
	vmig_errand_stop(c->errand);
	sd_event_source_disable_unref(c->next);
	sd_event_source_disable_unref(c->limit);
	free(c);
}

static void end(struct vmig_checkup *c)
{
	vmig_preflight_forget(&c->p);
	c->fn(c->arg, &c->p);
	vmig_checkup_stop(c);
}

static void on_answer(void *arg, const struct vmig_peer *peer,
		      struct json_object *greeting, struct json_object *answer,
		      const char *why)
{
	struct vmig_checkup *c = arg;
	struct json_object *list;
	struct vmig_err err;

	c->errand = NULL;
	if (why)
		vmig_err_set(&err, 0, "node %s (%s port %u): %s", peer->name,
			     peer->address, peer->port, why);
	else
		vmig_err_set(&err, 0, "%s port %u", peer->address, peer->port);
	vmig_preflight_add(&c->p, "connection", why ? -ENETUNREACH : 0,
			   err.text);
	if (greeting)
		vmig_preflight_node(&c->p, greeting);
	if (answer && json_object_object_get_ex(answer, "checks", &list))
		vmig_preflight_append(&c->p, peer->name, list);
	vmig_transport_check_peer(&c->p);
	end(c);
}

static void ask_node(struct vmig_checkup *c)
{
	struct json_object *setup = vmig_preflight_setup(&c->p);
	struct vmig_err unused;

	vmig_transport_offer(&c->p, setup, &unused);
	c->errand = vmig_errand_start(c->p.daemon, c->peer, "check", setup,
				      ANSWER_LIMIT_S, on_answer, c);
}

/* QEMU has answered, or there is none. */
static void on_checked(void *arg)
{
	ask_node(arg);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_checkup *c = arg;

	(void)source;
	(void)usec;
	vmig_preflight_add(&c->p, "guest", -ETIMEDOUT,
			   "QEMU did not say whether the VM can move");
	end(c);
	return 0;
}

static int on_start(sd_event_source *source, void *arg)
{
	struct vmig_checkup *c = arg;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	vmig_preflight_source(&c->p);
	if (c->p.m->qmp)
		vmig_preflight_qemu(&c->p);
	else
		ask_node(c);
	return 0;
}

struct vmig_checkup *vmig_checkup_start(struct vmig_daemon *daemon,
					struct vmig_machine *m,
					const struct vmig_peer *peer,
					const struct vmig_request *request,
					vmig_checkup_fn fn, void *arg)
{
	struct vmig_checkup *c = calloc(1, sizeof(*c));

	if (!c)
		abort();	/* a daemon without memory is restarted */
	vmig_preflight_init(&c->p, daemon, m, peer->name, true);
	if (request && request->has_transport)
		c->p.transport = request->transport;
	c->p.done = on_checked;
	c->p.arg = c;
	c->peer = peer;
	c->fn = fn;
	c->arg = arg;
	LIST_INSERT_HEAD(&daemon->checkups, c, entry);
	sd_event_add_defer(daemon->event, &c->next, on_start, c);
	sd_event_add_time_relative(daemon->event, &c->limit, CLOCK_MONOTONIC,
				   CHECKUP_LIMIT_S * 1000000ULL, 0, on_limit,
				   c);
	return c;
}

void vmig_checkup_forget(struct vmig_machine *m)
{
	struct vmig_checkup *c, *next;

	for (c = LIST_FIRST(&m->daemon->checkups); c; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->p.m != m)
			continue;
		vmig_preflight_add(&c->p, "state", -ENOENT,
				   "the VM has gone meanwhile");
		end(c);
	}
}
