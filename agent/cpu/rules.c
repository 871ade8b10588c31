// SPDX-License-Identifier: GPL-2.0
/* The kernel's filter, made of a frozen table. */
#include <string.h>

#include "cpu.h"

#define ALL 0xffffffffU

/*
 * What differs from one vCPU to the next, or follows the guest's control
 * registers, stays KVM's to answer: @mask of the register. With @shown, only
 * if the frozen table has that bit, else the bit would show what is hidden.
 */
static const struct {
	uint32_t leaf;
	uint32_t subleaf;
	bool any_subleaf;
	enum vmig_cpuid_reg reg;
	uint32_t mask;
	/* the register and bits that must be in the frozen table */
	uint32_t in_subleaf;
	enum vmig_cpuid_reg in_reg;
	uint32_t shown;
} dynamic[] = {
	/* APIC id */
	{ 0x1, 0, false, VMIG_EBX, 0xff000000, 0, VMIG_EAX, 0 },
	/* OSXSAVE is CR4's, if XSAVE is there */
	{ 0x1, 0, false, VMIG_ECX, 1U << 27, 0, VMIG_ECX, 1U << 26 },
	/* APIC goes away while the guest has it switched off */
	{ 0x1, 0, false, VMIG_EDX, 1U << 9, 0, VMIG_EDX, 1U << 9 },
	{ 0x80000001, 0, false, VMIG_EDX, 1U << 9, 0, VMIG_EDX, 1U << 9 },
	/* OSPKE is CR4's, if PKU is there */
	{ 0x7, 0, false, VMIG_ECX, 1U << 4, 0, VMIG_ECX, 1U << 3 },
	/* x2APIC id */
	{ 0xb, 0, true, VMIG_EDX, ALL, 0, VMIG_EAX, 0 },
	{ 0x1f, 0, true, VMIG_EDX, ALL, 0, VMIG_EAX, 0 },
	/* size of the XSAVE area for XCR0; for XCR0 and XSS, compacted */
	{ 0xd, 0, false, VMIG_EBX, ALL, 0, VMIG_EAX, 0 },
	{ 0xd, 1, false, VMIG_EBX, ALL, 1, VMIG_EAX, 1U << 1 | 1U << 3 },
	/* APIC id, core and node of this vCPU */
	{ 0x8000001e, 0, false, VMIG_EAX, ALL, 0, VMIG_EAX, 0 },
	{ 0x8000001e, 0, false, VMIG_EBX, 0xff, 0, VMIG_EAX, 0 },
	{ 0x8000001e, 0, false, VMIG_ECX, 0xff, 0, VMIG_EAX, 0 },
};

static uint32_t dynamic_bits(const struct vmig_cpuid *frozen, uint32_t leaf,
			     uint32_t subleaf, enum vmig_cpuid_reg reg)
{
	uint32_t mask = 0;
	unsigned int i;

	for (i = 0; i < sizeof(dynamic) / sizeof(dynamic[0]); i++) {
		if (dynamic[i].leaf != leaf || dynamic[i].reg != reg ||
		    (dynamic[i].subleaf != subleaf && !dynamic[i].any_subleaf))
			continue;
		if (!dynamic[i].shown ||
		    vmig_cpuid_reg(frozen, leaf, dynamic[i].in_subleaf,
				   dynamic[i].in_reg) & dynamic[i].shown)
			mask |= dynamic[i].mask;
	}
	return mask;
}

static uint32_t hidden_bits(const struct vmig_cpu_set *hidden, uint32_t leaf,
			    uint32_t subleaf, enum vmig_cpuid_reg reg)
{
	uint32_t bits = 0;
	unsigned int i;

	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		const struct vmig_cpu_feature *f = &vmig_cpu_features[i];

		if (f->leaf == leaf && f->subleaf == subleaf && f->reg == reg &&
		    vmig_cpu_set_has(hidden, i))
			bits |= 1U << f->bit;
	}
	return bits;
}

static void add(struct vmig_cpu_rule *rules, unsigned int *n,
		const struct vmig_cpu_rule *rule)
{
	if (*n < VMIG_CPU_RULES_MAX)
		rules[(*n)++] = *rule;
}

/*
 * Registers whose every bit is hidden have no answer in the table; they get a
 * rule all the same, so that the guest's questions for them are counted.
 */
static void add_hidden(const struct vmig_cpuid *frozen,
		       const struct vmig_cpu_set *hidden,
		       struct vmig_cpu_rule *rules, unsigned int *n)
{
	unsigned int i, j;

	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		const struct vmig_cpu_feature *f = &vmig_cpu_features[i];
		struct vmig_cpu_rule rule = {
			.leaf = f->leaf, .subleaf = f->subleaf,
			.indexed = f->leaf == 7 || f->leaf == 0xd,
			.reg = f->reg,
		};

		if (!vmig_cpu_set_has(hidden, i) ||
		    vmig_cpuid_find(frozen, f->leaf, f->subleaf))
			continue;
		for (j = 0; j < *n; j++)
			if (rules[j].leaf == f->leaf &&
			    rules[j].subleaf == f->subleaf &&
			    rules[j].reg == f->reg)
				break;
		if (j < *n)
			continue;
		rule.hidden = hidden_bits(hidden, f->leaf, f->subleaf, f->reg);
		add(rules, n, &rule);
	}
}

unsigned int vmig_cpu_rules(const struct vmig_cpuid *frozen,
			    const struct vmig_cpu_set *hidden,
			    struct vmig_cpu_rule *rules)
{
	unsigned int n = 0, i, reg;

	for (i = 0; i < frozen->n; i++) {
		const struct vmig_cpuid_leaf *l = &frozen->leaves[i];

		for (reg = VMIG_EAX; reg <= VMIG_EDX; reg++) {
			struct vmig_cpu_rule rule = {
				.leaf = l->leaf, .subleaf = l->subleaf,
				.indexed = l->indexed, .reg = reg,
			};

			rule.mask = dynamic_bits(frozen, l->leaf, l->subleaf,
						 reg);
			rule.value = l->reg[reg] & ~rule.mask;
			rule.hidden = hidden_bits(hidden, l->leaf, l->subleaf,
						  reg);
			add(rules, &n, &rule);
		}
	}
	add_hidden(frozen, hidden, rules, &n);
	return n;
}
