// SPDX-License-Identifier: GPL-2.0
/*
 * Back to a running VM from wherever a failed migration left its QEMU.
 *
 * The one path of all failures before the commit: stop QEMU's part of the
 * migration if it has begun, wait until it is over, continue. A new agent, which
 * does not know how long nobody has watched, asks for the VM's lease before.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "machine.h"

/* QEMU's cancel takes a few tens of ms; each poll is one QMP round trip. */
#define POLL_US		(20 * 1000ULL)
#define RETRY_US	(500 * 1000ULL)
/* Then the user is told, and it is tried on. */
#define REPORT_US	(15 * 1000 * 1000ULL)

struct vmig_resume {
	struct vmig_machine *m;
	sd_event_source *timer;
	uint64_t begun;
	bool learning;	/* whether the lease is still this node's */
	bool told;
	bool cancelled;
	vmig_resume_fn fn;
	void *arg;
};

static void go_on(struct vmig_resume *r);

void vmig_resume_stop(struct vmig_machine *m)
{
	struct vmig_resume *r = m->resume;

	if (!r)
		return;
	m->resume = NULL;
	vmig_ownership_forget(m, r);
	if (m->qmp)
		vmig_qmp_forget(m->qmp, r);
	sd_event_source_disable_unref(r->timer);
	free(r);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	go_on(arg);
	return 0;
}

static void again(struct vmig_resume *r, uint64_t delay)
{
	sd_event_source_disable_unref(r->timer);
	r->timer = NULL;
	sd_event_add_time_relative(r->m->daemon->event, &r->timer,
				   CLOCK_MONOTONIC, delay, 0, on_timer, r);
}

static void retry(struct vmig_resume *r, const char *why)
{
	vmig_resume_fn fn = r->fn;
	struct vmig_machine *m = r->m;

	again(r, RETRY_US);
	if (!fn || vmig_daemon_now(m->daemon) - r->begun < REPORT_US)
		return;
	vmig_log("VM %s cannot be resumed, still trying: %s", m->name, why);
	r->fn = NULL;
	fn(r->arg, why);
}

static void finish(struct vmig_resume *r)
{
	struct vmig_machine *m = r->m;
	vmig_resume_fn fn = r->fn;
	void *arg = r->arg;

	m->running = true;
	vmig_log("VM %s runs on here", m->name);
	vmig_resume_stop(m);
	if (fn)
		fn(arg, NULL);
}

static void on_cont(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_resume *r = arg;

	(void)ret;
	/*
	 * An image's lock may still be with the other host's QEMU, which is
	 * about to be killed: that passes.
	 */
	if (why)
		retry(r, why);
	else
		finish(r);
}

static void on_status(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_resume *r = arg;

	if (why)
		retry(r, why);
	else if (vmig_json_uint(ret, "running", 0))
		finish(r);
	else
		vmig_qmp_call(r->m->qmp, "cont", NULL, on_cont, r);
}

static bool is_over(const char *status)
{
	return !status || !strcmp(status, "none") ||
	       !strcmp(status, "completed") || !strcmp(status, "failed") ||
	       !strcmp(status, "cancelled");
}

static void on_migration(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_resume *r = arg;

	if (why) {
		retry(r, why);
		return;
	}
	if (is_over(vmig_json_string(ret, "status"))) {
		vmig_qmp_call(r->m->qmp, "query-status", NULL, on_status, r);
		return;
	}
	if (!r->cancelled)
		vmig_qmp_call(r->m->qmp, "migrate_cancel", NULL, NULL, NULL);
	r->cancelled = true;
	again(r, POLL_US);
}

static void ask_migration(struct vmig_resume *r)
{
	vmig_qmp_call(r->m->qmp, "query-migrate", NULL, on_migration, r);
}

static void on_lease(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_resume *r = arg;
	struct vmig_machine *m = r->m;

	if (vmig_ownership_is_mine(m, result)) {
		r->learning = false;
		ask_migration(r);
	} else if (result->status == VMIG_LEASE_DONE) {
		vmig_log("VM %s stays paused, as its lease is not that of this node: %s; if it runs elsewhere, end it here with: vmig-agent vm stop --force %s",
			 m->name, result->evidence, m->name);
		vmig_resume_stop(m);
	} else {
		if (!r->told)
			vmig_log("VM %s stays paused until its lease can be read: %s",
				 m->name, result->err.text);
		r->told = true;
		again(r, RETRY_US);
	}
}

static void go_on(struct vmig_resume *r)
{
	if (r->learning)
		vmig_ownership_ask(r->m, VMIG_LEASE_READ, NULL, on_lease, r);
	else
		ask_migration(r);
}

static struct vmig_resume *make(struct vmig_machine *m)
{
	struct vmig_resume *r;

	vmig_resume_stop(m);
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();	/* a daemon without memory is restarted */
	r->m = m;
	r->begun = vmig_daemon_now(m->daemon);
	m->resume = r;
	return r;
}

/* vmig_resume_recover() - The same for a VM that was found stopped. */
void vmig_resume_recover(struct vmig_machine *m)
{
	struct vmig_resume *r = make(m);

	r->learning = vmig_ownership_is_used(m);
	go_on(r);
}

/**
 * vmig_resume_start() - Let the VM run on here.
 * @fn: called once: with NULL when it runs, or with the obstacle when it does
 *	not after REPORT_US; it is tried on then. Not called if QEMU dies.
 */
void vmig_resume_start(struct vmig_machine *m, vmig_resume_fn fn, void *arg)
{
	struct vmig_resume *r = make(m);

	r->fn = fn;
	r->arg = arg;
	go_on(r);
}
