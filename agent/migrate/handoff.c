// SPDX-License-Identifier: GPL-2.0
/*
 * The destination's half of the commit of a VM with a lease: HANDOFF, again
 * and again until the lease says who has the VM. Documentation/handoff.rst has
 * the protocol, and why each thing is written when it is.
 *
 * What was asked for is in run/NAME/handoff, for a new agent to repeat it: it
 * must neither take the lease of another epoch nor drop the VM.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../cluster/token.h"
#include "../file.h"
#include "../vmm/machine.h"
#include "destination.h"
#include "slot.h"

#define HANDOFF_PATH_MAX (PATH_MAX + NAME_MAX + 32)

static void make_path(const struct vmig_machine *m, char path[HANDOFF_PATH_MAX])
{
	snprintf(path, HANDOFF_PATH_MAX, "%s/%s/handoff", m->daemon->config->run,
		 m->name);
}

static int write_file(struct vmig_incoming *in, struct vmig_err *err)
{
	char text[VMIG_TOKEN_TEXT + VMIG_NAME_MAX + 32];
	char path[HANDOFF_PATH_MAX];
	char digits[VMIG_TOKEN_TEXT];

	vmig_token_text(in->token, digits);
	snprintf(text, sizeof(text), "%s %llu %s\n", digits,
		 (unsigned long long)in->handoff.epoch, in->handoff.holder);
	make_path(in->m, path);
	return vmig_file_write(path, text, err);
}

bool vmig_handoff_find(const struct vmig_machine *m,
		       struct vmig_handoff_file *found)
{
	char path[HANDOFF_PATH_MAX], digits[VMIG_TOKEN_TEXT];
	unsigned long long epoch;
	int fields;
	FILE *file;

	memset(found, 0, sizeof(*found));
	make_path(m, path);
	file = fopen(path, "re");
	if (!file)
		return false;
	fields = fscanf(file, "%32s %llu %63s", digits, &epoch,
			found->record.holder);
	fclose(file);
	found->whole = fields == 3 && !vmig_token_parse(digits, found->token);
	found->record.epoch = epoch;
	return true;
}

/* In this order: with the second file alone the VM would not have arrived. */
void vmig_handoff_forget(const struct vmig_machine *m)
{
	char path[HANDOFF_PATH_MAX];

	vmig_earlier_forget(m);
	make_path(m, path);
	unlink(path);
}

static void on_checked(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_incoming *in = arg;
	struct vmig_err err;

	if (result->status != VMIG_LEASE_DONE) {
		vmig_incoming_refuse(in, false, &result->err);
	} else if (strcmp(result->record.holder, in->node)) {
		vmig_err_set(&err, EBUSY,
			     "%s%s holds the lease of VM %s (epoch %llu), and not node %s, which wants to send it: nothing was changed",
			     *result->record.holder ? "node " : "nobody",
			     result->record.holder, in->m->name,
			     (unsigned long long)result->record.epoch,
			     in->node);
		vmig_incoming_refuse(in, false, &err);
	} else {
		vmig_incoming_admit(in);
	}
}

void vmig_handoff_check(struct vmig_incoming *in)
{
	in->step = VMIG_IN_CHECK;
	vmig_ownership_ask(in->m, VMIG_LEASE_READ, NULL, on_checked, in);
}

static void ask(struct vmig_incoming *in);

static int on_pace(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	ask(arg);
	return 0;
}

/* Only the lease can say that it is not ours: nothing else ends this. */
static void ask_again(struct vmig_incoming *in,
		      const struct vmig_lease_result *result)
{
	if (result->status != in->told) {
		in->told = result->status;
		vmig_log("VM %s from node %s waits here for its lease: %s",
			 in->m->name, in->node,
			 result->status == VMIG_LEASE_DONE ? result->evidence :
			 result->err.text);
	}
	sd_event_source_disable_unref(in->limit);
	in->limit = NULL;
	sd_event_add_time_relative(in->daemon->event, &in->limit,
				   CLOCK_MONOTONIC, VMIG_OWNERSHIP_PACE_US, 0,
				   on_pace, in);
}

/* The source has kept it, or more has happened since. */
static void give_up(struct vmig_incoming *in, const char *why)
{
	vmig_store_return(in->m);
	in->step = VMIG_IN_RECORD;
	vmig_incoming_drop(in, "aborted", "%s", why);
}

static void on_answer(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_incoming *in = arg;

	if (vmig_ownership_is_mine(in->m, result)) {
		in->parts.lease = vmig_daemon_now(in->daemon) - in->mark;
		vmig_incoming_resume(in);
	} else if (result->known && !result->unsure &&
		   (result->status == VMIG_LEASE_CHANGED ||
		    result->status == VMIG_LEASE_HELD)) {
		give_up(in, result->err.text);
	} else {
		ask_again(in, result);
	}
}

static void ask(struct vmig_incoming *in)
{
	in->limit = sd_event_source_disable_unref(in->limit);
	vmig_ownership_ask(in->m, VMIG_LEASE_HANDOFF, &in->handoff, on_answer,
			   in);
}

/* On disk, in the run folder and in the kernel, in this order. */
static int record(struct vmig_incoming *in, struct vmig_err *err)
{
	int ret;

	if (!in->handoff.epoch)
		return vmig_err_set(err, EPROTO,
				    "node %s committed VM %s without the epoch of its lease",
				    in->node, in->m->name);
	ret = write_file(in, err);
	if (!ret)
		ret = vmig_store_own(in->m, NULL, err);
	if (!ret)
		ret = vmig_nl_migration_stage(in->daemon->nl, in->id,
					      VMIG_STAGE_RESUME, 0, err);
	return ret;
}

void vmig_handoff_begin(struct vmig_incoming *in, struct json_object *commit)
{
	uint64_t now = vmig_daemon_now(in->daemon);
	struct vmig_err err;

	in->step = VMIG_IN_RECORD;
	strcpy(in->handoff.holder, in->node);
	in->handoff.epoch = vmig_json_uint(commit, "epoch", 0);
	if (record(in, &err)) {
		give_up(in, err.text);
		return;
	}
	in->mark = vmig_daemon_now(in->daemon);
	in->parts.record = in->mark - now;
	in->step = VMIG_IN_HANDOFF;
	ask(in);
}

struct vmig_incoming *vmig_handoff_find_lost(const struct vmig_machine *m)
{
	struct vmig_incoming *in;

	LIST_FOREACH(in, &m->daemon->incomings, entry) {
		if (in->m == m && in->lost)
			return in;
	}
	return NULL;
}

void vmig_handoff_decide(struct vmig_incoming *in, bool mine, bool keep)
{
	in->lost = false;
	in->m->owned = mine || keep;
	if (mine) {
		vmig_incoming_resume(in);
		return;
	}
	if (!keep)
		vmig_store_return(in->m);
	in->step = VMIG_IN_RECORD;
	vmig_incoming_drop(in, "aborted", "an operator decided so");
}

/*
 * If the lease is this node's, it is by this very HANDOFF: it was the source's
 * when the VM began to arrive. Else nobody knows: what asked for it may be on its
 * way, and another epoch may be that of a VM that ran on at the source.
 */
static void on_lost(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_incoming *in = arg;

	if (vmig_ownership_is_mine(in->m, result)) {
		vmig_handoff_decide(in, true, true);
		return;
	}
	vmig_log("VM %s from node %s stays paused: %s/%s/handoff, which says what lease it waits for, is lost; see vmig-agent vm recover %s",
		 in->m->name, in->node, in->daemon->config->run, in->m->name,
		 in->m->name);
}

void vmig_handoff_recover(struct vmig_incoming *in)
{
	struct vmig_handoff_file found;

	if (!vmig_handoff_find(in->m, &found) || !found.whole) {
		in->lost = true;
		vmig_slot_freed(in->daemon);
		vmig_ownership_ask(in->m, VMIG_LEASE_READ, NULL, on_lost, in);
		return;
	}
	in->handoff = found.record;
	in->mark = vmig_daemon_now(in->daemon);
	ask(in);
}
