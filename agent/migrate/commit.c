// SPDX-License-Identifier: GPL-2.0
/*
 * The source's half of the commit, and its doubt.
 *
 * Of a VM with a lease, nobody's word decides: whoever said "commit" and does
 * not know what became of it writes before the VM runs on here, with KEEP.
 * It and the destination's HANDOFF exclude each other, whatever is late. What
 * the destination says only tells that it is time to look. See
 * Documentation/handoff.rst.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../vmm/machine.h"
#include "source.h"

static void on_begun(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_source *s = arg;

	if (result->status != VMIG_LEASE_DONE) {
		vmig_source_fail(s, EIO, "%s", result->err.text);
	} else if (!vmig_ownership_is_mine(s->m, result)) {
		vmig_source_fail(s, EBUSY,
				 "VM %s runs on node %s, which does not hold all of its lease (%s): find out who may run it with: vmig-agent vm recover %s",
				 s->m->name, s->daemon->config->node,
				 result->evidence, s->m->name);
	} else {
		s->epoch = result->record.epoch;
		vmig_preflight_qemu(&s->preflight);
	}
}

/* vmig_commit_begin() - Learn the epoch that will be given away. */
void vmig_commit_begin(struct vmig_source *s)
{
	if (vmig_ownership_is_used(s->m))
		vmig_ownership_ask(s->m, VMIG_LEASE_READ, NULL, on_begun, s);
	else
		vmig_preflight_qemu(&s->preflight);
}

/*
 * vmig_commit_mark() - The VM stops soon, and "commit" may be said. Without a
 * lease this host has to know so after a crash; it is written down while the VM
 * still runs.
 */
int vmig_commit_mark(struct vmig_source *s, struct vmig_err *err)
{
	if (vmig_ownership_is_used(s->m))
		return 0;
	return vmig_handover_leaving(s->m, s->peer->name, s->token, err);
}

/* vmig_commit_end() - The migration is over, in whichever way. */
void vmig_commit_end(struct vmig_source *s)
{
	struct vmig_err err;

	vmig_ownership_forget(s->m, s);
	if (s->m->owned && vmig_handover_stays(s->m, &err))
		vmig_log("VM %s: %s", s->m->name, err.text);
}

/* vmig_commit() - As soon as all that is needed there is there. */
void vmig_commit(struct vmig_source *s)
{
	struct json_object *msg;
	struct vmig_err err;

	if (s->step != VMIG_STEP_DEVICE || !s->saved || !s->checked ||
	    !s->loaded)
		return;
	/* From here on the kernel refuses to cancel: it may be too late. */
	if (vmig_nl_migration_stage(s->daemon->nl, s->id, VMIG_STAGE_STORAGE, 0,
				    &err)) {
		vmig_source_fail(s, EIO, "%s", err.text);
		return;
	}
	vmig_source_enter(s, VMIG_STEP_COMMIT);
	msg = vmig_json_new("commit");
	if (vmig_ownership_is_used(s->m))
		vmig_json_add_uint(msg, "epoch", s->epoch);
	s->parts.said = vmig_daemon_now(s->daemon);
	vmig_conn_send(s->control, msg);
	if (vmig_nl_migration_stage(s->daemon->nl, s->id, VMIG_STAGE_RESUME, 0,
				    &err))
		vmig_log("migration %u: %s", s->id, err.text);
}

static void look(struct vmig_source *s);

static int on_pace(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	look(arg);
	return 0;
}

static void look_again(struct vmig_source *s,
		       const struct vmig_lease_result *result)
{
	if (result->status != s->told) {
		s->told = result->status;
		vmig_log("VM %s stays paused until its lease says who runs it: %s",
			 s->m->name, result->status == VMIG_LEASE_DONE ?
			 result->evidence : result->err.text);
	}
	sd_event_source_disable_unref(s->limit);
	s->limit = NULL;
	sd_event_add_time_relative(s->daemon->event, &s->limit, CLOCK_MONOTONIC,
				   VMIG_OWNERSHIP_PACE_US, 0, on_pace, s);
}

static void on_kept(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_source *s = arg;

	if (vmig_ownership_is_mine(s->m, result))
		vmig_source_roll_back(s, s->doubt);
	else
		look_again(s, result);
}

static void on_looked(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_lease_record record = result->record;
	struct vmig_source *s = arg;

	if (result->status != VMIG_LEASE_DONE)
		look_again(s, result);
	else if (s->m->lease.held)
		vmig_ownership_ask(s->m, VMIG_LEASE_KEEP, &record, on_kept, s);
	else
		vmig_source_committed(s);
}

static void look(struct vmig_source *s)
{
	s->limit = sd_event_source_disable_unref(s->limit);
	vmig_ownership_ask(s->m, VMIG_LEASE_READ, NULL, on_looked, s);
}

/* vmig_commit_doubt() - "commit" is said, and its outcome has to be found out. */
void vmig_commit_doubt(struct vmig_source *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->doubt, sizeof(s->doubt), fmt, ap);
	va_end(ap);
	if (!vmig_ownership_is_used(s->m)) {
		vmig_outcome_ask(s);
		return;
	}
	vmig_log("migration %u of VM %s: node %s: %s; the VM stays paused here until its lease says who runs it",
		 s->id, s->m->name, s->peer->name, s->doubt);
	vmig_source_enter(s, VMIG_STEP_DOUBT);
	look(s);
}

/* vmig_commit_aborted() - The other node says that it will not run the VM. */
void vmig_commit_aborted(struct vmig_source *s, const char *why)
{
	if (vmig_ownership_is_used(s->m))
		vmig_commit_doubt(s, "%s", why);
	else
		vmig_source_roll_back(s, why);
}

/* vmig_commit_heard() - "committed": the other node says that the VM runs. */
void vmig_commit_heard(struct vmig_source *s, struct json_object *msg)
{
	if (s->step != VMIG_STEP_COMMIT && s->step != VMIG_STEP_DOUBT)
		return;
	s->parts.heard = vmig_daemon_now(s->daemon);
	s->parts.record = vmig_json_uint(msg, "record", 0);
	s->parts.lease = vmig_json_uint(msg, "lease", 0);
	s->parts.cont = vmig_json_uint(msg, "cont", 0);
	s->blackout = s->parts.heard - s->parts.stopped;
	if (!vmig_ownership_is_used(s->m)) {
		vmig_source_committed(s);
	} else if (s->step == VMIG_STEP_COMMIT) {
		/* The VM runs, and the lease will say so at the first look. */
		snprintf(s->doubt, sizeof(s->doubt),
			 "it said that it runs the VM, and the lease is not its");
		vmig_source_enter(s, VMIG_STEP_DOUBT);
		look(s);
	} else if (!vmig_ownership_is_busy(s->m)) {
		look(s);
	}
}

/* vmig_commit_describe() - What the commit took, in us, part by part. */
struct json_object *vmig_commit_describe(const struct vmig_source *s)
{
	const struct vmig_source_parts *parts = &s->parts;
	struct json_object *o = vmig_json_new(NULL);

	if (parts->copied)
		vmig_json_add_uint(o, "copy", parts->copied - parts->stopped);
	if (parts->loaded)
		vmig_json_add_uint(o, "device", parts->loaded - parts->copied);
	if (parts->said)
		vmig_json_add_uint(o, "say", parts->said - parts->loaded);
	if (!parts->heard)
		return o;
	vmig_json_add_uint(o, "record", parts->record);
	if (vmig_ownership_is_used(s->m))
		vmig_json_add_uint(o, "lease", parts->lease);
	vmig_json_add_uint(o, "cont", parts->cont);
	vmig_json_add_uint(o, "answer", parts->heard - parts->said);
	return o;
}
