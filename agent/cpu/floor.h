/* SPDX-License-Identifier: GPL-2.0 */
/* The feature lists that policies are made of. */
#ifndef VMIG_CPU_FLOOR_H
#define VMIG_CPU_FLOOR_H

#include "cpu.h"

/* AMD's lists and table quirks, which Hygon shares. */
bool vmig_cpu_is_amd(const char *vendor);

/* What x86-64-v@level promises; 1 to 4. */
void vmig_cpu_floor_level(unsigned int level, struct vmig_cpu_set *set);
/* What is no matter of level, and every 64-bit guest may see. */
void vmig_cpu_floor_platform(struct vmig_cpu_set *set);
/* What Hyper-V R2 hid, by its published list for @vendor. */
void vmig_cpu_floor_r2_hidden(const char *vendor, struct vmig_cpu_set *set);
/* What Hyper-V R2 showed at most, by its specification. */
void vmig_cpu_floor_r2_strict(const char *vendor, struct vmig_cpu_set *set);
/* What no guest is shown: it cannot move, or its leaves are empty. */
void vmig_cpu_floor_never(struct vmig_cpu_set *set);
/* What only "host" and a "+feature" show. */
void vmig_cpu_floor_unlevelled(struct vmig_cpu_set *set);

#endif /* VMIG_CPU_FLOOR_H */
