// SPDX-License-Identifier: GPL-2.0
/* What users ask of the daemon, and its answers; answer.h has their form. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "answer.h"
#include "cluster/message.h"
#include "daemon.h"
#include "migrate/queue.h"
#include "migrate/source.h"
#include "net/net.h"
#include "requests.h"
#include "vmm/machine.h"

void vmig_request_fail(struct vmig_daemon *daemon, uint32_t request, int ret,
		       const struct vmig_err *err)
{
	vmig_daemon_answer(daemon, request, -ret, err->text, NULL);
}

struct vmig_machine *vmig_request_machine(struct vmig_daemon *daemon,
					  const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_machine_find(daemon, request->vm);
	char message[256];

	if (m && !vmig_machine_is_leaving(m))
		return m;
	if (m && vmig_store_is_defined(m)) {
		snprintf(message, sizeof(message),
			 "VM %s did not come back to node %s and is being cleaned up after: try again in a few seconds",
			 request->vm, daemon->config->node);
		vmig_daemon_answer(daemon, request->id, EBUSY, message, NULL);
		return NULL;
	}
	snprintf(message, sizeof(message),
		 "there is no VM %s on node %s; `vmig-agent vm list` tells those there are",
		 request->vm, daemon->config->node);
	vmig_daemon_answer(daemon, request->id, ENOENT, message, NULL);
	return NULL;
}

/* Its QEMU would not know about a change, and the other host would. */
bool vmig_request_refuse_busy(struct vmig_daemon *daemon,
			      const struct vmig_request *request,
			      const struct vmig_machine *m, const char *what)
{
	char message[256];

	if (vmig_machine_is_idle(m))
		return false;
	if (m->cleaning)
		snprintf(message, sizeof(message),
			 "VM %s is being cleaned up after: try again in a few seconds",
			 m->name);
	else if (m->pidfd < 0 && vmig_ownership_is_busy(m))
		snprintf(message, sizeof(message),
			 "the storage is being asked for the lease of VM %s: try again in a few seconds",
			 m->name);
	else
		snprintf(message, sizeof(message),
			 "VM %s is %s: stop it before you %s it", m->name,
			 m->start_request ? "being started" :
			 vmig_machine_state(m), what);
	vmig_daemon_answer(daemon, request->id, EBUSY, message, NULL);
	return true;
}

static int on_stop_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_machine *m = arg;
	char message[256];

	(void)source;
	(void)usec;
	snprintf(message, sizeof(message),
		 "VM %s did not power off within %d s: its guest may ignore the request; `vm stop --force %s` ends it",
		 m->name, VMIG_POWEROFF_LIMIT_S, m->name);
	vmig_daemon_answer(m->daemon, m->stop_request, ETIMEDOUT, message,
			   NULL);
	m->stop_request = 0;
	return 0;
}

static void handle_stop(struct vmig_daemon *daemon,
			const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	struct vmig_err err;
	int ret = 0;

	if (!m)
		return;
	if (m->pidfd < 0 && vmig_ownership_is_used(m) && !m->ops) {
		vmig_request_release(daemon, request, m);
		return;
	}
	if (m->pidfd < 0)
		ret = vmig_err_set(&err, EINVAL, "VM %s is stopped already",
				   m->name);
	else if (m->ops)
		ret = vmig_err_set(&err, EBUSY,
				   "VM %s is %s: `vmig-agent cancel %s` first",
				   m->name, vmig_machine_state(m), m->name);
	else if (m->stop_request && !request->force)
		ret = vmig_err_set(&err, EBUSY,
				   "VM %s is being stopped already", m->name);
	if (ret) {
		vmig_request_fail(daemon, request->id, ret, &err);
		return;
	}
	if (m->stop_request)
		vmig_daemon_answer(daemon, m->stop_request, ECANCELED,
				   "ended by force meanwhile", NULL);
	m->stop_request = request->id;
	if (request->force) {
		vmig_machine_kill(m);
		return;
	}
	vmig_qmp_call(m->qmp, "system_powerdown", NULL, NULL, NULL);
	sd_event_source_disable_unref(m->stop_limit);
	m->stop_limit = NULL;
	sd_event_add_time_relative(daemon->event, &m->stop_limit,
				   CLOCK_MONOTONIC,
				   VMIG_POWEROFF_LIMIT_S * 1000000ULL, 0,
				   on_stop_limit, m);
}

static struct json_object *describe(const struct vmig_machine *m)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "name", m->name);
	vmig_json_add_string(o, "state", vmig_machine_state(m));
	vmig_json_add_uint(o, "memory", m->def->memory);
	vmig_json_add_uint(o, "vcpus", m->def->vcpus);
	if (m->pid)
		vmig_json_add_uint(o, "pid", (uint64_t)m->pid);
	json_object_object_add(o, "lease", vmig_ownership_describe(m));
	return o;
}

static struct json_object *describe_disks(const struct vmig_definition *def)
{
	struct json_object *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < def->ndisks; i++) {
		struct json_object *o = vmig_json_new(NULL);

		vmig_json_add_string(o, "name", def->disks[i].name);
		vmig_json_add_string(o, "path", def->disks[i].path);
		vmig_json_add_string(o, "format", def->disks[i].format);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *describe_addresses(const struct vmig_nic *nic)
{
	struct json_object *list = json_object_new_array();
	char text[INET6_ADDRSTRLEN];
	unsigned int i;

	for (i = 0; i < nic->naddresses; i++) {
		const struct vmig_address *a = &nic->addresses[i];

		inet_ntop(a->family, &a->ip4, text, sizeof(text));
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

static struct json_object *describe_nics(struct vmig_machine *m)
{
	struct vmig_definition *def = m->def;
	struct json_object *list = json_object_new_array();
	char mac[18], tap[IFNAMSIZ];
	unsigned int i;

	for (i = 0; i < def->nnics; i++) {
		const struct vmig_nic *nic = &def->nics[i];
		struct json_object *o = vmig_json_new(NULL);

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
			 nic->mac[0], nic->mac[1], nic->mac[2], nic->mac[3],
			 nic->mac[4], nic->mac[5]);
		vmig_tap_name(def->name, nic->name, tap);
		vmig_json_add_string(o, "name", nic->name);
		vmig_json_add_string(o, "mac", mac);
		vmig_json_add_string(o, "bridge", nic->bridge);
		vmig_json_add_string(o, "tap", tap);
		if (nic->vlan)
			vmig_json_add_uint(o, "vlan", nic->vlan);
		json_object_object_add(o, "addresses", describe_addresses(nic));
		vmig_json_add_bool(o, "learned", nic->learned);
		if (i < m->acks.n)
			json_object_object_add(o, "announced",
					       vmig_ack_encode(&m->acks.nic[i]));
		json_object_array_add(list, o);
	}
	return list;
}

void vmig_request_tell(struct vmig_daemon *daemon, uint32_t request,
		       struct json_object *o)
{
	vmig_daemon_answer(daemon, request, 0, NULL,
			   json_object_to_json_string_ext(o,
				JSON_C_TO_STRING_PLAIN |
				JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void handle_list(struct vmig_daemon *daemon,
			const struct vmig_request *request)
{
	struct json_object *o = vmig_json_new(NULL);
	struct json_object *list = json_object_new_array();
	struct vmig_machine *m;

	LIST_FOREACH(m, &daemon->machines, entry) {
		if (!vmig_machine_is_leaving(m))
			json_object_array_add(list, describe(m));
	}
	vmig_json_add_string(o, "node", daemon->config->node);
	json_object_object_add(o, "vms", list);
	vmig_request_tell(daemon, request->id, o);
}

static void handle_show(struct vmig_daemon *daemon,
			const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	struct json_object *o;

	if (!m)
		return;
	if (m->running)
		vmig_neighbours_learn(m->def);
	o = describe(m);
	vmig_json_add_string(o, "machine", m->def->machine);
	vmig_json_add_string(o, "cpu", m->def->cpu);
	json_object_object_add(o, "processor", vmig_request_processor(m));
	json_object_object_add(o, "disks", describe_disks(m->def));
	json_object_object_add(o, "nics", describe_nics(m));
	vmig_json_add_string(o, "definition", m->text);
	vmig_request_tell(daemon, request->id, o);
}

/* A user's announcement, until the last round is sent. */
struct announcement {
	struct vmig_machine *m;
	uint32_t request;
};

static void on_announced(void *arg, int error, const struct vmig_err *err,
			 const struct vmig_acks *acks)
{
	struct announcement *a = arg;
	struct json_object *o = vmig_json_new(NULL);

	a->m->announce = NULL;
	a->m->acks = *acks;
	json_object_object_add(o, "network", vmig_acks_encode(acks));
	vmig_daemon_answer(a->m->daemon, a->request, -error,
			   error ? err->text : NULL,
			   json_object_to_json_string(o));
	json_object_put(o);
	free(a);
}

static void handle_announce(struct vmig_daemon *daemon,
			    const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	struct announcement *a;
	struct vmig_err err;
	int ret = 0;

	if (!m)
		return;
	a = calloc(1, sizeof(*a));
	if (!a)
		abort();	/* a daemon without memory is restarted */
	a->m = m;
	a->request = request->id;
	/* Announcing a VM that runs elsewhere would lead its traffic here. */
	if (m->pidfd < 0 || m->incoming || !m->running)
		ret = vmig_err_set(&err, EINVAL, "VM %s does not run here",
				   m->name);
	else if (m->announce)
		ret = vmig_err_set(&err, EBUSY,
				   "VM %s is being announced already", m->name);
	else
		ret = vmig_announce_start(daemon->event, m->def, on_announced,
					  a, &m->announce, &err);
	if (ret) {
		vmig_request_fail(daemon, request->id, ret, &err);
		free(a);
	}
}

/* What the kernel knows of is cancelled there. */
static void handle_cancel(struct vmig_daemon *daemon,
			  const struct vmig_request *request)
{
	struct vmig_err err;
	int ret = 0;

	if (vmig_queue_cancel(daemon, request->vm))
		ret = vmig_source_cancel(daemon, request->vm, &err);
	if (ret)
		vmig_request_fail(daemon, request->id, ret, &err);
	else
		vmig_daemon_answer(daemon, request->id, 0, NULL, NULL);
}

/* vmig_requests_handle() - Every request gets exactly one answer, now or later. */
void vmig_requests_handle(struct vmig_daemon *daemon,
			  const struct vmig_request *request)
{
	static void (* const handlers[])(struct vmig_daemon *daemon,
					 const struct vmig_request *request) = {
		[VMIG_REQUEST_OP_VM_DEFINE] = vmig_request_define,
		[VMIG_REQUEST_OP_VM_UNDEFINE] = vmig_request_undefine,
		[VMIG_REQUEST_OP_VM_START] = vmig_request_start,
		[VMIG_REQUEST_OP_VM_STOP] = handle_stop,
		[VMIG_REQUEST_OP_VM_LIST] = handle_list,
		[VMIG_REQUEST_OP_VM_SHOW] = handle_show,
		[VMIG_REQUEST_OP_VM_RECOVER] = vmig_request_recover,
		[VMIG_REQUEST_OP_MIGRATE] = vmig_source_request,
		[VMIG_REQUEST_OP_ANNOUNCE] = handle_announce,
		[VMIG_REQUEST_OP_NODE_SHOW] = vmig_request_node_show,
		[VMIG_REQUEST_OP_NODE_LIST] = vmig_request_node_list,
		[VMIG_REQUEST_OP_CHECK] = vmig_request_check,
		[VMIG_REQUEST_OP_NODE_DRAIN] = vmig_request_node_drain,
		[VMIG_REQUEST_OP_NODE_UNDRAIN] = vmig_request_node_undrain,
		[VMIG_REQUEST_OP_CANCEL] = handle_cancel,
		[VMIG_REQUEST_OP_VM_SET] = vmig_request_set,
		[VMIG_REQUEST_OP_CPU_SHOW] = vmig_request_cpu_show,
		[VMIG_REQUEST_OP_CPU_BASELINE] = vmig_request_cpu_baseline,
		[VMIG_REQUEST_OP_CPU_CHECK] = vmig_request_cpu_check,
	};

	if ((size_t)request->op < sizeof(handlers) / sizeof(handlers[0]) &&
	    handlers[request->op])
		handlers[request->op](daemon, request);
	else
		vmig_daemon_answer(daemon, request->id, EOPNOTSUPP,
				   "this vmig-agent does not know that request",
				   NULL);
}
