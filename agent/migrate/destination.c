// SPDX-License-Identifier: GPL-2.0
/*
 * A VM on its way into this node: the steps, and the one way to fail.
 *
 * Up to VMIG_IN_LOADED every trouble ends in vmig_incoming_drop(), which
 * removes all that came. Of a VM with a lease, the lease is the commit
 * (handoff.c), of another one stage RESUME in the kernel: from then on the VM is
 * this node's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../cluster/token.h"
#include "../net/net.h"
#include "../vmm/machine.h"
#include "destination.h"
#include "slot.h"

/* What may hinder QEMU, as a lock that another one still has, is soon over. */
#define CONT_AGAIN_US (200 * 1000ULL)

struct vmig_incoming *vmig_incoming_create(struct vmig_daemon *daemon,
					   const char *node)
{
	struct vmig_incoming *in = calloc(1, sizeof(*in));
	unsigned int i;

	if (!in)
		abort();	/* a daemon without memory is restarted */
	in->daemon = daemon;
	snprintf(in->node, sizeof(in->node), "%s", node);
	in->since = vmig_daemon_now(daemon);
	for (i = 0; i <= VMIG_CHANNELS_MAX; i++)
		in->fds[i] = -1;
	LIST_INSERT_HEAD(&daemon->incomings, in, entry);
	return in;
}

struct vmig_incoming *vmig_incoming_find_token(struct vmig_daemon *daemon,
					       const uint8_t *token)
{
	struct vmig_incoming *in;

	LIST_FOREACH(in, &daemon->incomings, entry) {
		if (in->step != VMIG_IN_VISIT &&
		    !memcmp(in->token, token, VMIG_TOKEN_LEN))
			return in;
	}
	return NULL;
}

void vmig_incoming_destroy(struct vmig_incoming *in)
{
	unsigned int i;

	LIST_REMOVE(in, entry);
	if (in->m)
		vmig_slot_freed(in->daemon);
	sd_event_source_disable_unref(in->limit);
	vmig_conn_close(in->control);
	json_object_put(in->setup);
	for (i = 0; i <= VMIG_CHANNELS_MAX; i++) {
		if (in->fds[i] >= 0)
			close(in->fds[i]);
	}
	if (in->m) {
		vmig_machine_use(in->m, NULL, NULL);
		if (in->m->qmp)
			vmig_qmp_forget(in->m->qmp, in);
		vmig_ownership_forget(in->m, in);
		if (in->m->owned)
			vmig_handoff_forget(in->m);
		if (in->m->pidfd < 0)
			vmig_machine_end(in->m);
	}
	free(in);
}

/* vmig_incoming_say() - Tell the source, if it is still there. */
void vmig_incoming_say(struct vmig_incoming *in, const char *type,
		       const char *reason)
{
	struct json_object *msg;

	if (!in->control)
		return;
	msg = vmig_json_new(type);
	if (reason)
		vmig_json_add_string(msg, "reason", reason);
	if (in->unconnected)
		vmig_json_add_bool(msg, "unconnected", true);
	vmig_conn_send(in->control, msg);
}

/**
 * vmig_incoming_drop() - The one way to fail.
 * @type: how the source is told: "failed", or "aborted" after its "commit"
 *
 * The kernel ends first: without it nothing here can commit any more. @in may
 * be gone afterwards.
 */
void vmig_incoming_drop(struct vmig_incoming *in, const char *type,
			const char *fmt, ...)
{
	char reason[VMIG_TEXT_MAX + 1];
	struct vmig_err err;
	va_list ap;

	/* In HANDOFF only the lease can say that the VM is not ours. */
	if (in->step == VMIG_IN_DROP || in->step == VMIG_IN_HANDOFF)
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	in->step = VMIG_IN_DROP;
	in->limit = sd_event_source_disable_unref(in->limit);
	vmig_log("incoming VM %s from node %s dropped: %s",
		 in->m ? in->m->name : "?", in->node, reason);
	if (in->id && vmig_nl_migration_fail(in->daemon->nl, in->id, EIO,
					     reason, &err) == -EBUSY)
		vmig_log("migration %u: %s", in->id, err.text);
	vmig_outcome_refuse(in->daemon, in->token);
	vmig_incoming_say(in, type, reason);
	if (in->m && in->m->pidfd >= 0)
		vmig_machine_kill(in->m);
	else
		vmig_incoming_destroy(in);
}

static void on_qmp(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;

	(void)ret;
	if (why)
		vmig_incoming_drop(in, "failed", "QEMU of VM %s: %s",
				   in->m->name, why);
}

static void on_receptive(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;

	on_qmp(in, ret, why);
	if (why)
		return;
	in->receptive = true;
	in->limit = sd_event_source_disable_unref(in->limit);
	vmig_incoming_say(in, "ready", NULL);
}

/* QEMU is up and the state connection is made. */
static void prepare_qemu(struct vmig_incoming *in)
{
	/*
	 * late-block-activate: images are locked at `cont` and not when the
	 * state was read, so that the source can take back what it inactivated.
	 */
	static const char * const names[] = {
		"events", "x-ignore-shared", "late-block-activate",
	};
	struct json_object *args, *list;
	unsigned int i;

	if (in->step != VMIG_IN_INCOMING || !in->answered)
		return;
	args = vmig_json_new(NULL);
	list = json_object_new_array();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct json_object *o = vmig_json_new(NULL);

		vmig_json_add_string(o, "capability", names[i]);
		vmig_json_add_bool(o, "state", true);
		json_object_array_add(list, o);
	}
	json_object_object_add(args, "capabilities", list);
	vmig_qmp_call(in->m->qmp, "migrate-set-capabilities", args, on_qmp, in);
	vmig_qmp_send_fd(in->m->qmp, "vmig-state", in->fds[in->nsockets],
			 on_qmp, in);
	args = vmig_json_new(NULL);
	vmig_json_add_string(args, "uri", "fd:vmig-state");
	vmig_qmp_call(in->m->qmp, "migrate-incoming", args, on_receptive, in);
	close(in->fds[in->nsockets]);
	in->fds[in->nsockets] = -1;
}

/* The kernel waits for the memory; for RDMA on a port of its choice. */
static void say_incoming(struct vmig_incoming *in, uint16_t port)
{
	struct json_object *msg = vmig_json_new("incoming");

	if (in->params.transport == VMIG_TRANSPORT_RDMA)
		vmig_json_add_uint(msg, "port", port);
	vmig_conn_send(in->control, msg);
}

/*
 * vmig_incoming_start() - All connections are there: let the memory come.
 *
 * QEMU starts meanwhile: with x-ignore-shared it leaves alone what may still
 * be another QEMU's memory.
 */
void vmig_incoming_start(struct vmig_incoming *in)
{
	struct vmig_mig_params *params = &in->params;
	struct vmig_nl *nl = in->daemon->nl;
	struct vmig_err err;
	uint16_t port = 0;
	unsigned int i;
	int ret;

	if (in->step != VMIG_IN_PREPARE || in->connected != in->nsockets + 1)
		return;
	params->vm = in->m->name;
	params->node = in->node;
	params->role = VMIG_ROLE_DESTINATION;
	memcpy(params->token, in->token, sizeof(params->token));
	memcpy(params->sockets, in->fds, in->nsockets * sizeof(in->fds[0]));
	params->nsockets = in->nsockets;
	params->channels = in->nchannels;
	params->local = in->daemon->config->address;
	ret = vmig_nl_migration_new(nl, params, &in->id, &port, &err);
	explicit_bzero(params->secret, sizeof(params->secret));
	if (ret || vmig_nl_migration_start(nl, in->id, &err)) {
		in->unconnected = true;
		vmig_incoming_drop(in, "failed", "%s", err.text);
		return;
	}
	for (i = 0; i < in->nsockets; i++) {
		close(in->fds[i]);
		in->fds[i] = -1;
	}
	in->step = VMIG_IN_INCOMING;
	say_incoming(in, port);
	prepare_qemu(in);
}

static void say_announced(struct vmig_incoming *in)
{
	struct json_object *msg = vmig_json_new("announced");

	if (!in->control) {
		json_object_put(msg);
		return;
	}
	json_object_object_add(msg, "network", vmig_acks_encode(&in->m->acks));
	vmig_conn_send(in->control, msg);
}

static void on_announced(void *arg, int error, const struct vmig_err *err,
			 const struct vmig_acks *acks)
{
	struct vmig_incoming *in = arg;
	struct vmig_err why;

	in->m->announce = NULL;
	in->m->acks = *acks;
	if (error)
		vmig_log("VM %s: %s", in->m->name, err->text);
	if (vmig_nl_migration_done(in->daemon->nl, in->id, 0, &why))
		vmig_log("migration %u: %s", in->id, why.text);
	vmig_log("VM %s from node %s runs here", in->m->name, in->node);
	say_announced(in);
	vmig_incoming_destroy(in);
}

static void say_committed(struct vmig_incoming *in)
{
	struct json_object *msg = vmig_json_new("committed");

	vmig_json_add_uint(msg, "record", in->parts.record);
	vmig_json_add_uint(msg, "lease", in->parts.lease);
	vmig_json_add_uint(msg, "cont", in->parts.cont);
	if (in->control)
		vmig_conn_send(in->control, msg);
	else
		json_object_put(msg);
}

static void announce(struct vmig_incoming *in)
{
	static const struct vmig_acks none;
	struct vmig_err err;

	in->step = VMIG_IN_NETWORK;
	in->limit = sd_event_source_disable_unref(in->limit);
	in->m->running = true;
	in->m->incoming = false;
	in->parts.cont = vmig_daemon_now(in->daemon) - in->mark;
	say_committed(in);
	if (vmig_nl_migration_stage(in->daemon->nl, in->id, VMIG_STAGE_NETWORK,
				    0, &err))
		vmig_log("migration %u: %s", in->id, err.text);
	vmig_slot_freed(in->daemon);
	if (vmig_announce_start(in->daemon->event, in->m->def, on_announced, in,
				&in->m->announce, &err))
		on_announced(in, -EIO, &err, &none);
}

static void cont(struct vmig_incoming *in);

static int on_cont_again(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	cont(arg);
	return 0;
}

/* The lease is ours: nobody else can run the VM, so it is tried for ever. */
static void cont_again(struct vmig_incoming *in)
{
	if (!in->refused)
		vmig_log("QEMU of VM %s does not resume it yet; it is tried on",
			 in->m->name);
	in->refused = true;
	sd_event_source_disable_unref(in->limit);
	in->limit = NULL;
	sd_event_add_time_relative(in->daemon->event, &in->limit,
				   CLOCK_MONOTONIC, CONT_AGAIN_US, 0,
				   on_cont_again, in);
}

static void on_status(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;
	bool refused = !why && !vmig_json_uint(ret, "running", 0);

	if (refused && vmig_ownership_is_used(in->m)) {
		cont_again(in);
	} else if (refused) {
		/*
		 * QEMU refused, so the VM has not run: it is the source's
		 * again, which must learn it from this very word.
		 */
		vmig_store_disown(in->m);
		vmig_handover_returned(in->m, in->token);
		vmig_incoming_drop(in, "aborted",
				   "QEMU of VM %s did not resume it",
				   in->m->name);
	} else {
		/* It runs, or nobody can say that it does not. */
		announce(in);
	}
}

static void on_resumed(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;

	(void)ret;
	if (!why) {
		announce(in);
		return;
	}
	if (!in->refused)
		vmig_log("VM %s: cont: %s", in->m->name, why);
	vmig_qmp_call(in->m->qmp, "query-status", NULL, on_status, in);
}

static void cont(struct vmig_incoming *in)
{
	vmig_qmp_call(in->m->qmp, "cont", NULL, on_resumed, in);
}

/* It was this node's VM that died, before anybody could hear that it was. */
static void end_dead(struct vmig_incoming *in)
{
	vmig_announce_stop(in->m->announce);
	in->m->announce = NULL;
	say_committed(in);
	vmig_nl_migration_done(in->daemon->nl, in->id, 0, NULL);
	vmig_incoming_destroy(in);
}

/* vmig_incoming_resume() - The VM is this node's, on record: let it run. */
void vmig_incoming_resume(struct vmig_incoming *in)
{
	struct vmig_err err;

	in->step = VMIG_IN_RESUME;
	in->limit = sd_event_source_disable_unref(in->limit);
	in->mark = vmig_daemon_now(in->daemon);
	if (in->m->pidfd < 0) {
		end_dead(in);
		return;
	}
	if (vmig_machine_taps_up(in->m, &err))
		vmig_log("VM %s: %s", in->m->name, err.text);
	cont(in);
}

/* vmig_incoming_commit() - The VM is given to us: first records, then it runs. */
void vmig_incoming_commit(struct vmig_incoming *in, struct json_object *msg)
{
	uint64_t now = vmig_daemon_now(in->daemon);
	struct vmig_err err;

	if (in->step != VMIG_IN_LOADED)
		return;
	if (vmig_ownership_is_used(in->m)) {
		vmig_handoff_begin(in, msg);
		return;
	}
	if (vmig_nl_migration_stage(in->daemon->nl, in->id, VMIG_STAGE_RESUME,
				    0, &err) ||
	    vmig_store_own(in->m, in->token, &err)) {
		vmig_store_disown(in->m);
		vmig_handover_returned(in->m, in->token);
		vmig_incoming_drop(in, "aborted", "%s", err.text);
		return;
	}
	in->parts.record = vmig_daemon_now(in->daemon) - now;
	vmig_incoming_resume(in);
}

static void check_loaded(struct vmig_incoming *in)
{
	if (in->step != VMIG_IN_INCOMING || !in->ready || !in->loaded)
		return;
	in->step = VMIG_IN_LOADED;
	vmig_incoming_say(in, "loaded", NULL);
}

static void on_event(void *arg, const char *name, struct json_object *data)
{
	struct vmig_incoming *in = arg;
	const char *status;

	if (strcmp(name, "MIGRATION"))
		return;
	status = vmig_json_string(data, "status");
	if (status && !strcmp(status, "completed")) {
		in->loaded = true;
		check_loaded(in);
	}
}

static void on_ready(void *arg)
{
	struct vmig_incoming *in = arg;

	in->answered = true;
	prepare_qemu(in);
}

static void on_died(void *arg, const char *why)
{
	struct vmig_incoming *in = arg;

	switch (in->step) {
	case VMIG_IN_DROP:
		vmig_incoming_destroy(in);
		break;
	case VMIG_IN_HANDOFF:
		/* The lease may be ours by now: that has to be known first. */
		vmig_log("%s, while node %s handed it over", why, in->node);
		break;
	case VMIG_IN_RESUME:
	case VMIG_IN_NETWORK:
		end_dead(in);
		break;
	default:
		vmig_incoming_drop(in, "failed", "%s", why);
	}
}

const struct vmig_machine_ops vmig_incoming_machine_ops = {
	.event = on_event,
	.ready = on_ready,
	.died = on_died,
};

/* vmig_incoming_find() - By the kernel's number. */
struct vmig_incoming *vmig_incoming_find(struct vmig_daemon *daemon,
					 uint32_t id)
{
	struct vmig_incoming *in;

	LIST_FOREACH(in, &daemon->incomings, entry) {
		if (in->id == id)
			return in;
	}
	return NULL;
}

/* vmig_incoming_notify() - The kernel changed something about @in->id. */
void vmig_incoming_notify(struct vmig_incoming *in,
			  const struct vmig_mig_info *info)
{
	if (in->step >= VMIG_IN_HANDOFF)
		return;
	if (vmig_state_is_terminal(info->state)) {
		vmig_incoming_drop(in, "failed", "%s", info->reason);
	} else if (info->state == VMIG_STATE_READY) {
		in->ready = true;
		check_loaded(in);
	}
}

/*
 * vmig_incoming_recover() - An earlier daemon committed and may not have
 * resumed the VM.
 */
void vmig_incoming_recover(struct vmig_daemon *daemon, struct vmig_machine *m,
			   const struct vmig_mig_info *info)
{
	struct vmig_incoming *in = vmig_incoming_create(daemon, info->node);
	struct vmig_err err;

	in->id = info->id;
	memcpy(in->token, info->token, sizeof(in->token));
	in->m = m;
	m->incoming = true;
	vmig_machine_use(m, &vmig_incoming_machine_ops, in);
	if (vmig_ownership_is_used(m)) {
		in->step = VMIG_IN_HANDOFF;
		vmig_handoff_recover(in);
		return;
	}
	if (vmig_store_own(m, in->token, &err))
		vmig_log("VM %s: %s", m->name, err.text);
	vmig_incoming_resume(in);
}
