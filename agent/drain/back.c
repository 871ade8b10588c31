// SPDX-License-Identifier: GPL-2.0
/*
 * A VM comes back to a node that was drained: the node where it is now is asked
 * to send it, and answers when it has come or will not.
 */
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/errand.h"
#include "../cluster/message.h"
#include "drain.h"

/* The node may be restarting, or the VM be on its way already. */
#define TRIES	10

void vmig_back_collect(struct vmig_daemon *daemon)
{
	struct vmig_drain_record *record = &daemon->drain->record;
	struct vmig_task *t;
	size_t i;

	for (i = 0; i < record->n; i++) {
		const struct vmig_drain_entry *e = &record->entries[i];

		t = vmig_task_find(daemon, e->vm);
		if (t || !e->left)
			continue;
		t = vmig_task_new(daemon, e->vm);
		memcpy(t->node, e->to, sizeof(t->node));
	}
}

/* What cannot come back any more is forgotten, and reported. */
static void finish(struct vmig_task *t, enum vmig_task_state state)
{
	struct vmig_err err;

	if (state != VMIG_TASK_STAYED)
		vmig_drain_record_remove(&t->daemon->drain->record, t->vm);
	if (vmig_drain_save(t->daemon, &err))
		vmig_log("undrain: %s", err.text);
	vmig_task_end(t, state);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_task *t = arg;

	(void)source;
	(void)usec;
	t->retry = sd_event_source_disable_unref(t->retry);
	vmig_back_begin(t);
	return 0;
}

static void again(struct vmig_task *t, const char *why)
{
	if (++t->tries >= TRIES) {
		vmig_task_say(t, t->node, why);
		finish(t, VMIG_TASK_STAYED);
		return;
	}
	sd_event_add_time_relative(t->daemon->event, &t->retry, CLOCK_MONOTONIC,
				   2000000, 0, on_retry, t);
}

static void on_answer(void *arg, const struct vmig_peer *peer,
		      struct json_object *greeting, struct json_object *answer,
		      const char *why)
{
	struct vmig_task *t = arg;
	const char *text = answer ? vmig_json_string(answer, "text") : why;

	(void)greeting;
	t->errands[peer - t->daemon->config->peers] = NULL;
	if (answer && vmig_json_uint(answer, "gone", 0)) {
		vmig_task_say(t, t->node, text ? text : "it is not there");
		finish(t, VMIG_TASK_GONE);
	} else if (vmig_drain_is_here(t->daemon, t->vm)) {
		finish(t, VMIG_TASK_MOVED);
	} else if (answer && vmig_json_uint(answer, "busy", 0)) {
		/* On its way already, as an earlier daemon has asked. */
		t->tries = 0;
		again(t, "");
	} else {
		again(t, text ? text : "it did not come");
	}
}

void vmig_back_begin(struct vmig_task *t)
{
	const struct vmig_config *config = t->daemon->config;
	const struct vmig_peer *peer = vmig_config_peer(config, t->node);
	struct json_object *msg;

	if (vmig_drain_is_here(t->daemon, t->vm)) {
		finish(t, VMIG_TASK_MOVED);
		return;
	}
	if (!peer) {
		vmig_task_say(t, t->node,
			      "it is not in [peers] of agent.conf any more");
		finish(t, VMIG_TASK_STAYED);
		return;
	}
	t->state = VMIG_TASK_MOVES;
	msg = vmig_json_new(NULL);
	vmig_json_add_string(msg, "vm", t->vm);
	/* As long as it takes: that node's heartbeat tells that it lives. */
	t->errands[peer - config->peers] =
		vmig_errand_start(t->daemon, peer, "migrate-back", msg, 0,
				  on_answer, t);
}
