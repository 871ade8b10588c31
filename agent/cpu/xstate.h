/* SPDX-License-Identifier: GPL-2.0 */
/* CPUID leaf 0xD: which register files XSAVE knows, and where it puts them. */
#ifndef VMIG_CPU_XSTATE_H
#define VMIG_CPU_XSTATE_H

#include "cpu.h"

#define VMIG_XSTATE_LEAF	0xd

/* "pku" for component 9; "unknown" for one that no feature shows. */
const char *vmig_cpu_xstate_name(unsigned int component);

/* Features whose component has another size or place in @b than in @a. */
void vmig_cpu_xstate_differing(const struct vmig_cpuid *a,
			       const struct vmig_cpuid *b,
			       struct vmig_cpu_set *set);

/* Leaf 0xD of a guest that sees @visible: the part of @given left to it. */
void vmig_cpu_xstate_freeze(const struct vmig_cpuid *given,
			    const struct vmig_cpu_set *visible,
			    struct vmig_cpuid *frozen);

#endif /* VMIG_CPU_XSTATE_H */
