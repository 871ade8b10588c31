// SPDX-License-Identifier: GPL-2.0
/* The lease of a VM, asked for on behalf of this node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "machine.h"
#include "ownership.h"

/* A start repeats its request if some disk does not follow the first one. */
#define ACQUIRE_TRIES	4

bool vmig_ownership_is_used(const struct vmig_machine *m)
{
	return strcmp(m->def->lease, "none");
}

bool vmig_ownership_is_same(const struct vmig_machine *m,
			    const struct vmig_machine *other)
{
	return vmig_ownership_is_used(m) && m->def->ndisks &&
	       other->def->ndisks && !strcmp(m->name, other->name) &&
	       !strcmp(m->def->lease, other->def->lease) &&
	       !strcmp(m->def->disks[0].path, other->def->disks[0].path);
}

bool vmig_ownership_is_busy(const struct vmig_machine *m)
{
	return m->lease.op;
}

bool vmig_ownership_is_mine(const struct vmig_machine *m,
			    const struct vmig_lease_result *result)
{
	return result->status == VMIG_LEASE_DONE && result->complete &&
	       !strcmp(result->record.holder, m->daemon->config->node);
}

static void answer(struct vmig_machine *m,
		   const struct vmig_lease_result *result)
{
	vmig_lease_fn fn = m->lease.fn;
	void *arg = m->lease.arg;

	m->lease.op = NULL;
	m->lease.fn = NULL;
	m->lease.arg = NULL;
	if (result->known) {
		m->lease.record = result->record;
		m->lease.complete = result->complete;
		m->lease.known = true;
		m->lease.held = !strcmp(result->record.holder,
					m->daemon->config->node);
	}
	if (fn)
		fn(arg, result);
}

static void on_result(void *arg, const struct vmig_lease_result *result)
{
	answer(arg, result);
}

static void answer_failed(struct vmig_machine *m, bool unsure,
			  const struct vmig_err *err)
{
	struct vmig_lease_result *result = calloc(1, sizeof(*result));

	if (!result)
		abort();	/* a daemon without memory is restarted */
	result->status = VMIG_LEASE_IO_ERROR;
	result->unsure = unsure;
	result->err = *err;
	answer(m, result);
	free(result);
}

/* The next request cannot wait. This one keeps its lock until it is over. */
static void interrupt(struct vmig_machine *m)
{
	struct vmig_err err;

	if (!m->lease.op)
		return;
	vmig_lease_abandon(m->lease.op);
	vmig_err_set(&err, EIO,
		     "lease of VM %s: something else was asked for meanwhile",
		     m->name);
	answer_failed(m, true, &err);
}

void vmig_ownership_ask(struct vmig_machine *m, enum vmig_lease_action action,
			const struct vmig_lease_record *expect,
			vmig_lease_fn fn, void *arg)
{
	const struct vmig_config *config = m->daemon->config;
	const char *nodes[VMIG_PEERS_MAX + 1] = { config->node };
	const char *paths[VMIG_DISKS_MAX];
	struct vmig_lease_request request = {
		.action = action,
		.vm = m->name,
		.node = config->node,
		.paths = paths,
		.npaths = m->def->ndisks,
		.nodes = nodes,
		.nnodes = config->npeers + 1,
		.fence_confirmed = action == VMIG_LEASE_TAKE_OVER,
		.limit_ms = VMIG_OWNERSHIP_LIMIT_MS,
	};
	struct vmig_err err;
	unsigned int i;

	for (i = 0; i < config->npeers; i++)
		nodes[i + 1] = config->peers[i].name;
	for (i = 0; i < m->def->ndisks; i++)
		paths[i] = m->def->disks[i].path;
	vmig_lease_kind_parse(m->def->lease, &request.kind);
	if (expect)
		request.expect = *expect;
	interrupt(m);
	m->lease.fn = fn;
	m->lease.arg = arg;
	if (vmig_lease_start(m->daemon->event, &request, on_result, m,
			     &m->lease.op, &err))
		answer_failed(m, false, &err);
}

void vmig_ownership_forget(struct vmig_machine *m, const void *arg)
{
	if (m->lease.arg != arg)
		return;
	vmig_lease_abandon(m->lease.op);
	m->lease.op = NULL;
	m->lease.fn = NULL;
	m->lease.arg = NULL;
}

static int errno_of(const struct vmig_lease_result *result)
{
	switch (result->status) {
	case VMIG_LEASE_HELD:
	case VMIG_LEASE_CHANGED:
		return EBUSY;
	case VMIG_LEASE_TIMEOUT:
		return ETIMEDOUT;
	default:
		return EIO;
	}
}

static void refuse_start(struct vmig_machine *m, int error, const char *why)
{
	uint32_t request = m->start_request;

	vmig_log("VM %s was not started: %s", m->name, why);
	m->start_request = 0;
	if (request)
		vmig_daemon_answer(m->daemon, request, error, why, NULL);
}

static void on_acquired(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_machine *m = arg;
	char text[VMIG_TEXT_MAX + 1];
	struct vmig_err err;
	int ret;

	if (vmig_ownership_is_mine(m, result)) {
		ret = vmig_machine_start(m, false, &err);
		if (ret) {
			refuse_start(m, -ret, err.text);
			vmig_ownership_end(m);
		}
	} else if (result->status != VMIG_LEASE_DONE) {
		refuse_start(m, errno_of(result), result->err.text);
	} else if (++m->lease.tries < ACQUIRE_TRIES) {
		vmig_ownership_ask(m, VMIG_LEASE_ACQUIRE, NULL, on_acquired, m);
	} else {
		snprintf(text, sizeof(text),
			 "not all disks of VM %s follow its lease, though the first one does: %s",
			 m->name, result->evidence);
		refuse_start(m, EIO, text);
		vmig_ownership_end(m);
	}
}

void vmig_ownership_start(struct vmig_machine *m)
{
	struct vmig_err err;
	int ret;

	if (!vmig_ownership_is_used(m)) {
		ret = vmig_machine_start(m, false, &err);
		if (ret)
			refuse_start(m, -ret, err.text);
		return;
	}
	/* The VM has just ended: on_let_go() comes back. */
	if (m->lease.let_go)
		return;
	m->lease.tries = 0;
	vmig_ownership_ask(m, VMIG_LEASE_ACQUIRE, NULL, on_acquired, m);
}

static void on_stopped(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_machine *m = arg;

	(void)ret;
	if (why)
		vmig_log("VM %s: it could not be paused: %s", m->name, why);
}

static void on_learned(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_machine *m = arg;

	if (result->status != VMIG_LEASE_DONE) {
		vmig_log("VM %s runs here and its lease cannot be read: %s",
			 m->name, result->err.text);
		return;
	}
	if (m->lease.held || m->pidfd < 0 || m->ops)
		return;
	/* Two runners are worse than none. Its memory is kept for an operator. */
	vmig_log("VM %s ran here while %s has its lease: paused; if it runs there, end it here with: vmig-agent vm stop --force %s",
		 m->name, *m->lease.record.holder ? m->lease.record.holder :
		 "nobody", m->name);
	vmig_resume_stop(m);
	vmig_qmp_call(m->qmp, "stop", NULL, on_stopped, m);
}

void vmig_ownership_presume(struct vmig_machine *m)
{
	m->lease.held = vmig_ownership_is_used(m);
}

void vmig_ownership_learn(struct vmig_machine *m)
{
	/* Whoever asks for something else learns it as well. */
	if (!vmig_ownership_is_used(m) || vmig_ownership_is_busy(m))
		return;
	vmig_ownership_ask(m, VMIG_LEASE_READ, NULL, on_learned, m);
}

static void gone(struct vmig_machine *m, bool released,
		 const struct vmig_lease_result *why)
{
	vmig_ownership_fn fn = m->lease.let_go;

	m->lease.let_go = NULL;
	fn(m, released, why);
}

static void on_released(void *arg, const struct vmig_lease_result *result)
{
	gone(arg, true, result->status == VMIG_LEASE_DONE ? NULL : result);
}

static void on_read(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_machine *m = arg;
	struct vmig_lease_record record = result->record;

	if (result->status != VMIG_LEASE_DONE)
		gone(m, false, result);
	else if (!m->lease.held)
		gone(m, false, NULL);
	else
		vmig_ownership_ask(m, VMIG_LEASE_RELEASE, &record, on_released,
				   m);
}

void vmig_ownership_let_go(struct vmig_machine *m, vmig_ownership_fn fn)
{
	m->lease.let_go = fn;
	vmig_ownership_ask(m, VMIG_LEASE_READ, NULL, on_read, m);
}

static void on_ended(struct vmig_machine *m, bool released,
		     const struct vmig_lease_result *why)
{
	uint32_t request = m->stop_request;
	char text[VMIG_TEXT_MAX + 1];

	(void)released;
	m->stop_request = 0;
	if (why) {
		snprintf(text, sizeof(text),
			 "VM %s is stopped, and its lease is not released: %s; until then it starts on node %s only; `vm stop %s` tries again",
			 m->name, why->err.text, m->daemon->config->node,
			 m->name);
		vmig_log("%s", text);
	}
	if (request)
		vmig_daemon_answer(m->daemon, request, why ? errno_of(why) : 0,
				   why ? text : NULL, NULL);
	if (m->start_request)
		vmig_ownership_start(m);
}

void vmig_ownership_end(struct vmig_machine *m)
{
	if (m->lease.held && !m->lease.let_go)
		vmig_ownership_let_go(m, on_ended);
}

struct json_object *vmig_ownership_describe(const struct vmig_machine *m)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "kind", m->def->lease);
	vmig_json_add_bool(o, "known", m->lease.known);
	if (m->lease.known) {
		vmig_json_add_string(o, "holder", m->lease.record.holder);
		vmig_json_add_uint(o, "epoch", m->lease.record.epoch);
		vmig_json_add_bool(o, "complete", m->lease.complete);
	}
	return o;
}
