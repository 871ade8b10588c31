// SPDX-License-Identifier: GPL-2.0
/*
 * A VM leaves a node that is drained: ask all nodes how they are, try the one
 * with the most room first, and check before anything is moved.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/errand.h"
#include "../cluster/message.h"
#include "../migrate/checkup.h"
#include "../migrate/queue.h"
#include "../vmm/machine.h"
#include "drain.h"

#define ASK_LIMIT_S 15

static void try_next(struct vmig_task *t);

/* NULL if it need not leave any more. */
static struct vmig_machine *find_machine(struct vmig_task *t)
{
	struct vmig_machine *m = vmig_machine_find(t->daemon, t->vm);

	if (m && m->owned && m->pidfd >= 0 && !vmig_machine_is_leaving(m))
		return m;
	return NULL;
}

/* It need not leave any more; if it did, an earlier daemon has sent it. */
static void end_gone(struct vmig_task *t)
{
	struct vmig_drain_entry *e =
		vmig_drain_record_find(&t->daemon->drain->record, t->vm);
	struct vmig_err err;

	if (!e || vmig_drain_is_here(t->daemon, t->vm)) {
		vmig_task_end(t, VMIG_TASK_GONE);
		return;
	}
	e->left = true;
	memcpy(t->node, e->to, sizeof(t->node));
	if (vmig_drain_save(t->daemon, &err))
		vmig_log("drain: %s", err.text);
	vmig_task_end(t, VMIG_TASK_MOVED);
}

static bool is_to_go(const struct vmig_machine *m)
{
	return m->owned && m->pidfd >= 0 && !m->incoming &&
	       !vmig_machine_is_leaving(m);
}

void vmig_away_collect(struct vmig_daemon *daemon)
{
	struct vmig_machine *m;
	struct vmig_task *t;

	LIST_FOREACH(m, &daemon->machines, entry) {
		if (!is_to_go(m))
			continue;
		t = vmig_task_find(daemon, m->name);
		if (!t)
			vmig_task_new(daemon, m->name);
		else if (t->state == VMIG_TASK_MOVED ||
			 t->state == VMIG_TASK_GONE)
			/* It came back while it was let in. */
			vmig_task_end(t, VMIG_TASK_WAITS);
	}
}

/* What was begun for a drain has ended, and there is none any more. */
static void turn_back(struct vmig_task *t, int error)
{
	/* One that left after all is asked back as the others are. */
	vmig_task_end(t, error ? VMIG_TASK_MOVED : VMIG_TASK_WAITS);
}

static void on_moved(void *arg, int error, bool busy, const char *message,
		     const char *data)
{
	struct vmig_task *t = arg;
	struct vmig_drain_record *record = &t->daemon->drain->record;
	struct vmig_err err;

	(void)busy;
	(void)data;
	t->queued = false;
	if (error) {
		vmig_drain_record_remove(record, t->vm);
		vmig_task_say(t, t->node, message);
	} else {
		vmig_drain_record_put(record, t->vm, t->node, true);
	}
	if (vmig_drain_save(t->daemon, &err))
		vmig_log("drain: %s", err.text);
	if (!vmig_drain_is_on(t->daemon))
		turn_back(t, error);
	else if (!error)
		vmig_task_end(t, VMIG_TASK_MOVED);
	else if (error == ECANCELED)
		vmig_task_end(t, VMIG_TASK_STAYED);
	else
		try_next(t);
}

/* On record first: a daemon that ends now is to know where the VM may be. */
static void move(struct vmig_task *t)
{
	struct vmig_request request = {
		.op = VMIG_REQUEST_OP_MIGRATE,
		.wait = true,
	};
	struct vmig_err err;
	int ret;

	memcpy(request.vm, t->vm, sizeof(request.vm));
	memcpy(request.node, t->node, sizeof(request.node));
	vmig_drain_record_put(&t->daemon->drain->record, t->vm, t->node,
			      false);
	ret = vmig_drain_save(t->daemon, &err);
	t->state = VMIG_TASK_MOVES;
	t->queued = true;
	if (!ret)
		ret = vmig_queue_add(t->daemon, &request, on_moved, t, &err);
	if (ret)
		on_moved(t, -ret, false, err.text, NULL);
}

/* A busy node is waited for; all else rules it out. */
static const char *find_obstacle(const struct vmig_preflight *p)
{
	size_t i;

	for (i = 0; i < json_object_array_length(p->list); i++) {
		struct json_object *o = json_object_array_get_idx(p->list, i);
		const char *name = vmig_json_string(o, "name");

		if (!vmig_json_uint(o, "ok", 0) && strcmp(name, "slot"))
			return vmig_json_string(o, "text");
	}
	return NULL;
}

static void on_checked(void *arg, const struct vmig_preflight *p)
{
	struct vmig_task *t = arg;
	const char *why = find_obstacle(p);

	t->checkup = NULL;
	if (!why) {
		move(t);
		return;
	}
	vmig_task_say(t, t->node, why);
	try_next(t);
}

static void try_next(struct vmig_task *t)
{
	struct vmig_machine *m = find_machine(t);
	const struct vmig_peer *peer;

	if (!m) {
		end_gone(t);
		return;
	}
	if (t->next == t->ncandidates) {
		vmig_task_end(t, VMIG_TASK_STAYED);
		return;
	}
	memcpy(t->node, t->candidates[t->next++].node, sizeof(t->node));
	peer = vmig_config_peer(t->daemon->config, t->node);
	t->state = VMIG_TASK_CHECKS;
	t->checkup = vmig_checkup_start(t->daemon, m, peer, NULL, on_checked,
					t);
}

/* What this node has promised a node besides and that one may not know of. */
static uint64_t promised_to(struct vmig_task *t, const char *node)
{
	struct vmig_machine *m;
	struct vmig_task *o;
	uint64_t sum = 0;

	TAILQ_FOREACH(o, &t->daemon->drain->tasks, entry) {
		m = vmig_machine_find(t->daemon, o->vm);
		if (o != t && m && !strcmp(o->node, node) &&
		    (o->state == VMIG_TASK_CHECKS ||
		     o->state == VMIG_TASK_MOVES))
			sum += m->def->memory;
	}
	return sum;
}

static void place(struct vmig_task *t)
{
	struct vmig_machine *m = find_machine(t);
	size_t i, fit;

	if (!m) {
		end_gone(t);
		return;
	}
	for (i = 0; i < t->ncandidates; i++) {
		struct vmig_candidate *c = &t->candidates[i];
		uint64_t less = promised_to(t, c->node);

		c->room = c->room > less ? c->room - less : 0;
	}
	fit = vmig_placement_sort(t->candidates, t->ncandidates,
				  m->def->memory);
	for (i = fit; i < t->ncandidates; i++)
		vmig_task_say(t, t->candidates[i].node, t->candidates[i].why);
	t->ncandidates = fit;
	t->next = 0;
	try_next(t);
}

static void on_told(void *arg, const struct vmig_peer *peer,
		    struct json_object *greeting, struct json_object *answer,
		    const char *why)
{
	struct vmig_task *t = arg;

	(void)greeting;
	t->errands[peer - t->daemon->config->peers] = NULL;
	if (answer)
		vmig_candidate_read(&t->candidates[t->ncandidates++],
				    peer->name, answer);
	else
		vmig_task_say(t, peer->name, why);
	if (!--t->pending)
		place(t);
}

void vmig_away_begin(struct vmig_task *t)
{
	const struct vmig_config *config = t->daemon->config;
	struct vmig_machine *m = find_machine(t);
	unsigned int i;

	if (!m) {
		end_gone(t);
		return;
	}
	/* An earlier daemon's VM, and its QEMU has not said yet how it is. */
	if ((!m->running || m->ops) &&
	    vmig_daemon_now(t->daemon) < t->daemon->drain->grace) {
		vmig_drain_later(t->daemon);
		return;
	}
	t->state = VMIG_TASK_ASKS;
	t->ncandidates = 0;
	t->pending = config->npeers;
	if (!t->pending) {
		vmig_task_say(t, config->node, "it has no peers: see agent.conf");
		vmig_task_end(t, VMIG_TASK_STAYED);
		return;
	}
	for (i = 0; i < config->npeers; i++)
		t->errands[i] = vmig_errand_start(t->daemon, &config->peers[i],
						  "node", NULL, ASK_LIMIT_S,
						  on_told, t);
}
