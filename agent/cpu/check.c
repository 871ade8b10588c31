// SPDX-License-Identifier: GPL-2.0
/*
 * Can another node's processor keep what a VM has been promised? One sentence
 * for each thing it cannot; nothing is tried, so asking costs nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "floor.h"
#include "xstate.h"

/* How far off KVM takes a TSC for right, in parts of a million. */
#define TSC_TOLERANCE_PPM 250

static const char reg_names[][4] = { "EAX", "EBX", "ECX", "EDX" };

__attribute__((format(printf, 2, 3)))
static void say(struct vmig_cpu_reasons *reasons, const char *fmt, ...)
{
	va_list args;

	/* The last line is kept for how many more there are. */
	if (reasons->n < VMIG_CPU_REASONS_MAX) {
		va_start(args, fmt);
		vsnprintf(reasons->lines[reasons->n],
			  sizeof(reasons->lines[0]), fmt, args);
		va_end(args);
	}
	reasons->n++;
}

/* What the guest sees: its table, or before its first start its policy. */
static void seen_features(const struct vmig_cpu_state *state,
			  struct vmig_cpu_set *seen)
{
	if (state->frozen.n)
		vmig_cpuid_features(&state->frozen, seen);
	else
		*seen = state->visible;
}

static void check_features(const struct vmig_cpu_state *state, const char *node,
			   const struct vmig_cpu *there,
			   struct vmig_cpu_reasons *reasons)
{
	struct vmig_cpu_set lacking;
	unsigned int i;

	seen_features(state, &lacking);
	vmig_cpu_set_minus(&lacking, &there->features);
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_set_has(&lacking, i))
			say(reasons, "the VM may use %s, which node %s does not have",
			    vmig_cpu_features[i].name, node);
}

/* Under "host" bits may be visible that only newer processors explain. */
static void check_unnamed(const struct vmig_cpu_state *state, const char *node,
			  const struct vmig_cpu *there,
			  struct vmig_cpu_reasons *reasons)
{
	unsigned int i, reg, bit;

	for (i = 0; i < state->frozen.n; i++) {
		const struct vmig_cpuid_leaf *l = &state->frozen.leaves[i];

		for (reg = VMIG_EAX; reg <= VMIG_EDX; reg++) {
			uint32_t bits = l->reg[reg] &
				vmig_cpuid_unnamed(l->leaf, l->subleaf, reg) &
				~vmig_cpuid_reg(&there->cpuid, l->leaf,
						l->subleaf, reg);

			for (bit = 0; bit < 32; bit++)
				if (bits >> bit & 1)
					say(reasons, "the VM may use the unnamed feature CPUID 0x%x.%u %s bit %u, which node %s does not have",
					    l->leaf, l->subleaf,
					    reg_names[reg], bit, node);
		}
	}
}

static void check_xstate(const struct vmig_cpu_state *state, const char *node,
			 const struct vmig_cpu *there,
			 struct vmig_cpu_reasons *reasons)
{
	unsigned int i;

	for (i = 0; i < state->frozen.n; i++) {
		const struct vmig_cpuid_leaf *l = &state->frozen.leaves[i];
		const struct vmig_cpuid_leaf *t;

		if (l->leaf != VMIG_XSTATE_LEAF || l->subleaf < 2)
			continue;
		t = vmig_cpuid_find(&there->cpuid, l->leaf, l->subleaf);
		/* One that is missing went with its feature. */
		if (!t || !t->reg[VMIG_EAX])
			continue;
		if (t->reg[VMIG_EAX] != l->reg[VMIG_EAX] ||
		    t->reg[VMIG_EBX] != l->reg[VMIG_EBX] ||
		    t->reg[VMIG_ECX] != l->reg[VMIG_ECX])
			say(reasons, "XSAVE keeps %s (component %u) in %u bytes at %u for this VM and in %u bytes at %u on node %s",
			    vmig_cpu_xstate_name(l->subleaf), l->subleaf,
			    l->reg[VMIG_EAX], l->reg[VMIG_EBX],
			    t->reg[VMIG_EAX], t->reg[VMIG_EBX], node);
	}
}

static void check_address(const struct vmig_cpu_state *state, const char *node,
			  const struct vmig_cpu *there,
			  struct vmig_cpu_reasons *reasons)
{
	unsigned int bits = vmig_cpuid_reg(&state->frozen, 0x80000008, 0,
					   VMIG_EAX) & 0xff;

	if (bits > there->phys_bits)
		say(reasons, "the VM has physical addresses of %u bits and node %s of %u",
		    bits, node, there->phys_bits);
}

static void check_tsc(const struct vmig_cpu_state *state, const char *node,
		      const struct vmig_cpu *there,
		      struct vmig_cpu_reasons *reasons)
{
	uint64_t apart = llabs((int64_t)state->tsc_khz - there->tsc_khz);

	/* Without a first start there is no frequency to keep. */
	if (!state->tsc_khz || there->tsc_scaling)
		return;
	if (apart * 1000000 > (uint64_t)state->tsc_khz * TSC_TOLERANCE_PPM)
		say(reasons, "the VM's TSC runs at %u kHz; that of node %s runs at %u kHz and cannot be scaled",
		    state->tsc_khz, node, there->tsc_khz);
}

/*
 * A VM that no filter answers for sees whatever features its host has, so it
 * may only go where there are no more.
 */
static void check_filter(const struct vmig_cpu_state *state, const char *node,
			 const struct vmig_cpu *there,
			 struct vmig_cpu_reasons *reasons)
{
	struct vmig_cpu_set surplus = there->features, seen;
	unsigned int i;

	if (state->filtered && there->filter)
		return;
	if (state->filtered) {
		say(reasons, "node %s cannot filter CPUID: %s", node,
		    *there->no_filter ? there->no_filter : "it does not say why");
		return;
	}
	if (!state->frozen.n)
		return;
	vmig_cpu_set_minus(&surplus, &state->visible);
	vmig_cpu_set_minus(&surplus, &state->hidden);
	seen_features(state, &seen);
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_set_has(&surplus, i) && !vmig_cpu_set_has(&seen, i))
			say(reasons, "the VM runs without a CPUID filter and node %s would show it %s, which it started without",
			    node, vmig_cpu_features[i].name);
}

bool vmig_cpu_check(const struct vmig_cpu_state *state, const char *node,
		    const struct vmig_cpu *there,
		    struct vmig_cpu_reasons *reasons)
{
	unsigned int n;

	reasons->n = 0;
	/* With another vendor nothing else is worth telling. */
	if (strcmp(state->vendor, there->vendor)) {
		say(reasons, "the VM started on a processor of %s and node %s has %s: no policy moves a running VM between vendors",
		    *state->vendor ? state->vendor : "unknown make", node,
		    *there->vendor ? there->vendor : "one of unknown make");
		return false;
	}
	check_features(state, node, there, reasons);
	check_unnamed(state, node, there, reasons);
	check_address(state, node, there, reasons);
	check_tsc(state, node, there, reasons);
	check_xstate(state, node, there, reasons);
	check_filter(state, node, there, reasons);
	n = reasons->n;
	if (n > VMIG_CPU_REASONS_MAX) {
		reasons->n = VMIG_CPU_REASONS_MAX - 1;
		say(reasons, "and %u more", n - VMIG_CPU_REASONS_MAX + 1);
	}
	return !n;
}
