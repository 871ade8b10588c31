/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What processors offer to guests, and what a VM is shown of it.
 *
 * The path of a VM's CPUID: policy_visible() says which features it may see,
 * qemu() has KVM refuse the others, freeze() makes the table that the guest
 * sees for the rest of its life, rules() turns it into the kernel's filter,
 * check() tells whether another node's processor can keep the promise.
 *
 * Nothing here does I/O but vmig_cpu_read().
 */
#ifndef VMIG_CPU_H
#define VMIG_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../err.h"

struct json_object;

#define VMIG_CPU_FEATURES_MAX	384
#define VMIG_CPUID_LEAVES_MAX	192
/* All registers of the table, and those whose every bit is hidden. */
#define VMIG_CPU_RULES_MAX	(4 * VMIG_CPUID_LEAVES_MAX + 64)
#define VMIG_CPU_POLICY_MAX	512	/* bytes of a policy's text */
#define VMIG_CPU_REASONS_MAX	64

enum vmig_cpuid_reg { VMIG_EAX, VMIG_EBX, VMIG_ECX, VMIG_EDX };

/**
 * struct vmig_cpu_feature - one line of the feature table
 * @name: how users and /proc/cpuinfo call it
 * @qemu: its name for QEMU's -cpu, NULL if QEMU 7.2 has none
 */
struct vmig_cpu_feature {
	const char *name;
	const char *qemu;
	uint32_t leaf;
	uint32_t subleaf;
	enum vmig_cpuid_reg reg;
	unsigned int bit;
	const char *needs[4];
};

extern const struct vmig_cpu_feature vmig_cpu_features[];
extern const unsigned int vmig_cpu_nfeatures;

/* Bit i stands for vmig_cpu_features[i]. */
struct vmig_cpu_set {
	uint64_t bits[VMIG_CPU_FEATURES_MAX / 64];
};

bool vmig_cpu_set_has(const struct vmig_cpu_set *set, unsigned int feature);
void vmig_cpu_set_add(struct vmig_cpu_set *set, unsigned int feature);
void vmig_cpu_set_and(struct vmig_cpu_set *set, const struct vmig_cpu_set *with);
void vmig_cpu_set_or(struct vmig_cpu_set *set, const struct vmig_cpu_set *with);
void vmig_cpu_set_minus(struct vmig_cpu_set *set,
			const struct vmig_cpu_set *without);
bool vmig_cpu_set_empty(const struct vmig_cpu_set *set);
bool vmig_cpu_set_equal(const struct vmig_cpu_set *a,
			const struct vmig_cpu_set *b);
/* A feature that @feature needs and @set has not, or -1. */
int vmig_cpu_set_missing(const struct vmig_cpu_set *set, unsigned int feature);
/* Take away, until nothing changes, what needs a feature that is not there. */
void vmig_cpu_set_close(struct vmig_cpu_set *set);
/* A JSON array of names, in the table's order; decode refuses unknown names. */
struct json_object *vmig_cpu_set_encode(const struct vmig_cpu_set *set);
int vmig_cpu_set_decode(struct json_object *array, struct vmig_cpu_set *set,
			struct vmig_err *err);

/* One CPUID answer. Without @indexed, @subleaf is 0 and any ECX gets it. */
struct vmig_cpuid_leaf {
	uint32_t leaf;
	uint32_t subleaf;
	bool indexed;
	uint32_t reg[4];
};

/* Sorted by leaf, then subleaf; no two alike. */
struct vmig_cpuid {
	unsigned int n;
	struct vmig_cpuid_leaf leaves[VMIG_CPUID_LEAVES_MAX];
};

/* Add or replace an answer. Return: 0 or -E2BIG. */
int vmig_cpuid_put(struct vmig_cpuid *cpuid,
		   const struct vmig_cpuid_leaf *leaf);
/* NULL if there is none. */
const struct vmig_cpuid_leaf *vmig_cpuid_find(const struct vmig_cpuid *cpuid,
					      uint32_t leaf, uint32_t subleaf);
/* 0 if there is no such answer. */
uint32_t vmig_cpuid_reg(const struct vmig_cpuid *cpuid, uint32_t leaf,
			uint32_t subleaf, enum vmig_cpuid_reg reg);
void vmig_cpuid_features(const struct vmig_cpuid *cpuid,
			 struct vmig_cpu_set *set);
/* Bits of a feature register that the table has no name for. */
uint32_t vmig_cpuid_unnamed(uint32_t leaf, uint32_t subleaf,
			    enum vmig_cpuid_reg reg);
void vmig_cpuid_vendor(const struct vmig_cpuid *cpuid, char vendor[13]);
struct json_object *vmig_cpuid_encode(const struct vmig_cpuid *cpuid);
int vmig_cpuid_decode(struct json_object *array, struct vmig_cpuid *cpuid,
		      struct vmig_err *err);

/**
 * struct vmig_cpu - what a node's processor offers to guests
 * @cpuid: KVM_GET_SUPPORTED_CPUID
 * @features: of @cpuid, those that KVM emulates on any host included
 * @tsc_khz: frequency of the host's TSC
 * @tsc_scaling: guests can be given another frequency
 * @filter: the node's kernel can filter CPUID
 * @no_filter: why it cannot, a sentence
 */
struct vmig_cpu {
	char vendor[13];
	char model[49];
	unsigned int phys_bits;
	uint32_t tsc_khz;
	bool tsc_scaling;
	bool filter;
	char no_filter[256];
	struct vmig_cpu_set features;
	struct vmig_cpuid cpuid;
};

/* Ask KVM. @filter and @no_filter are the caller's to fill in. */
int vmig_cpu_read(struct vmig_cpu *cpu, struct vmig_err *err);
struct json_object *vmig_cpu_encode(const struct vmig_cpu *cpu);
/* @o comes from a peer and is not trusted. */
int vmig_cpu_decode(struct json_object *o, struct vmig_cpu *cpu,
		    struct vmig_err *err);
/* "x86-64-v3", the highest micro-architecture level that @set fills. */
const char *vmig_cpu_level(const struct vmig_cpu_set *set);

/*
 * Is @text a policy? Policies are host, hyperv-r2, hyperv-r2-strict, cluster,
 * x86-64-v2, -v3, -v4 and "custom:+feature,-feature,..." (another policy to
 * begin with may follow the colon: "custom:x86-64-v3,-avx2"). The sentence for
 * an unknown name tells the closest known one.
 */
int vmig_cpu_policy_check(const char *text, struct vmig_err *err);

/* Does it hide anything? All but host do, bits without a name at least. */
bool vmig_cpu_policy_hides(const char *text);

/**
 * vmig_cpu_policy_visible() - Which features a VM may see under a policy.
 * @text: the policy
 * @here: the processor it starts on
 * @nodes: the processors of all nodes, @here among them; only for "cluster"
 * @visible: closed over dependents, a subset of @here's features
 *
 * Return: 0, or -EOPNOTSUPP with a sentence if @here lacks what the policy
 * promises (a floor such as x86-64-v3, a +feature).
 */
int vmig_cpu_policy_visible(const char *text, const struct vmig_cpu *here,
			    const struct vmig_cpu *const *nodes,
			    unsigned int nnodes, struct vmig_cpu_set *visible,
			    struct vmig_err *err);

/*
 * How many bits a VM's physical addresses have: what all of @nodes have, which
 * for any policy but "cluster" is @here alone, and no more than QEMU's own
 * choice, so that VMs can move where there are fewer.
 */
unsigned int vmig_cpu_policy_phys_bits(const struct vmig_cpu *here,
				       const struct vmig_cpu *const *nodes,
				       unsigned int nnodes);

/**
 * vmig_cpu_freeze() - The table that a guest will see for its whole life.
 * @policy: the VM's; under "host" bits that the table does not know stay
 * @given: what KVM would answer vCPU 0 (the kernel's cpuid-read)
 * @visible: features that it may see
 * @frozen: the table; all else answers zero
 *
 * A feature that @visible has and @given lacks, because the VMM does not pass
 * it on, is not in the table.
 */
void vmig_cpu_freeze(const char *policy, const struct vmig_cpuid *given,
		     const struct vmig_cpu_set *visible,
		     struct vmig_cpuid *frozen);

/**
 * struct vmig_cpu_rule - answer = (KVM's answer & @mask) | @value
 * @hidden: bits that the policy hides here and the host has, for counters
 */
struct vmig_cpu_rule {
	uint32_t leaf;
	uint32_t subleaf;
	bool indexed;
	enum vmig_cpuid_reg reg;
	uint32_t mask;
	uint32_t value;
	uint32_t hidden;
};

/* Return: the number of rules, at most VMIG_CPU_RULES_MAX. */
unsigned int vmig_cpu_rules(const struct vmig_cpuid *frozen,
			    const struct vmig_cpu_set *hidden,
			    struct vmig_cpu_rule *rules);

/**
 * struct vmig_cpu_state - what travels with a VM about its processor
 * @policy: as in its definition
 * @node: where it was frozen
 * @phys_bits: for its first start; then the frozen table has it
 * @hidden: features that node had and the policy hides
 * @filtered: a filter has answered from the first instruction on
 */
struct vmig_cpu_state {
	char policy[VMIG_CPU_POLICY_MAX];
	char node[256];
	char vendor[13];
	uint32_t tsc_khz;
	unsigned int phys_bits;
	bool filtered;
	struct vmig_cpu_set visible;
	struct vmig_cpu_set hidden;
	struct vmig_cpuid frozen;
};

struct json_object *vmig_cpu_state_encode(const struct vmig_cpu_state *state);
int vmig_cpu_state_decode(struct json_object *o, struct vmig_cpu_state *state,
			  struct vmig_err *err);

/* "host,-avx2,...": the model for QEMU on @here. Return: 0 or -E2BIG. */
int vmig_cpu_qemu(const struct vmig_cpu *here,
		  const struct vmig_cpu_state *state, char *text, size_t size);

/* One line a reason, by feature name. */
struct vmig_cpu_reasons {
	unsigned int n;
	char lines[VMIG_CPU_REASONS_MAX][256];
};

/*
 * Can a VM with @state run on @there? Vendor always, each feature that the
 * guest may see and @there lacks, MAXPHYADDR, TSC frequency, place of XSAVE
 * components, the filter. Return: true, or false with @reasons.
 */
bool vmig_cpu_check(const struct vmig_cpu_state *state, const char *node,
		    const struct vmig_cpu *there,
		    struct vmig_cpu_reasons *reasons);

#endif /* VMIG_CPU_H */
