// SPDX-License-Identifier: GPL-2.0
/*
 * A VM on its way out of this node: the steps.
 *
 * Up to VMIG_STEP_DEVICE every trouble ends in vmig_source_fail() (rollback.c),
 * which lets the VM run on here. From VMIG_STEP_COMMIT on the lease decides, or
 * without one the other node's word: see commit.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../cluster/pulse.h"
#include "../cluster/token.h"
#include "../vmm/machine.h"
#include "queue.h"
#include "slot.h"
#include "source.h"

/*
 * What a step waits for and for how long; 0 where the kernel keeps the limit.
 * Four times what an emulated host needs on a busy machine.
 */
static const struct {
	unsigned int limit_s;
	const char *waits_for;
} steps[VMIG_STEP_END] = {
	[VMIG_STEP_CHECK] = { 20, "QEMU did not say whether the VM can move" },
	[VMIG_STEP_CONNECT] = { 10, "the other node did not greet" },
	[VMIG_STEP_SETUP] = { 15, "the other node did not accept the VM" },
	[VMIG_STEP_CHANNELS] = { 15, "the channels were not connected" },
	[VMIG_STEP_PREPARE] = { 60, "the other node did not wait for the memory" },
	[VMIG_STEP_PAUSE] = { 30, "QEMU did not stop the VM" },
	[VMIG_STEP_PRECOPY] = { 0, NULL },
	[VMIG_STEP_STOP] = { 30, "QEMU did not stop the VM" },
	[VMIG_STEP_FINAL] = { 0, NULL },
	[VMIG_STEP_DEVICE] = { 30, "the device state did not arrive" },
	[VMIG_STEP_COMMIT] = { 10, "the other node did not resume the VM" },
	[VMIG_STEP_DOUBT] = { 0, NULL },
	[VMIG_STEP_NETWORK] = { 20, "the other node did not announce the VM" },
	[VMIG_STEP_FAIL] = { 0, NULL },
};

static void destroy(struct vmig_source *s)
{
	LIST_REMOVE(s, entry);
	sd_event_source_disable_unref(s->limit);
	vmig_pulse_stop(&s->pulse);
	vmig_conn_close(s->control);
	vmig_channels_close(s);
	vmig_switchover_forget(s);
	if (s->m->qmp)
		vmig_qmp_forget(s->m->qmp, s);
	vmig_preflight_forget(&s->preflight);
	vmig_preflight_exit(&s->preflight);
	vmig_commit_end(s);
	vmig_slot_freed(s->daemon);
	vmig_machine_use(s->m, NULL, NULL);
	if (s->dead)
		vmig_machine_end(s->m);
	free(s);
}

/* vmig_source_finish() - The end of all ways: answer the user and go. */
void vmig_source_finish(struct vmig_source *s)
{
	struct json_object *o = vmig_json_new(NULL);
	const vmig_moved_fn moved = s->moved;
	void *const arg = s->moved_arg;
	const int error = s->error;
	const bool busy = s->busy;
	char message[VMIG_TEXT_MAX + 1];

	if (s->id)
		vmig_json_add_uint(o, "migration", s->id);
	if (!s->error && s->m->acks.n)
		json_object_object_add(o, "network",
				       vmig_acks_encode(&s->m->acks));
	if (s->error)
		snprintf(message, sizeof(message), "%s", s->reason);
	else
		snprintf(message, sizeof(message), "VM %s runs on node %s",
			 s->m->name, s->peer->name);
	if (*s->why)
		vmig_json_add_string(o, "transport_why", s->why);
	if (s->parts.stopped)
		json_object_object_add(o, "commit", vmig_commit_describe(s));
	if (s->id || !s->error)
		vmig_log("migration %u of VM %s to node %s: %s", s->id,
			 s->m->name, s->peer->name,
			 s->error ? s->reason : "done");
	else
		vmig_log("VM %s was not moved to node %s: %s", s->m->name,
			 s->peer->name, s->reason);
	if (s->request.id && !moved)
		vmig_daemon_answer(s->daemon, s->request.id, s->error, message,
				   json_object_to_json_string(o));
	destroy(s);
	/* Last: the VM may be told to move on. */
	if (moved)
		moved(arg, error, busy, message, json_object_to_json_string(o));
	json_object_put(o);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_source *s = arg;

	(void)source;
	(void)usec;
	switch (s->step) {
	case VMIG_STEP_COMMIT:
		vmig_commit_doubt(s, "it did not say within %u s whether it runs the VM",
				  steps[s->step].limit_s);
		break;
	case VMIG_STEP_NETWORK:
		s->announced = true;
		vmig_source_committed(s);
		break;
	default:
		vmig_source_fail(s, ETIMEDOUT,
				 "VM %s to node %s: %s within %u s",
				 s->m->name, s->peer->name,
				 steps[s->step].waits_for,
				 steps[s->step].limit_s);
	}
	return 0;
}

/* vmig_source_enter() - The next step begins, and its time. */
void vmig_source_enter(struct vmig_source *s, enum vmig_step step)
{
	s->step = step;
	if (step >= VMIG_STEP_COMMIT)
		vmig_pulse_stop(&s->pulse);
	s->limit = sd_event_source_disable_unref(s->limit);
	if (steps[step].limit_s)
		sd_event_add_time_relative(s->daemon->event, &s->limit,
					   CLOCK_MONOTONIC,
					   steps[step].limit_s * 1000000ULL, 0,
					   on_limit, s);
}

static void on_greeted(void *arg, struct json_object *msg)
{
	struct vmig_source *s = arg;

	vmig_preflight_node(&s->preflight, msg);
	if (s->preflight.error) {
		vmig_source_fail(s, s->preflight.error, "%s",
				 s->preflight.reason);
		return;
	}
	vmig_conn_heartbeat(s->control);
	vmig_setup_say(s);
}

/*
 * As long as the VM runs there is time to find out what a silence means, and one
 * that stands still waits for nobody who may not be there any more.
 */
static void on_missed(void *arg, uint64_t ms)
{
	struct vmig_source *s = arg;

	if (s->parts.stopped)
		vmig_source_fail(s, ETIMEDOUT,
				 "node %s: nothing was heard of its host for %llu ms, with VM %s standing still",
				 s->peer->name, (unsigned long long)ms,
				 s->m->name);
}

static void watch_peer(struct vmig_source *s)
{
	if (!s->pulse)
		s->pulse = vmig_pulse_start(s->daemon->event, s->control,
					    on_missed, s);
}

static void start_precopy(struct vmig_source *s)
{
	struct vmig_err err;

	watch_peer(s);
	vmig_source_enter(s, VMIG_STEP_PRECOPY);
	s->started = true;
	if (vmig_nl_migration_start(s->daemon->nl, s->id, &err))
		vmig_source_fail(s, EIO, "%s", err.text);
}

/*
 * vmig_source_begin() - If both sides can. A VM that stands still waits for
 * nobody but memory.
 */
void vmig_source_begin(struct vmig_source *s)
{
	if (s->step != VMIG_STEP_PREPARE || !s->prepared || !s->incoming)
		return;
	if (!s->request.quick) {
		start_precopy(s);
	} else if (s->ready) {
		watch_peer(s);
		vmig_source_enter(s, VMIG_STEP_PAUSE);
		vmig_switchover_pause(s);
	}
}

/* vmig_source_paused() - Quick: the VM stands still, all of it can move. */
void vmig_source_paused(struct vmig_source *s)
{
	if (s->step == VMIG_STEP_PAUSE)
		start_precopy(s);
}

/* vmig_source_prepared() - Our QEMU can send its state. */
void vmig_source_prepared(struct vmig_source *s)
{
	s->prepared = true;
	vmig_source_begin(s);
}

/* Memory is nearly there, and somebody waits for the rest. */
static void stop(struct vmig_source *s)
{
	struct vmig_err err;

	if (s->step != VMIG_STEP_PRECOPY || !s->converged || !s->ready)
		return;
	if (vmig_commit_mark(s, &err)) {
		vmig_source_fail(s, EIO, "%s", err.text);
		return;
	}
	vmig_source_enter(s, VMIG_STEP_STOP);
	vmig_switchover_stop(s);
}

/* vmig_source_stopped() - The VM stands still and its I/O is drained. */
void vmig_source_stopped(struct vmig_source *s)
{
	struct vmig_err err;

	if (s->step != VMIG_STEP_STOP)
		return;
	vmig_source_enter(s, VMIG_STEP_FINAL);
	if (vmig_nl_migration_stop_copy(s->daemon->nl, s->id, &err))
		vmig_source_fail(s, EIO, "%s", err.text);
}

/* vmig_source_committed() - The VM runs there; end what is left of it here. */
void vmig_source_committed(struct vmig_source *s)
{
	struct vmig_err err;

	if (s->step != VMIG_STEP_NETWORK) {
		if (s->parts.stopped && !s->blackout)
			s->blackout = vmig_daemon_now(s->daemon) -
				      s->parts.stopped;
		vmig_source_enter(s, VMIG_STEP_NETWORK);
		vmig_machine_kill(s->m);
		vmig_store_disown(s->m);
		if (!s->control)
			s->announced = true;
		if (s->id && vmig_nl_migration_stage(s->daemon->nl, s->id,
						     VMIG_STAGE_NETWORK,
						     s->blackout, &err))
			vmig_log("migration %u: %s", s->id, err.text);
		vmig_slot_freed(s->daemon);
	}
	if (!s->announced)
		return;
	if (s->id && vmig_nl_migration_done(s->daemon->nl, s->id, s->blackout,
					    &err))
		vmig_log("migration %u: %s", s->id, err.text);
	vmig_source_finish(s);
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	struct vmig_source *s = arg;
	const char *reason = vmig_json_string(msg, "reason");

	if (!reason)
		reason = "it gave no reason";
	if (!strcmp(type, "accepted") && s->step == VMIG_STEP_SETUP) {
		vmig_setup_accepted(s, msg);
	} else if (!strcmp(type, "incoming")) {
		vmig_setup_incoming(s, msg);
	} else if (!strcmp(type, "ready")) {
		s->ready = true;
		vmig_source_begin(s);
		stop(s);
	} else if (!strcmp(type, "loaded") && s->step == VMIG_STEP_DEVICE) {
		s->loaded = true;
		s->parts.loaded = vmig_daemon_now(s->daemon);
		vmig_commit(s);
	} else if (!strcmp(type, "committed")) {
		vmig_commit_heard(s, msg);
	} else if (!strcmp(type, "announced")) {
		vmig_network_announced(s, msg);
	} else if (!strcmp(type, "aborted") && s->step == VMIG_STEP_COMMIT) {
		vmig_commit_aborted(s, reason);
	} else if (!strcmp(type, "refused") || !strcmp(type, "failed")) {
		s->busy = s->step == VMIG_STEP_SETUP &&
			  vmig_json_uint(msg, "busy", 0);
		s->unconnected = vmig_json_uint(msg, "unconnected", 0);
		vmig_source_fail(s, s->busy ? EBUSY : EIO, "node %s: %s", s->peer->name, reason);
	}
}

static void on_closed(void *arg, const char *why)
{
	struct vmig_source *s = arg;

	vmig_pulse_stop(&s->pulse);
	vmig_conn_close(s->control);
	s->control = NULL;
	if (s->step == VMIG_STEP_NETWORK) {
		s->announced = true;
		vmig_source_committed(s);
		return;
	}
	vmig_source_fail(s, ECONNRESET, "node %s (%s port %u): %s",
			 s->peer->name, s->peer->address, s->peer->port, why);
}

static const struct vmig_conn_ops control_ops = {
	.greeted = on_greeted,
	.message = on_message,
	.closed = on_closed,
};

static void on_event(void *arg, const char *name, struct json_object *data)
{
	vmig_switchover_event(arg, name, data);
}

static void on_died(void *arg, const char *why)
{
	struct vmig_source *s = arg;

	s->dead = true;
	if (s->step == VMIG_STEP_NETWORK)
		vmig_source_committed(s);
	else if (s->step == VMIG_STEP_FAIL)
		vmig_rollback_settle(s);
	else
		vmig_source_fail(s, EIO, "%s", why);
}

static const struct vmig_machine_ops machine_ops = {
	.event = on_event,
	.died = on_died,
};

/* QEMU has answered all that was asked: now the other node. */
static void on_checked(void *arg)
{
	struct vmig_source *s = arg;
	const struct vmig_config *config = s->daemon->config;
	struct vmig_err err;

	if (s->preflight.error) {
		vmig_source_fail(s, s->preflight.error, "%s",
				 s->preflight.reason);
		return;
	}
	vmig_source_enter(s, VMIG_STEP_CONNECT);
	if (vmig_conn_connect(&s->control, s->daemon->event, config, s->peer,
			      config->tls,
			      vmig_channels_greeting(s, "control"),
			      &control_ops, s, &err))
		vmig_source_fail(s, ENETUNREACH, "node %s: %s", s->peer->name,
				 err.text);
}

/* vmig_source_notify() - The kernel changed something about @s->id. */
void vmig_source_notify(struct vmig_source *s, const struct vmig_mig_info *info)
{
	bool ended = vmig_state_is_terminal(info->state);

	if (s->step >= VMIG_STEP_COMMIT && !(s->ending && ended))
		return;
	if (ended) {
		vmig_rollback_ended(s, info);
	} else if (info->converged && s->step == VMIG_STEP_PRECOPY) {
		s->converged = true;
		stop(s);
	} else if (info->state == VMIG_STATE_HANDOFF &&
		   s->step == VMIG_STEP_FINAL) {
		s->parts.copied = vmig_daemon_now(s->daemon);
		vmig_source_enter(s, VMIG_STEP_DEVICE);
		vmig_switchover_save(s);
	}
}

/* vmig_source_create() - Nothing is asked or changed yet. */
struct vmig_source *vmig_source_create(struct vmig_daemon *daemon,
				       struct vmig_machine *m, const char *node)
{
	const struct vmig_peer *peer = vmig_config_peer(daemon->config, node);
	struct vmig_source *s = calloc(1, sizeof(*s));
	unsigned int i;

	if (!s)
		abort();	/* a daemon without memory is restarted */
	s->daemon = daemon;
	s->m = m;
	s->peer = peer ? peer : &s->stranger;
	snprintf(s->stranger.name, sizeof(s->stranger.name), "%s", node);
	s->since = vmig_daemon_now(daemon);
	s->state_fd = -1;
	vmig_preflight_init(&s->preflight, daemon, m, s->peer->name, false);
	s->preflight.done = on_checked;
	s->preflight.arg = s;
	for (i = 0; i <= VMIG_CHANNELS_MAX; i++) {
		s->channels[i].s = s;
		s->channels[i].fd = -1;
	}
	vmig_machine_use(m, &machine_ops, s);
	LIST_INSERT_HEAD(&daemon->sources, s, entry);
	return s;
}

/*
 * vmig_source_forget() - A user undefines a VM of which only the record is
 * left here, and nobody waits for the other node's word any more.
 */
void vmig_source_forget(struct vmig_machine *m)
{
	struct vmig_source *s;

	LIST_FOREACH(s, &m->daemon->sources, entry) {
		if (s->m == m && !s->id && s->dead &&
		    s->step == VMIG_STEP_DOUBT) {
			s->error = ECANCELED;
			snprintf(s->reason, sizeof(s->reason),
				 "it was undefined here");
			vmig_source_finish(s);
			return;
		}
	}
}

/*
 * vmig_source_recover() - An earlier daemon told the other node to resume the
 * VM and did not hear the answer.
 */
struct vmig_source *vmig_source_recover(struct vmig_daemon *daemon,
					struct vmig_machine *m,
					const struct vmig_mig_info *info)
{
	struct vmig_source *s;

	/* With a lease nobody has to be asked but the storage. */
	if (!vmig_ownership_is_used(m) &&
	    !vmig_config_peer(daemon->config, info->node))
		return NULL;
	s = vmig_source_create(daemon, m, info->node);
	s->id = info->id;
	memcpy(s->token, info->token, sizeof(s->token));
	s->dead = m->pidfd < 0;
	s->step = VMIG_STEP_COMMIT;
	vmig_commit_doubt(s, "this agent was restarted in the commit");
	return s;
}
