// SPDX-License-Identifier: GPL-2.0
/*
 * The CPUID table that a guest sees for its whole life, and the kernel's
 * filter made of it.
 *
 * What is kept is named here; everything else answers zero, so that a leaf
 * invented later does not reach a guest by being forgotten.
 */
#include <string.h>

#include "floor.h"
#include "name.h"
#include "xstate.h"

#define ALL 0xffffffffU
#define OSXSAVE		(1U << 27)	/* 1.ECX */
#define OSPKE		(1U << 4)	/* 7.0.ECX */
#define APIC		(1U << 9)	/* 1.EDX */
#define APIC_ID		0xff000000U	/* 1.EBX */
/* 7.0.EBX: x87 pointers are no longer kept. Set means less, not more. */
#define INVERSE		(1U << 6 | 1U << 13)
/* Bits of 80000001.EDX that AMD repeats from 1.EDX. */
#define COPIES		0x0183f3ffU

/*
 * Leaves that a guest may see. @mask has the bits that are no features: sizes,
 * counts, text. A leaf with @needs is kept while that feature is visible. One
 * that is @per_vcpu may be empty for the first vCPU and is kept all the same.
 */
#define KEEP(_first, _last, _eax, _ebx, _ecx, _edx, ...) \
	{ .first = _first, .last = _last, \
	  .mask = { _eax, _ebx, _ecx, _edx }, __VA_ARGS__ }

static const struct kept {
	uint32_t first;
	uint32_t last;
	uint32_t mask[4];
	const char *needs;
	bool per_vcpu;
} kept[] = {
	KEEP(0x0, 0x0, ALL, ALL, ALL, ALL),
	KEEP(0x1, 0x1, ALL, ALL, 0, 0),
	KEEP(0x2, 0x2, ALL, ALL, ALL, ALL),	/* caches, TLBs */
	KEEP(0x4, 0x4, ALL, ALL, ALL, ALL),	/* caches */
	KEEP(0x6, 0x6, 0, 0, 0, 0),		/* ARAT alone */
	KEEP(0x7, 0x7, 0, 0, 0, 0),
	KEEP(0xb, 0xb, ALL, ALL, ALL, ALL, .per_vcpu = true),
	KEEP(0x1d, 0x1e, ALL, ALL, ALL, ALL, .needs = "amx_tile"),
	KEEP(0x1f, 0x1f, ALL, ALL, ALL, ALL, .per_vcpu = true),
	KEEP(0x24, 0x24, ALL, ALL, ALL, ALL, .needs = "avx10"),
	/* KVM's and, where switched on, Hyper-V's interface; TSC frequency */
	KEEP(0x40000000, 0x40000000, ALL, ALL, ALL, ALL),
	KEEP(0x40000001, 0x40000001, 0, ALL, ALL, ALL),
	KEEP(0x40000002, 0x400001ff, ALL, ALL, ALL, ALL),
	KEEP(0x80000000, 0x80000000, ALL, ALL, ALL, ALL),
	KEEP(0x80000001, 0x80000001, ALL, ALL, 0, 0),
	KEEP(0x80000002, 0x80000006, ALL, ALL, ALL, ALL), /* brand, caches */
	KEEP(0x80000007, 0x80000007, 0, 0, 0, 0),
	KEEP(0x80000008, 0x80000008, ALL, 0, ALL, 0),	/* sizes, topology */
	KEEP(0x8000000a, 0x8000000a, ALL, ALL, 0, 0, .needs = "svm"),
	KEEP(0x80000019, 0x8000001a, ALL, ALL, ALL, ALL), /* TLBs, hints */
	KEEP(0x8000001d, 0x8000001d, ALL, ALL, ALL, ALL, .needs = "topoext"),
	KEEP(0x8000001e, 0x8000001e, ALL, ALL, ALL, ALL, .needs = "topoext",
	     .per_vcpu = true),
	KEEP(0x80000021, 0x80000021, 0, 0, 0, 0),
};

static const struct kept *find_kept(uint32_t leaf)
{
	unsigned int i;

	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (leaf >= kept[i].first && leaf <= kept[i].last)
			return &kept[i];
	return NULL;
}

/* Bits of a register that are features in the table, and those in @set. */
static uint32_t known_bits(uint32_t leaf, uint32_t subleaf,
			   enum vmig_cpuid_reg reg,
			   const struct vmig_cpu_set *set, uint32_t *in_set)
{
	uint32_t known = 0;
	unsigned int i;

	*in_set = 0;
	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		const struct vmig_cpu_feature *f = &vmig_cpu_features[i];

		if (f->leaf != leaf || f->subleaf != subleaf || f->reg != reg)
			continue;
		known |= 1U << f->bit;
		if (vmig_cpu_set_has(set, i))
			*in_set |= 1U << f->bit;
	}
	return known;
}

uint32_t vmig_cpuid_unnamed(uint32_t leaf, uint32_t subleaf,
			    enum vmig_cpuid_reg reg)
{
	static const struct vmig_cpu_set none;
	uint32_t ignored, known;

	known = known_bits(leaf, subleaf, reg, &none, &ignored);
	if (!known)
		return 0;
	if (leaf == 1 && reg == VMIG_ECX)
		known |= OSXSAVE;
	if (leaf == 7 && !subleaf && reg == VMIG_ECX)
		known |= OSPKE;
	if (leaf == 7 && !subleaf && reg == VMIG_EBX)
		known |= INVERSE;
	if (leaf == 0x80000001 && reg == VMIG_EDX)
		known |= COPIES;
	return ~known;
}

/* The bits of a register that a guest with @visible may see. */
static uint32_t shown_bits(const struct kept *k,
			   const struct vmig_cpuid_leaf *given,
			   enum vmig_cpuid_reg reg, bool hides,
			   const struct vmig_cpu_set *visible)
{
	uint32_t shown, copies;

	if (!known_bits(given->leaf, given->subleaf, reg, visible, &shown))
		return given->leaf == 7 && given->subleaf ? 0 : k->mask[reg];
	if (!hides)
		shown |= vmig_cpuid_unnamed(given->leaf, given->subleaf, reg);
	if (given->leaf == 7 && !given->subleaf && reg == VMIG_EBX)
		shown |= INVERSE;
	if (given->leaf == 0x80000001 && reg == VMIG_EDX) {
		known_bits(1, 0, VMIG_EDX, visible, &copies);
		shown |= copies & COPIES;
	}
	return shown;
}

static void keep_leaf(const struct vmig_cpuid_leaf *given, bool hides,
		      const struct vmig_cpu_set *visible,
		      struct vmig_cpuid *frozen)
{
	const struct kept *k = find_kept(given->leaf);
	struct vmig_cpuid_leaf leaf = *given;
	uint32_t any = 0;
	unsigned int reg;

	if (!k || (k->needs && !vmig_cpu_set_has(visible,
					vmig_cpu_feature_find(k->needs))))
		return;
	for (reg = VMIG_EAX; reg <= VMIG_EDX; reg++) {
		leaf.reg[reg] &= shown_bits(k, given, reg, hides, visible);
		any |= leaf.reg[reg];
	}
	if (given->leaf == 7 && !given->subleaf)
		any |= leaf.reg[VMIG_EAX] = given->reg[VMIG_EAX];
	/* An empty answer is what a missing one is. */
	if (any || k->per_vcpu)
		vmig_cpuid_put(frozen, &leaf);
}

/* The highest leaf there is in a range is what its first leaf tells. */
static void cap_highest(struct vmig_cpuid *frozen, uint32_t first, uint32_t last)
{
	uint32_t highest = first;
	unsigned int i, head = frozen->n;

	for (i = 0; i < frozen->n; i++) {
		uint32_t leaf = frozen->leaves[i].leaf;

		if (leaf == first)
			head = i;
		if (leaf >= first && leaf <= last)
			highest = leaf;
	}
	if (head < frozen->n && frozen->leaves[head].reg[VMIG_EAX] > highest)
		frozen->leaves[head].reg[VMIG_EAX] = highest;
}

/* Whether x87 keeps its pointers cannot be levelled: say that it does not. */
static void set_inverse(struct vmig_cpuid *frozen)
{
	struct vmig_cpuid_leaf leaf = { .leaf = 7, .indexed = true };
	const struct vmig_cpuid_leaf *there = vmig_cpuid_find(frozen, 7, 0);
	char vendor[13];

	vmig_cpuid_vendor(frozen, vendor);
	if (vmig_cpu_is_amd(vendor))
		return;
	if (there)
		leaf = *there;
	leaf.reg[VMIG_EBX] |= INVERSE;
	if (vmig_cpuid_reg(frozen, 0, 0, VMIG_EAX) >= leaf.leaf)
		vmig_cpuid_put(frozen, &leaf);
}

void vmig_cpu_freeze(const char *policy, const struct vmig_cpuid *given,
		     const struct vmig_cpu_set *visible,
		     struct vmig_cpuid *frozen)
{
	bool hides = vmig_cpu_policy_hides(policy);
	unsigned int i;

	frozen->n = 0;
	for (i = 0; i < given->n; i++)
		keep_leaf(&given->leaves[i], hides, visible, frozen);
	vmig_cpu_xstate_freeze(given, visible, frozen);
	if (hides)
		set_inverse(frozen);
	cap_highest(frozen, 0, 0x3fffffff);
	cap_highest(frozen, 0x80000000, 0xbfffffff);
}
