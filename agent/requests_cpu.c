// SPDX-License-Identifier: GPL-2.0
/* Requests about processors; those about other nodes ask them first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster/message.h"
#include "cluster/nodes.h"
#include "migrate/preflight.h"
#include "nl_cpuid.h"
#include "requests.h"
#include "vmm/machine.h"

/* A request that waits until other nodes have answered. */
struct waiting {
	struct vmig_daemon *daemon;
	struct vmig_request request;
	char *data;	/* of the request, owned */
	void (*then)(struct vmig_daemon *daemon,
		     const struct vmig_request *request);
};

static void on_asked(void *arg)
{
	struct waiting *w = arg;

	w->then(w->daemon, &w->request);
	free(w->data);
	free(w);
}

static void ask_first(struct vmig_daemon *daemon,
		      const struct vmig_request *request, uint64_t nodes,
		      void (*then)(struct vmig_daemon *daemon,
				   const struct vmig_request *request))
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		abort();	/* a daemon without memory is restarted */
	w->daemon = daemon;
	w->request = *request;
	if (request->data)
		w->data = strdup(request->data);
	w->request.data = w->data;
	w->then = then;
	vmig_nodes_ask(daemon->nodes, nodes, on_asked, w);
}

/* The bit of a peer; none for this node, and for a name that is not known. */
static uint64_t bit_of(struct vmig_daemon *daemon, const char *name)
{
	const struct vmig_peer *peer = vmig_config_peer(daemon->config, name);

	return peer ? 1ULL << (peer - daemon->config->peers) : 0;
}

static bool refuse_draining(struct vmig_daemon *daemon,
			    const struct vmig_request *request)
{
	struct vmig_preflight p = { .daemon = daemon };
	struct vmig_err err;
	int ret = vmig_check_draining(&p, &err);

	if (ret < 0)
		vmig_request_fail(daemon, request->id, ret, &err);
	return ret < 0;
}

static void start(struct vmig_daemon *daemon,
		  const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);

	if (!m)
		return;
	if (refuse_draining(daemon, request))
		m->start_request = 0;
	else
		vmig_ownership_start(m);
}

/* Also while the other node is being asked, or is not known any more. */
static bool refuse_leaving(struct vmig_daemon *daemon,
			   const struct vmig_request *request,
			   const struct vmig_machine *m)
{
	uint8_t token[VMIG_TOKEN_LEN];
	char node[VMIG_NAME_MAX + 1];
	struct vmig_err err;

	if (m->pidfd >= 0 || !vmig_handover_find(m, node, token))
		return false;
	vmig_request_fail(daemon, request->id,
			  vmig_err_set(&err, EBUSY,
				       "VM %s may run on node %s: this node went down while it gave the VM away. Start the agent of node %s, which is asked every second; if that node is gone for good, `vm undefine %s` and define it again",
				       m->name, node, node, m->name), &err);
	return true;
}

void vmig_request_start(struct vmig_daemon *daemon,
			const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	struct vmig_err err;
	int ret;

	if (!m || refuse_leaving(daemon, request, m) ||
	    refuse_draining(daemon, request))
		return;
	if (m->undefine_request || m->cleaning) {
		ret = vmig_err_set(&err, EBUSY, "VM %s is being %s",
				   m->name, m->undefine_request ? "undefined" :
				   "cleaned up after: try again in a few seconds");
		vmig_request_fail(daemon, request->id, ret, &err);
		return;
	}
	if (m->pidfd >= 0 || m->ops || m->start_request) {
		ret = vmig_err_set(&err, EBUSY, "VM %s is %s already", m->name,
				   m->start_request ? "being started" :
				   vmig_machine_state(m));
		vmig_request_fail(daemon, request->id, ret, &err);
		return;
	}
	m->start_request = request->id;
	if (vmig_processor_needs_nodes(m))
		ask_first(daemon, request, vmig_nodes_unknown(daemon->nodes),
			  start);
	else
		start(daemon, request);
}

static void tell_cpu(struct vmig_daemon *daemon,
		     const struct vmig_request *request)
{
	const char *name = request->node[0] ? request->node :
			   daemon->config->node;
	const char *silent = vmig_nodes_silent(daemon->nodes, name);
	const struct vmig_cpu *cpu;
	struct json_object *o;
	struct vmig_err err;

	cpu = vmig_nodes_cpu(daemon->nodes, name, &err);
	if (!cpu) {
		vmig_request_fail(daemon, request->id, -ENODATA, &err);
		return;
	}
	o = vmig_json_new(NULL);
	vmig_json_add_string(o, "node", name);
	vmig_json_add_string(o, "vendor", cpu->vendor);
	vmig_json_add_string(o, "model", cpu->model);
	vmig_json_add_string(o, "level", vmig_cpu_level(&cpu->features));
	vmig_json_add_uint(o, "address_bits", cpu->phys_bits);
	vmig_json_add_uint(o, "tsc_khz", cpu->tsc_khz);
	vmig_json_add_bool(o, "tsc_scaling", cpu->tsc_scaling);
	vmig_json_add_bool(o, "filter", cpu->filter);
	if (!cpu->filter)
		vmig_json_add_string(o, "no_filter", cpu->no_filter);
	if (silent)
		vmig_json_add_string(o, "silent", silent);
	json_object_object_add(o, "features",
			       vmig_cpu_set_encode(&cpu->features));
	vmig_request_tell(daemon, request->id, o);
}

void vmig_request_cpu_show(struct vmig_daemon *daemon,
			   const struct vmig_request *request)
{
	ask_first(daemon, request, bit_of(daemon, request->node), tell_cpu);
}

/* What "NAME NAME" means, or all nodes if it is empty, this one first. */
struct nodes {
	unsigned int n;
	const char *names[VMIG_PEERS_MAX + 1];
	const struct vmig_cpu *cpus[VMIG_PEERS_MAX + 1];
	char text[(VMIG_PEERS_MAX + 1) * (VMIG_NAME_MAX + 1)];
};

static int split_nodes(struct vmig_daemon *daemon, const char *data,
		       struct nodes *nodes, struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	char *rest = nodes->text, *name;
	unsigned int i;

	nodes->n = 0;
	if (!data || !*data) {
		nodes->names[nodes->n++] = config->node;
		for (i = 0; i < config->npeers; i++)
			nodes->names[nodes->n++] = config->peers[i].name;
		return 0;
	}
	if (strlen(data) >= sizeof(nodes->text))
		return vmig_err_set(err, E2BIG, "these are too many nodes");
	strcpy(nodes->text, data);
	while ((name = strsep(&rest, " "))) {
		if (!*name)
			continue;
		if (nodes->n > VMIG_PEERS_MAX)
			return vmig_err_set(err, E2BIG,
					    "these are too many nodes");
		if (strcmp(name, config->node) && !bit_of(daemon, name))
			return vmig_err_set(err, ENOENT,
					    "node %s knows no node %s: add it to [peers] in agent.conf",
					    config->node, name);
		nodes->names[nodes->n++] = name;
	}
	return 0;
}

/* Which of the nodes lack a feature that others have. */
static struct json_object *describe_losses(const struct nodes *nodes,
					   const struct vmig_cpu_set *common)
{
	struct json_object *list = json_object_new_array();
	struct json_object *o, *lacking;
	unsigned int feature, i;

	for (feature = 0; feature < vmig_cpu_nfeatures; feature++) {
		if (vmig_cpu_set_has(common, feature))
			continue;
		lacking = json_object_new_array();
		for (i = 0; i < nodes->n; i++)
			if (!vmig_cpu_set_has(&nodes->cpus[i]->features,
					      feature))
				json_object_array_add(lacking,
					json_object_new_string(nodes->names[i]));
		if (json_object_array_length(lacking) == nodes->n) {
			json_object_put(lacking);
			continue;
		}
		o = vmig_json_new(NULL);
		vmig_json_add_string(o, "feature",
				     vmig_cpu_features[feature].name);
		json_object_object_add(o, "lacking", lacking);
		json_object_array_add(list, o);
	}
	return list;
}

static void tell_baseline(struct vmig_daemon *daemon,
			  const struct vmig_request *request)
{
	struct json_object *o, *list;
	struct vmig_cpu_set common;
	struct nodes nodes;
	struct vmig_err err;
	unsigned int i;

	/* It was well when the nodes were asked. */
	split_nodes(daemon, request->data, &nodes, NULL);
	list = json_object_new_array();
	for (i = 0; i < nodes.n; i++) {
		nodes.cpus[i] = vmig_nodes_cpu(daemon->nodes, nodes.names[i],
					       &err);
		if (!nodes.cpus[i]) {
			vmig_request_fail(daemon, request->id, -ENODATA, &err);
			json_object_put(list);
			return;
		}
		if (!i)
			common = nodes.cpus[i]->features;
		else
			vmig_cpu_set_and(&common, &nodes.cpus[i]->features);
		o = vmig_json_new(NULL);
		vmig_json_add_string(o, "node", nodes.names[i]);
		vmig_json_add_string(o, "vendor", nodes.cpus[i]->vendor);
		vmig_json_add_string(o, "model", nodes.cpus[i]->model);
		json_object_array_add(list, o);
	}
	vmig_cpu_set_close(&common);
	o = vmig_json_new(NULL);
	json_object_object_add(o, "nodes", list);
	vmig_json_add_string(o, "level", vmig_cpu_level(&common));
	json_object_object_add(o, "features", vmig_cpu_set_encode(&common));
	json_object_object_add(o, "losses", describe_losses(&nodes, &common));
	vmig_request_tell(daemon, request->id, o);
}

void vmig_request_cpu_baseline(struct vmig_daemon *daemon,
			       const struct vmig_request *request)
{
	uint64_t wanted = 0;
	struct nodes nodes;
	struct vmig_err err;
	unsigned int i;
	int ret;

	ret = split_nodes(daemon, request->data, &nodes, &err);
	if (ret) {
		vmig_request_fail(daemon, request->id, ret, &err);
		return;
	}
	for (i = 0; i < nodes.n; i++)
		wanted |= bit_of(daemon, nodes.names[i]);
	ask_first(daemon, request, wanted, tell_baseline);
}

static void add_reason(struct vmig_cpu_reasons *reasons, const char *text)
{
	if (reasons->n < VMIG_CPU_REASONS_MAX)
		snprintf(reasons->lines[reasons->n++],
			 sizeof(reasons->lines[0]), "%s", text);
}

/* A node that cannot tell its processor may still be of another vendor. */
static void check_unknown(struct vmig_daemon *daemon, const char *node,
			  const struct vmig_cpu_state *state, const char *why,
			  struct vmig_cpu_reasons *reasons)
{
	const char *vendor = vmig_nodes_vendor(daemon->nodes, node);
	char text[256];

	if (*vendor && strcmp(vendor, state->vendor)) {
		snprintf(text, sizeof(text),
			 "the vendor is %s, and the guest has started on %s",
			 vendor, state->vendor);
		add_reason(reasons, text);
	}
	add_reason(reasons, why);
}

static int check(struct vmig_daemon *daemon, struct vmig_machine *m,
		 const char *node, struct vmig_cpu_reasons *reasons,
		 struct vmig_err *err)
{
	struct vmig_cpu_state *state = calloc(1, sizeof(*state));
	const struct vmig_cpu *there;
	struct vmig_err why;
	int ret = 0;

	if (!state)
		return vmig_err_set(err, ENOMEM, "out of memory");
	if (vmig_processor_is_frozen(m))
		*state = *m->cpu;
	else
		ret = vmig_processor_expect(m, state, err);
	if (!ret) {
		there = vmig_nodes_cpu(daemon->nodes, node, &why);
		if (there)
			vmig_cpu_check(state, node, there, reasons);
		else
			check_unknown(daemon, node, state, why.text, reasons);
	}
	free(state);
	return ret;
}

static void tell_check(struct vmig_daemon *daemon,
		       const struct vmig_request *request)
{
	const char *silent = vmig_nodes_silent(daemon->nodes, request->node);
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	struct vmig_cpu_reasons *reasons;
	struct json_object *o, *list;
	struct vmig_err err;
	unsigned int i;
	int ret;

	if (!m)
		return;
	reasons = calloc(1, sizeof(*reasons));
	if (!reasons)
		abort();	/* a daemon without memory is restarted */
	ret = check(daemon, m, request->node, reasons, &err);
	if (ret) {
		vmig_request_fail(daemon, request->id, ret, &err);
		free(reasons);
		return;
	}
	list = json_object_new_array();
	for (i = 0; i < reasons->n; i++)
		json_object_array_add(list,
				      json_object_new_string(reasons->lines[i]));
	o = vmig_json_new(NULL);
	vmig_json_add_string(o, "vm", m->name);
	vmig_json_add_string(o, "node", request->node);
	vmig_json_add_bool(o, "frozen", vmig_processor_is_frozen(m));
	vmig_json_add_bool(o, "possible", !reasons->n);
	if (silent)
		vmig_json_add_string(o, "silent", silent);
	json_object_object_add(o, "reasons", list);
	vmig_request_tell(daemon, request->id, o);
	free(reasons);
}

void vmig_request_cpu_check(struct vmig_daemon *daemon,
			    const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	uint64_t wanted = bit_of(daemon, request->node);
	struct vmig_err err;

	if (!m)
		return;
	if (!wanted && strcmp(request->node, daemon->config->node)) {
		vmig_nodes_cpu(daemon->nodes, request->node, &err);
		vmig_request_fail(daemon, request->id, -ENOENT, &err);
		return;
	}
	if (vmig_processor_needs_nodes(m))
		wanted |= vmig_nodes_unknown(daemon->nodes);
	ask_first(daemon, request, wanted, tell_check);
}

static const struct vmig_cpuid_count *
find_count(const struct vmig_cpuid_usage *usage,
	   const struct vmig_cpu_feature *feature)
{
	unsigned int i;

	for (i = 0; i < usage->n; i++) {
		const struct vmig_cpuid_count *count = &usage->counts[i];

		if (count->leaf == feature->leaf &&
		    count->subleaf == feature->subleaf &&
		    count->hidden[feature->reg] & 1U << feature->bit)
			return count;
	}
	return NULL;
}

/* Hidden features that the guest has looked for. */
static struct json_object *describe_asked(const struct vmig_cpuid_usage *usage)
{
	struct json_object *list = json_object_new_array(), *o;
	unsigned int i;

	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		const struct vmig_cpuid_count *count =
			find_count(usage, &vmig_cpu_features[i]);

		if (!count || !count->queries)
			continue;
		o = vmig_json_new(NULL);
		vmig_json_add_string(o, "feature", vmig_cpu_features[i].name);
		vmig_json_add_uint(o, "queries", count->queries);
		json_object_array_add(list, o);
	}
	return list;
}

static void add_usage(struct json_object *o, struct vmig_machine *m)
{
	struct vmig_cpuid_usage *usage = calloc(1, sizeof(*usage));

	/* A VM that does not run has no filter. */
	if (usage && !vmig_nl_cpuid_usage(m->daemon->nl, m->name, usage,
					  NULL)) {
		vmig_json_add_uint(o, "queries", usage->queries);
		json_object_object_add(o, "asked", describe_asked(usage));
	}
	free(usage);
}

/* vmig_request_processor() - What @m sees of the processor, for vm-show. */
struct json_object *vmig_request_processor(struct vmig_machine *m)
{
	struct json_object *o = vmig_json_new(NULL);
	const struct vmig_cpu *here;
	struct vmig_cpu_set hidden;

	vmig_json_add_string(o, "policy", m->def->cpu_policy);
	if (!vmig_processor_is_frozen(m))
		return o;
	vmig_json_add_string(o, "frozen_on", m->cpu->node);
	vmig_json_add_bool(o, "filtered", m->cpu->filtered);
	/* Where it runs now there may be more to hide than where it began. */
	hidden = m->cpu->hidden;
	here = vmig_nodes_here(m->daemon->nodes, NULL);
	if (here) {
		hidden = here->features;
		vmig_cpu_set_minus(&hidden, &m->cpu->visible);
	}
	json_object_object_add(o, "visible",
			       vmig_cpu_set_encode(&m->cpu->visible));
	json_object_object_add(o, "hidden", vmig_cpu_set_encode(&hidden));
	if (m->pidfd >= 0)
		add_usage(o, m);
	return o;
}
