// SPDX-License-Identifier: GPL-2.0
/*
 * What a VM sees of the processor: decided, frozen, enforced, compared.
 *
 * A VM without KVM (accel = tcg) has nothing of it: m->cpu is NULL then, and
 * only the policy "host", which promises nothing, lets it start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cluster/nodes.h"
#include "../daemon.h"
#include "../nl_cpuid.h"
#include "kvmfd.h"
#include "machine.h"
#include "processor.h"

#define NOT_KVM "accel = in agent.conf is not kvm"

static bool is_host(const struct vmig_machine *m)
{
	return !strcmp(m->def->cpu_policy, "host");
}

/* The policy promises nothing, so that less than it can be had. */
static int settle_for_less(const struct vmig_machine *m, const char *why,
			   struct vmig_err *err)
{
	if (is_host(m))
		return 0;
	return vmig_err_set(err, EOPNOTSUPP,
			    "VM %s has cpu-policy = %s, and node %s cannot keep that: %s",
			    m->name, m->def->cpu_policy,
			    m->daemon->config->node, why);
}

/* A node without KVM starts what needs nothing of it. */
static int do_without(struct vmig_machine *m, bool incoming, const char *why,
		      struct vmig_err *err)
{
	int ret = settle_for_less(m, why, err);

	if (!ret && incoming && m->cpu)
		ret = vmig_err_set(err, EOPNOTSUPP,
				   "VM %s has run with KVM, and node %s cannot: %s",
				   m->name, m->daemon->config->node, why);
	if (!ret)
		vmig_processor_thaw(m);
	return ret;
}

/* vmig_processor_is_frozen() - Is it decided what the guest sees, for good? */
bool vmig_processor_is_frozen(const struct vmig_machine *m)
{
	return m->cpu && m->cpu->frozen.n;
}

/* vmig_processor_needs_nodes() - Does a start ask what other nodes have? */
bool vmig_processor_needs_nodes(const struct vmig_machine *m)
{
	return !vmig_processor_is_frozen(m) &&
	       strstr(m->def->cpu_policy, "cluster");
}

/* vmig_processor_thaw() - The next start decides anew. */
void vmig_processor_thaw(struct vmig_machine *m)
{
	free(m->cpu);
	m->cpu = NULL;
}

/* vmig_processor_is_kept() - Would the guest see the same under both? */
bool vmig_processor_is_kept(const struct vmig_definition *was,
			    const struct vmig_definition *is)
{
	return was->vcpus == is->vcpus && !strcmp(was->cpu, is->cpu) &&
	       !strcmp(was->cpu_policy, is->cpu_policy) &&
	       !strcmp(was->machine, is->machine);
}

/*
 * The processors of all nodes that a VM can move to: where it is known that the
 * vendor is another one, no more need be known. Return: how many, or -ENODATA.
 */
static int collect(struct vmig_daemon *daemon,
		   const struct vmig_cpu *nodes[VMIG_PEERS_MAX + 1],
		   const struct vmig_cpu *here, struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	unsigned int i;
	int n = 0;

	nodes[n++] = here;
	for (i = 0; i < config->npeers; i++) {
		const char *name = config->peers[i].name;
		const char *vendor = vmig_nodes_vendor(daemon->nodes, name);

		nodes[n] = vmig_nodes_cpu(daemon->nodes, name, err);
		if (nodes[n])
			n++;
		else if (!*vendor || !strcmp(vendor, here->vendor))
			return -ENODATA;
	}
	return n;
}

/* What the guest may see if it starts here and now. */
static int decide(struct vmig_machine *m, const struct vmig_cpu *here,
		  struct vmig_cpu_state *state, struct vmig_err *err)
{
	const struct vmig_cpu *nodes[VMIG_PEERS_MAX + 1] = { here };
	const char *policy = m->def->cpu_policy;
	int ret = 0, nnodes = 1;

	memset(state, 0, sizeof(*state));
	snprintf(state->policy, sizeof(state->policy), "%s", policy);
	snprintf(state->node, sizeof(state->node), "%s",
		 m->daemon->config->node);
	memcpy(state->vendor, here->vendor, sizeof(state->vendor));
	state->tsc_khz = here->tsc_khz;
	state->filtered = here->filter;
	if (vmig_processor_needs_nodes(m))
		nnodes = collect(m->daemon, nodes, here, err);
	if (nnodes > 0)
		ret = vmig_cpu_policy_visible(policy, here, nodes,
					      (unsigned int)nnodes,
					      &state->visible, err);
	else
		ret = nnodes;
	if (ret < 0) {
		vmig_err_prefix(err, "VM %s, cpu-policy = %s: ", m->name,
				policy);
		return ret;
	}
	state->phys_bits = vmig_cpu_policy_phys_bits(here, nodes,
						     (unsigned int)nnodes);
	state->hidden = here->features;
	vmig_cpu_set_minus(&state->hidden, &state->visible);
	return 0;
}

/*
 * A frozen table meets the node that it starts on, which is the one it ran on
 * last: normally nothing has changed.
 */
static int check_frozen(struct vmig_machine *m, const struct vmig_cpu *here,
			struct vmig_err *err)
{
	struct vmig_cpu_state *state = m->cpu;
	int ret;

	/*
	 * The guest boots anew: from its first instruction on it is filtered,
	 * and it measures the clock that it finds here.
	 */
	state->filtered = true;
	state->tsc_khz = here->tsc_khz;
	ret = vmig_processor_fits(m, m->daemon->config->node, here, err);
	if (ret)
		vmig_err_set(err, -ret,
			     "%s\n`vmig-agent vm set %s cpu-policy=%s` freezes what this node has",
			     strdupa(err->text), m->name, m->def->cpu_policy);
	return ret;
}

/* What @m will see, in m->cpu. */
static int choose(struct vmig_machine *m, const struct vmig_cpu *here,
		  bool incoming, struct vmig_err *err)
{
	struct vmig_cpu_state *state;
	int ret;

	if (incoming)
		return 0;
	/* What cannot be enforced need not be kept at a new boot. */
	if (!vmig_processor_is_frozen(m) || !here->filter) {
		state = malloc(sizeof(*state));
		if (!state)
			return vmig_err_set(err, ENOMEM, "out of memory");
		vmig_processor_thaw(m);
		ret = decide(m, here, state, err);
		if (ret)
			free(state);
		else
			m->cpu = state;
		return ret;
	}
	return check_frozen(m, here, err);
}

/**
 * vmig_processor_prepare() - Before QEMU is started: decide on its model.
 *
 * Return: 0, or a negative errno if this node cannot keep what the VM's policy
 * promises.
 */
int vmig_processor_prepare(struct vmig_machine *m, bool incoming,
			   char model[VMIG_CPU_MODEL_MAX],
			   struct vmig_err *err)
{
	const struct vmig_cpu *here;
	struct vmig_err why;
	int ret;

	snprintf(model, VMIG_CPU_MODEL_MAX, "%s", m->def->cpu);
	if (strcmp(m->daemon->config->accel, "kvm"))
		return do_without(m, incoming, NOT_KVM, err);
	here = vmig_nodes_here(m->daemon->nodes, &why);
	if (!here)
		return do_without(m, incoming, why.text, err);
	if (!here->filter) {
		ret = settle_for_less(m, here->no_filter, err);
		if (ret)
			return ret;
	}
	ret = choose(m, here, incoming, err);
	/* A model by hand is QEMU's to expand. */
	if (ret || !m->cpu || strcmp(m->def->cpu, "host"))
		return ret;
	if (vmig_cpu_qemu(here, m->cpu, model, VMIG_CPU_MODEL_MAX))
		return vmig_err_set(err, E2BIG,
				    "VM %s: too many features are hidden for QEMU's command line",
				    m->name);
	return 0;
}

static int set_filter(struct vmig_machine *m, const struct vmig_cpu *here,
		      int kvm_fd, struct vmig_err *err)
{
	struct vmig_cpu_set hidden = here->features;
	struct vmig_cpu_rule *rules;
	unsigned int n;
	int ret;

	vmig_cpu_set_minus(&hidden, &m->cpu->visible);
	rules = calloc(VMIG_CPU_RULES_MAX, sizeof(*rules));
	if (!rules)
		return vmig_err_set(err, ENOMEM, "out of memory");
	n = vmig_cpu_rules(&m->cpu->frozen, &hidden, rules);
	ret = vmig_nl_cpuid_filter_set(m->daemon->nl, m->name, kvm_fd, rules, n,
				       err);
	free(rules);
	if (ret)
		vmig_err_prefix(err, "CPUID filter of VM %s: ", m->name);
	return ret;
}

static int read_given(struct vmig_machine *m, const struct vmig_cpu *here,
		      int kvm_fd, struct vmig_cpuid *given,
		      struct vmig_err *err)
{
	int ret = vmig_nl_cpuid_read(m->daemon->nl, kvm_fd, given, err);

	/* Without a filter it is only for comparison. */
	if (ret && !m->cpu->filtered) {
		vmig_log("VM %s: %s", m->name, err->text);
		*given = here->cpuid;
		ret = 0;
	}
	return ret;
}

/**
 * vmig_processor_install() - QEMU is up and its vCPUs have not run.
 *
 * Freezes at the first start, and has the kernel answer from the table. When
 * this fails the VM must not run.
 */
int vmig_processor_install(struct vmig_machine *m, struct vmig_err *err)
{
	const struct vmig_cpu *here;
	struct vmig_cpuid given;
	int fd, ret = 0;

	if (!m->cpu)
		return 0;
	here = vmig_nodes_here(m->daemon->nodes, err);
	if (!here)
		return -ENODEV;
	fd = vmig_kvm_fd(m->pid, m->pidfd, err);
	if (fd < 0)
		return fd;
	if (!vmig_processor_is_frozen(m)) {
		ret = read_given(m, here, fd, &given, err);
		if (!ret)
			vmig_cpu_freeze(m->cpu->policy, &given,
					&m->cpu->visible, &m->cpu->frozen);
	}
	if (!ret && m->cpu->filtered)
		ret = set_filter(m, here, fd, err);
	close(fd);
	if (!ret && !m->incoming)
		ret = vmig_store_own(m, NULL, err);
	return ret;
}

/**
 * vmig_processor_fits() - Can the VM run there as it has run so far?
 *
 * Return: 0, or -EOPNOTSUPP and in @err a line for each reason.
 */
int vmig_processor_fits(const struct vmig_machine *m, const char *node,
			const struct vmig_cpu *there, struct vmig_err *err)
{
	struct vmig_cpu_reasons *reasons;
	unsigned int i;
	size_t len;

	if (!vmig_processor_is_frozen(m))
		return 0;
	reasons = calloc(1, sizeof(*reasons));
	if (!reasons)
		return vmig_err_set(err, ENOMEM, "out of memory");
	if (vmig_cpu_check(m->cpu, node, there, reasons)) {
		free(reasons);
		return 0;
	}
	vmig_err_set(err, EOPNOTSUPP,
		     "the processor of node %s is not one that VM %s can run on:",
		     node, m->name);
	for (i = 0; i < reasons->n; i++) {
		len = strlen(err->text);
		snprintf(err->text + len, sizeof(err->text) - len, "\n  %s",
			 reasons->lines[i]);
	}
	free(reasons);
	return -EOPNOTSUPP;
}

/**
 * vmig_processor_arrive() - Take over what the guest saw where it comes from.
 * @o: what the other node's vmig_cpu_state_encode() made, or NULL
 *
 * Return: 0, or a negative errno if the VM cannot be run here.
 */
int vmig_processor_arrive(struct vmig_machine *m, struct json_object *o,
			  struct vmig_err *err)
{
	const struct vmig_cpu *here;
	struct vmig_cpu_state *state;
	struct vmig_err why;
	int ret;

	if (!o)
		return settle_for_less(m, "the VM comes without the CPUID that it sees",
				       err);
	state = calloc(1, sizeof(*state));
	if (!state)
		return vmig_err_set(err, ENOMEM, "out of memory");
	ret = vmig_cpu_state_decode(o, state, err);
	if (ret) {
		free(state);
		return ret;
	}
	vmig_processor_thaw(m);
	m->cpu = state;
	if (!state->frozen.n || strcmp(state->policy, m->def->cpu_policy) ||
	    (!state->filtered && !is_host(m)))
		return vmig_err_set(err, EPROTO,
				    "the CPUID that VM %s comes with is not that of its cpu-policy",
				    m->name);
	if (strcmp(m->daemon->config->accel, "kvm"))
		return do_without(m, true, NOT_KVM, err);
	here = vmig_nodes_here(m->daemon->nodes, &why);
	if (!here)
		return do_without(m, true, why.text, err);
	return vmig_processor_fits(m, m->daemon->config->node, here, err);
}

/**
 * vmig_processor_expect() - What the guest would see if it started here now.
 * @state: as if it had been frozen; but for what QEMU does not pass on
 */
int vmig_processor_expect(struct vmig_machine *m, struct vmig_cpu_state *state,
			  struct vmig_err *err)
{
	const struct vmig_cpu *here = vmig_nodes_here(m->daemon->nodes, err);
	int ret = here ? decide(m, here, state, err) : -ENODEV;

	if (!ret)
		vmig_cpu_freeze(state->policy, &here->cpuid, &state->visible,
				&state->frozen);
	return ret;
}
