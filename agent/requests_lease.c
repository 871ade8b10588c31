// SPDX-License-Identifier: GPL-2.0
/* Requests that are about who may run a VM. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster/message.h"
#include "migrate/destination.h"
#include "migrate/source.h"
#include "requests.h"
#include "vmm/machine.h"

static void fail(struct vmig_machine *m, uint32_t request, int error,
		const char *text)
{
	vmig_daemon_answer(m->daemon, request, error, text, NULL);
}

static void on_stopped_released(struct vmig_machine *m, bool released,
				const struct vmig_lease_result *why)
{
	uint32_t request = m->stop_request;
	char text[256];

	m->stop_request = 0;
	if (why) {
		fail(m, request, EIO, why->err.text);
	} else if (released) {
		snprintf(text, sizeof(text),
			 "VM %s was stopped already; its lease is released",
			 m->name);
		vmig_daemon_answer(m->daemon, request, 0, text, NULL);
	} else {
		snprintf(text, sizeof(text), "VM %s is stopped already",
			 m->name);
		fail(m, request, EINVAL, text);
	}
	/* It was put off until this is over. */
	if (m->start_request)
		vmig_ownership_start(m);
}

/* vmig_request_release() - `vm stop` of a VM of which a lease may be left. */
void vmig_request_release(struct vmig_daemon *daemon,
			  const struct vmig_request *request,
			  struct vmig_machine *m)
{
	if (m->start_request || vmig_ownership_is_busy(m)) {
		vmig_request_refuse_busy(daemon, request, m, "stop");
		return;
	}
	m->stop_request = request->id;
	vmig_ownership_let_go(m, on_stopped_released);
}

static void undefine(struct vmig_machine *m, uint32_t request)
{
	struct vmig_daemon *daemon = m->daemon;

	vmig_store_disown(m);
	vmig_machine_free(m);
	vmig_daemon_answer(daemon, request, 0, NULL, NULL);
}

static void on_undefine_released(struct vmig_machine *m, bool released,
				 const struct vmig_lease_result *why)
{
	uint32_t request = m->undefine_request;
	char text[VMIG_TEXT_MAX + 1];

	m->undefine_request = 0;
	/* A lease of another VM, or of nobody that is known, is not ours. */
	if (!why || (!released && (why->status == VMIG_LEASE_FOREIGN ||
				   why->status == VMIG_LEASE_MALFORMED))) {
		undefine(m, request);
		return;
	}
	snprintf(text, sizeof(text),
		 "VM %s is not forgotten, as this node may hold its lease: %s; if its storage is gone for good, define it with lease = none first",
		 m->name, why->err.text);
	fail(m, request, EBUSY, text);
}

void vmig_request_undefine(struct vmig_daemon *daemon,
			   const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	struct vmig_incoming *lost = m ? vmig_handoff_find_lost(m) : NULL;

	if (lost) {
		vmig_handoff_decide(lost, false, false);
		vmig_daemon_answer(daemon, request->id, 0, NULL, NULL);
		return;
	}
	if (m)
		vmig_source_forget(m);
	if (!m || vmig_request_refuse_busy(daemon, request, m, "undefine"))
		return;
	if (!vmig_ownership_is_used(m)) {
		undefine(m, request->id);
		return;
	}
	m->undefine_request = request->id;
	vmig_ownership_let_go(m, on_undefine_released);
}

/* A recovery until the storage has answered; one of a VM. */
struct recovery {
	struct vmig_machine *m;
	uint32_t request;
	bool confirmed;
	uint64_t epoch;
};

static void tell(struct recovery *r, const struct vmig_lease_result *result)
{
	struct vmig_daemon *daemon = r->m->daemon;
	struct json_object *o = vmig_ownership_describe(r->m);

	if (vmig_handoff_find_lost(r->m))
		vmig_json_add_bool(o, "arrived", true);
	vmig_json_add_string(o, "vm", r->m->name);
	vmig_json_add_string(o, "node", daemon->config->node);
	vmig_json_add_string(o, "evidence", result->evidence);
	vmig_request_tell(daemon, r->request, o);
}

static void refuse(struct recovery *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void refuse(struct recovery *r, const char *fmt, ...)
{
	char text[VMIG_TEXT_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail(r->m, r->request, EBUSY, text);
	free(r);
}

static void on_taken(void *arg, const struct vmig_lease_result *result)
{
	struct recovery *r = arg;
	struct vmig_incoming *lost;

	if (result->status != VMIG_LEASE_DONE) {
		refuse(r, "%s", result->err.text);
		return;
	}
	vmig_log("VM %s: an operator gave its lease to this node, epoch %llu",
		 r->m->name, (unsigned long long)result->record.epoch);
	lost = vmig_handoff_find_lost(r->m);
	tell(r, result);
	/* What the VM did since at its old node is not in this memory. */
	if (lost)
		vmig_handoff_decide(lost, false, true);
	free(r);
}

static void on_seen(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_lease_record record = result->record;
	struct recovery *r = arg;
	struct vmig_machine *m = r->m;
	struct vmig_incoming *lost = vmig_handoff_find_lost(m);

	if (result->status != VMIG_LEASE_DONE) {
		refuse(r, "%s", result->err.text);
	} else if (!r->confirmed) {
		tell(r, result);
		/* It has become clear meanwhile. */
		if (lost && vmig_ownership_is_mine(m, result))
			vmig_handoff_decide(lost, true, true);
		free(r);
	} else if (!*record.holder || m->lease.held) {
		refuse(r, "%s holds the lease of VM %s: there is nothing to take over; start it with: vmig-agent vm start %s",
		       m->lease.held ? "this node" : "nobody", m->name,
		       m->name);
	} else if (record.epoch != r->epoch) {
		refuse(r, "the lease of VM %s is that of node %s, epoch %llu, and not epoch %llu, which you saw: the VM has moved or was recovered meanwhile; look again with: vmig-agent vm recover %s",
		       m->name, record.holder,
		       (unsigned long long)record.epoch,
		       (unsigned long long)r->epoch, m->name);
	} else {
		vmig_ownership_ask(m, VMIG_LEASE_TAKE_OVER, &record, on_taken,
				   r);
	}
}

/*
 * vmig_request_recover() - Show the lease; with the epoch that an operator was
 * shown, and who makes sure that its holder is dead, take it over.
 */
void vmig_request_recover(struct vmig_daemon *daemon,
			  const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	bool confirmed = request->data && *request->data;
	uint64_t epoch = 0;
	struct recovery *r;
	char text[256];
	char *end;

	if (!m)
		return;
	if (!vmig_ownership_is_used(m)) {
		snprintf(text, sizeof(text),
			 "VM %s has lease = none: no storage says who runs it, and there is nothing to recover; `vm start` starts it",
			 m->name);
		fail(m, request->id, EINVAL, text);
		return;
	}
	if (confirmed) {
		if ((!vmig_handoff_find_lost(m) || vmig_ownership_is_busy(m)) &&
		    vmig_request_refuse_busy(daemon, request, m, "recover"))
			return;
		epoch = strtoull(request->data, &end, 10);
		if (*end) {
			fail(m, request->id, EINVAL,
			     "the epoch to recover from is not a number");
			return;
		}
	} else if ((m->ops && !vmig_handoff_find_lost(m)) ||
		   vmig_ownership_is_busy(m)) {
		snprintf(text, sizeof(text),
			 "VM %s is being migrated or its lease is asked for: `vm show %s` has what is known",
			 m->name, m->name);
		fail(m, request->id, EBUSY, text);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();	/* a daemon without memory is restarted */
	r->m = m;
	r->request = request->id;
	r->confirmed = confirmed;
	r->epoch = epoch;
	vmig_ownership_ask(m, VMIG_LEASE_READ, NULL, on_seen, r);
}
