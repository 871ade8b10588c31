/* SPDX-License-Identifier: GPL-2.0 */
/* The netlink family's operations on what guests see of the processor. */
#ifndef VMIG_NL_CPUID_H
#define VMIG_NL_CPUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/cpu.h"
#include "err.h"
#include "nl.h"

/* How often a guest asked for a leaf, and what was hidden in the answer. */
struct vmig_cpuid_count {
	uint32_t leaf;
	uint32_t subleaf;
	uint64_t queries;
	uint32_t hidden[4];
};

struct vmig_cpuid_usage {
	uint64_t queries;
	unsigned int n;
	struct vmig_cpuid_count counts[VMIG_CPUID_LEAVES_MAX];
};

/* Return: true if this kernel can filter CPUID, or false and @why it cannot. */
bool vmig_nl_cpuid_support(struct vmig_nl *nl, struct vmig_err *why);
/* What KVM would answer vCPU 0 of the VM behind @kvm_fd. */
int vmig_nl_cpuid_read(struct vmig_nl *nl, int kvm_fd,
		       struct vmig_cpuid *given, struct vmig_err *err);
int vmig_nl_cpuid_filter_set(struct vmig_nl *nl, const char *vm, int kvm_fd,
			     const struct vmig_cpu_rule *rules,
			     unsigned int nrules, struct vmig_err *err);
/* -ENOENT: the VM has no filter. */
int vmig_nl_cpuid_usage(struct vmig_nl *nl, const char *vm,
			struct vmig_cpuid_usage *usage, struct vmig_err *err);

#endif /* VMIG_NL_CPUID_H */
