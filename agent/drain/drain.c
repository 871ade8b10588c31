// SPDX-License-Identifier: GPL-2.0
/*
 * Sending every running VM of this node away, and bringing back what left: the
 * state of both, which is on disk, and what is told of it.
 *
 * As many VMs as live-migrations allows are under way at once.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/errand.h"
#include "../cluster/message.h"
#include "../file.h"
#include "../migrate/checkup.h"
#include "../migrate/queue.h"
#include "../vmm/machine.h"
#include "drain.h"

#define AGAIN_US	(500 * 1000ULL)
/* What a QEMU that is found again may take to say how it is. */
#define GRACE_US	(20 * 1000 * 1000ULL)
/* Reasons that an answer has room for. */
#define WHYS_MAX	(16 * 1024)

static void record_path(const struct vmig_daemon *daemon, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/drain.json", daemon->config->state);
}

int vmig_drain_save(struct vmig_daemon *daemon, struct vmig_err *err)
{
	char path[PATH_MAX];

	record_path(daemon, path);
	return vmig_drain_record_save(path, &daemon->drain->record, err);
}

bool vmig_drain_is_on(struct vmig_daemon *daemon)
{
	return daemon->drain->record.draining;
}

/* One VM */

struct vmig_task *vmig_task_find(struct vmig_daemon *daemon, const char *vm)
{
	struct vmig_task *t;

	TAILQ_FOREACH(t, &daemon->drain->tasks, entry)
		if (!strcmp(t->vm, vm))
			return t;
	return NULL;
}

struct vmig_task *vmig_task_new(struct vmig_daemon *daemon, const char *vm)
{
	struct vmig_task *t = calloc(1, sizeof(*t));

	if (!t)
		abort();	/* a daemon without memory is restarted */
	t->daemon = daemon;
	snprintf(t->vm, sizeof(t->vm), "%s", vm);
	t->whys = json_object_new_array();
	TAILQ_INSERT_TAIL(&daemon->drain->tasks, t, entry);
	return t;
}

static void stop(struct vmig_task *t)
{
	unsigned int i;

	for (i = 0; i < VMIG_PEERS_MAX; i++) {
		vmig_errand_stop(t->errands[i]);
		t->errands[i] = NULL;
	}
	vmig_checkup_stop(t->checkup);
	t->checkup = NULL;
	t->retry = sd_event_source_disable_unref(t->retry);
}

void vmig_task_free(struct vmig_task *t)
{
	TAILQ_REMOVE(&t->daemon->drain->tasks, t, entry);
	stop(t);
	json_object_put(t->whys);
	free(t);
}

void vmig_task_say(struct vmig_task *t, const char *node, const char *why)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "node", node);
	vmig_json_add_string(o, "why", why);
	json_object_array_add(t->whys, o);
}

void vmig_task_end(struct vmig_task *t, enum vmig_task_state state)
{
	t->state = state;
	if (state == VMIG_TASK_STAYED)
		vmig_log("VM %s could not be moved: %s", t->vm,
			 json_object_to_json_string_ext(t->whys,
				JSON_C_TO_STRING_PLAIN));
	vmig_drain_kick(t->daemon);
}

static bool is_under_way(const struct vmig_task *t)
{
	return t->state == VMIG_TASK_ASKS || t->state == VMIG_TASK_CHECKS ||
	       t->state == VMIG_TASK_MOVES;
}

unsigned int vmig_tasks_under_way(struct vmig_daemon *daemon)
{
	const struct vmig_task *t;
	unsigned int n = 0;

	TAILQ_FOREACH(t, &daemon->drain->tasks, entry)
		n += is_under_way(t);
	return n;
}

/* The run */

void vmig_drain_kick(struct vmig_daemon *daemon)
{
	if (daemon->drain && (daemon->drain->record.draining ||
			      daemon->drain->record.returning))
		sd_event_source_set_enabled(daemon->drain->kick,
					    SD_EVENT_ONESHOT);
}

static int on_again(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_daemon *daemon = arg;

	(void)source;
	(void)usec;
	daemon->drain->again =
		sd_event_source_disable_unref(daemon->drain->again);
	vmig_drain_kick(daemon);
	return 0;
}

void vmig_drain_later(struct vmig_daemon *daemon)
{
	if (!daemon->drain->again)
		sd_event_add_time_relative(daemon->event,
					   &daemon->drain->again,
					   CLOCK_MONOTONIC, AGAIN_US, 0,
					   on_again, daemon);
}

static struct vmig_task *find_waiting(struct vmig_drain *drain)
{
	struct vmig_task *t;

	TAILQ_FOREACH(t, &drain->tasks, entry)
		if (t->state == VMIG_TASK_WAITS)
			return t;
	return NULL;
}

bool vmig_drain_is_here(struct vmig_daemon *daemon, const char *vm)
{
	const struct vmig_machine *m = vmig_machine_find(daemon, vm);

	return m && m->owned && !m->incoming && !vmig_machine_is_leaving(m);
}

/*
 * Entries of VMs that had not left when they were written: one that is not here
 * any more has. One that is may still go, if an earlier daemon gave it away and
 * the other node has not told what became of it.
 */
static void settle_record(struct vmig_daemon *daemon)
{
	struct vmig_drain_record *record = &daemon->drain->record;
	struct vmig_err err;
	size_t i;

	for (i = 0; i < record->n; i++)
		if (!vmig_drain_is_here(daemon, record->entries[i].vm))
			record->entries[i].left = true;
	if (record->n && vmig_drain_save(daemon, &err))
		vmig_log("drain: %s", err.text);
}

/* A drain stays: it keeps VMs out. To bring back has an end. */
static void end_returning(struct vmig_daemon *daemon)
{
	struct vmig_drain_record *record = &daemon->drain->record;
	struct vmig_err err;
	size_t i;

	if (!record->returning)
		return;
	record->returning = false;
	/* Those that never left need not be remembered. */
	for (i = record->n; i--;)
		if (!record->entries[i].left)
			vmig_drain_record_remove(record, record->entries[i].vm);
	if (vmig_drain_save(daemon, &err))
		vmig_log("undrain: %s", err.text);
}

/* One a turn, as what begins may end at once. */
static int on_kick(sd_event_source *source, void *arg)
{
	struct vmig_daemon *daemon = arg;
	struct vmig_drain *drain = daemon->drain;
	struct vmig_task *t;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (drain->record.draining)
		vmig_away_collect(daemon);
	else
		vmig_back_collect(daemon);
	t = find_waiting(drain);
	if (!t && !vmig_tasks_under_way(daemon)) {
		end_returning(daemon);
		return 0;
	}
	if (!t || vmig_tasks_under_way(daemon) >=
		  daemon->config->live_migrations)
		return 0;
	if (drain->record.draining)
		vmig_away_begin(t);
	else
		vmig_back_begin(t);
	if (t->state != VMIG_TASK_WAITS)
		vmig_drain_kick(daemon);
	return 0;
}

/*
 * Tasks of an earlier run. A migration that is under way ends as it will, and
 * away.c makes of its end what then is wanted.
 */
static void forget(struct vmig_daemon *daemon)
{
	struct vmig_task *t, *next;

	for (t = TAILQ_FIRST(&daemon->drain->tasks); t; t = next) {
		next = TAILQ_NEXT(t, entry);
		if (t->queued)
			vmig_queue_cancel(daemon, t->vm);
		if (!t->queued)
			vmig_task_free(t);
	}
}

int vmig_drain_start(struct vmig_daemon *daemon, struct vmig_err *err)
{
	struct vmig_drain_record *record = &daemon->drain->record;
	const bool was_draining = record->draining;
	const bool was_returning = record->returning;
	int ret;

	record->draining = true;
	record->returning = false;
	ret = vmig_drain_save(daemon, err);
	if (ret) {
		record->draining = was_draining;
		record->returning = was_returning;
		return ret;
	}
	vmig_log("node %s is drained", daemon->config->node);
	forget(daemon);
	vmig_away_collect(daemon);
	vmig_drain_kick(daemon);
	return 0;
}

int vmig_drain_end(struct vmig_daemon *daemon, struct vmig_err *err)
{
	struct vmig_drain_record *record = &daemon->drain->record;
	const bool was_draining = record->draining;
	const bool was_returning = record->returning;
	int ret;

	if (!was_draining && !record->n)
		return vmig_err_set(err, EINVAL, "node %s is not drained",
				    daemon->config->node);
	record->draining = false;
	record->returning = true;
	ret = vmig_drain_save(daemon, err);
	if (ret) {
		record->draining = was_draining;
		record->returning = was_returning;
		return ret;
	}
	vmig_log("node %s is not drained any more", daemon->config->node);
	forget(daemon);
	settle_record(daemon);
	vmig_back_collect(daemon);
	vmig_drain_kick(daemon);
	return 0;
}

/* So that what is told covers the whole drain. */
static void recall(struct vmig_daemon *daemon)
{
	const struct vmig_drain_record *record = &daemon->drain->record;
	struct vmig_task *t;
	size_t i;

	for (i = 0; i < record->n && record->draining; i++) {
		if (!record->entries[i].left)
			continue;
		t = vmig_task_new(daemon, record->entries[i].vm);
		memcpy(t->node, record->entries[i].to, sizeof(t->node));
		t->state = VMIG_TASK_MOVED;
	}
}

void vmig_drain_resume(struct vmig_daemon *daemon)
{
	struct vmig_drain *drain = daemon->drain;

	settle_record(daemon);
	recall(daemon);
	if (drain->record.draining)
		vmig_away_collect(daemon);
	drain->grace = vmig_daemon_now(daemon) + GRACE_US;
	vmig_drain_kick(daemon);
}

int vmig_drain_open(struct vmig_daemon *daemon, struct vmig_err *err)
{
	struct vmig_drain *drain = calloc(1, sizeof(*drain));
	char path[PATH_MAX];
	int ret;

	if (!drain)
		return vmig_err_set(err, ENOMEM, "out of memory");
	TAILQ_INIT(&drain->tasks);
	ret = vmig_file_make_folder(daemon->config->state, err);
	record_path(daemon, path);
	if (!ret)
		ret = vmig_drain_record_load(path, &drain->record, err);
	if (ret)
		goto err_free;
	ret = sd_event_add_defer(daemon->event, &drain->kick, on_kick, daemon);
	if (ret < 0) {
		ret = vmig_err_set(err, -ret, "event loop: %s", strerror(-ret));
		goto err_free;
	}
	sd_event_source_set_enabled(drain->kick, SD_EVENT_OFF);
	daemon->drain = drain;
	return 0;

err_free:
	vmig_drain_record_exit(&drain->record);
	free(drain);
	return ret;
}

/* What is told */

static bool anything_arrives(struct vmig_daemon *daemon)
{
	const struct vmig_machine *m;

	LIST_FOREACH(m, &daemon->machines, entry)
		if (m->incoming)
			return true;
	return false;
}

static const char *state_name(struct vmig_daemon *daemon)
{
	const struct vmig_drain *drain = daemon->drain;
	bool open = false, stayed = false;
	const struct vmig_task *t;

	TAILQ_FOREACH(t, &drain->tasks, entry) {
		open |= t->state == VMIG_TASK_WAITS || is_under_way(t);
		stayed |= t->state == VMIG_TASK_STAYED;
	}
	if (drain->record.draining) {
		if (open || anything_arrives(daemon))
			return "draining";
		return stayed ? "stuck" : "drained";
	}
	if (drain->record.returning)
		return "returning";
	if (TAILQ_EMPTY(&drain->tasks))
		return "none";
	return stayed ? "incomplete" : "returned";
}

static struct json_object *describe_task(const struct vmig_task *t,
					 size_t *room)
{
	static const char * const names[] = {
		[VMIG_TASK_WAITS] = "waits",
		[VMIG_TASK_ASKS] = "asks",
		[VMIG_TASK_CHECKS] = "checks",
		[VMIG_TASK_MOVES] = "moves",
		[VMIG_TASK_MOVED] = "moved",
		[VMIG_TASK_STAYED] = "stayed",
		[VMIG_TASK_GONE] = "gone",
	};
	struct json_object *o = vmig_json_new(NULL);
	size_t len;

	vmig_json_add_string(o, "vm", t->vm);
	vmig_json_add_string(o, "state", names[t->state]);
	if (*t->node)
		vmig_json_add_string(o, "node", t->node);
	json_object_to_json_string_length(t->whys, JSON_C_TO_STRING_PLAIN,
					  &len);
	if (json_object_array_length(t->whys) && len <= *room) {
		json_object_object_add(o, "whys", json_object_get(t->whys));
		*room -= len;
	}
	return o;
}

struct json_object *vmig_drain_describe(struct vmig_daemon *daemon)
{
	struct json_object *o = vmig_json_new(NULL);
	struct json_object *vms = json_object_new_array();
	struct json_object *stopped = json_object_new_array();
	const struct vmig_machine *m;
	const struct vmig_task *t;
	size_t room = WHYS_MAX;

	TAILQ_FOREACH(t, &daemon->drain->tasks, entry)
		json_object_array_add(vms, describe_task(t, &room));
	LIST_FOREACH(m, &daemon->machines, entry)
		if (vmig_drain_is_on(daemon) && m->owned && m->pidfd < 0)
			json_object_array_add(stopped,
				json_object_new_string(m->name));
	vmig_json_add_string(o, "state", state_name(daemon));
	/* A VM whose start was under way at the drain's has no task yet. */
	vmig_drain_kick(daemon);
	json_object_object_add(o, "vms", vms);
	json_object_object_add(o, "stopped", stopped);
	return o;
}
