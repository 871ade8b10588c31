// SPDX-License-Identifier: GPL-2.0
/* CPUID leaf 0xD: which register files XSAVE knows, and where it puts them. */
#include <string.h>

#include "name.h"
#include "xstate.h"

/* The legacy area and the header, which every XSAVE area begins with. */
#define XSAVE_MIN	576
#define XSTATE_LEGACY	3ULL	/* x87 and SSE */
#define XSTATE_FIRST	2
#define XSTATE_END	63

/*
 * A component is the guest's if one of its features is. Those left out
 * (processor trace, PASID, HDC, LBR, HWP) are never shown.
 */
static const struct {
	unsigned int component;
	const char *feature;
} components[] = {
	{ 2, "avx" },
	{ 3, "mpx" },
	{ 4, "mpx" },
	{ 5, "avx512f" },
	{ 6, "avx512f" },
	{ 7, "avx512f" },
	{ 9, "pku" },
	{ 11, "shstk" },
	{ 11, "ibt" },
	{ 12, "shstk" },
	{ 14, "uintr" },
	{ 17, "amx_tile" },
	{ 18, "amx_tile" },
	{ 19, "apx_f" },
	{ 62, "lwp" },
};

#define COMPONENTS (sizeof(components) / sizeof(components[0]))

const char *vmig_cpu_xstate_name(unsigned int component)
{
	unsigned int i;

	for (i = 0; i < COMPONENTS; i++)
		if (components[i].component == component)
			return components[i].feature;
	return "unknown";
}

static bool shows(const struct vmig_cpu_set *set, const char *name)
{
	return vmig_cpu_set_has(set, vmig_cpu_feature_find(name));
}

static uint64_t allowed(const struct vmig_cpu_set *visible)
{
	uint64_t mask = XSTATE_LEGACY;
	unsigned int i;

	for (i = 0; i < COMPONENTS; i++)
		if (shows(visible, components[i].feature))
			mask |= 1ULL << components[i].component;
	return mask;
}

void vmig_cpu_xstate_differing(const struct vmig_cpuid *a,
			       const struct vmig_cpuid *b,
			       struct vmig_cpu_set *set)
{
	unsigned int i;

	memset(set, 0, sizeof(*set));
	for (i = 0; i < COMPONENTS; i++) {
		const struct vmig_cpuid_leaf *in_a, *in_b;

		in_a = vmig_cpuid_find(a, VMIG_XSTATE_LEAF,
				       components[i].component);
		in_b = vmig_cpuid_find(b, VMIG_XSTATE_LEAF,
				       components[i].component);
		if (!in_a || !in_b || !in_a->reg[VMIG_EAX] ||
		    !in_b->reg[VMIG_EAX] ||
		    !memcmp(in_a->reg, in_b->reg, sizeof(in_a->reg)))
			continue;
		vmig_cpu_set_add(set, vmig_cpu_feature_find(
					      components[i].feature));
	}
}

static void put(struct vmig_cpuid *cpuid, uint32_t subleaf, uint32_t eax,
		uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	const struct vmig_cpuid_leaf leaf = {
		.leaf = VMIG_XSTATE_LEAF, .subleaf = subleaf, .indexed = true,
		.reg = { eax, ebx, ecx, edx },
	};

	/* Never more than was given, so there is room. */
	vmig_cpuid_put(cpuid, &leaf);
}

/* The bits of subleaf 1 that are features. */
static uint32_t instructions(const struct vmig_cpuid *given,
			     const struct vmig_cpu_set *visible)
{
	uint32_t mask = 0;
	unsigned int i;

	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_features[i].leaf == VMIG_XSTATE_LEAF &&
		    vmig_cpu_set_has(visible, i))
			mask |= 1U << vmig_cpu_features[i].bit;
	return mask & vmig_cpuid_reg(given, VMIG_XSTATE_LEAF, 1, VMIG_EAX);
}

/*
 * Subleaf 0 EBX and subleaf 1 EBX follow the guest's XCR0 and XSS and are
 * KVM's to answer; the table has what they are at reset, so that it does not
 * depend on when it was made.
 */
void vmig_cpu_xstate_freeze(const struct vmig_cpuid *given,
			    const struct vmig_cpu_set *visible,
			    struct vmig_cpuid *frozen)
{
	uint64_t xcr0 = vmig_cpuid_reg(given, VMIG_XSTATE_LEAF, 0, VMIG_EAX) |
		(uint64_t)vmig_cpuid_reg(given, VMIG_XSTATE_LEAF, 0, VMIG_EDX) << 32;
	uint64_t xss = vmig_cpuid_reg(given, VMIG_XSTATE_LEAF, 1, VMIG_ECX) |
		(uint64_t)vmig_cpuid_reg(given, VMIG_XSTATE_LEAF, 1, VMIG_EDX) << 32;
	uint32_t size = XSAVE_MIN, eax = instructions(given, visible);
	unsigned int i;

	if (!shows(visible, "xsave") || !(xcr0 & XSTATE_LEGACY))
		return;
	xcr0 &= allowed(visible);
	xss &= allowed(visible) & ~xcr0;
	for (i = XSTATE_FIRST; i < XSTATE_END; i++) {
		const struct vmig_cpuid_leaf *l =
			vmig_cpuid_find(given, VMIG_XSTATE_LEAF, i);

		/* What has no size cannot be saved, so it cannot be used. */
		if (!l || !l->reg[VMIG_EAX]) {
			xcr0 &= ~(1ULL << i);
			xss &= ~(1ULL << i);
		}
		if (!((xcr0 | xss) >> i & 1))
			continue;
		put(frozen, i, l->reg[VMIG_EAX], l->reg[VMIG_EBX],
		    l->reg[VMIG_ECX], 0);
		if (xcr0 >> i & 1 &&
		    l->reg[VMIG_EAX] + l->reg[VMIG_EBX] > size)
			size = l->reg[VMIG_EAX] + l->reg[VMIG_EBX];
	}
	put(frozen, 0, xcr0, XSAVE_MIN, size, xcr0 >> 32);
	if (eax)
		put(frozen, 1, eax,
		    shows(visible, "xsavec") || shows(visible, "xsaves") ?
			    XSAVE_MIN : 0, xss, xss >> 32);
}
