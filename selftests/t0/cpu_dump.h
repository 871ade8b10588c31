/* SPDX-License-Identifier: GPL-2.0 */
/* Real processors for tests: the dumps in cpu/, and what tests ask of sets. */
#ifndef CPU_DUMP_H
#define CPU_DUMP_H

#include "cpu/cpu.h"

enum cpu_dump {
	OPTERON_248, OPTERON_2347, EPYC_7742, EPYC_7763, EPYC_9654,
	CORE2_Q9500, PENTIUM_P6100, CORE_I7_2600, CORE_I5_4670T, XEON_6154,
	CPU_DUMPS
};

extern const char *const cpu_dump_names[CPU_DUMPS];

/* As vmig_cpu_read() would tell it; ends the test if the file is not whole. */
const struct vmig_cpu *cpu_dump(enum cpu_dump which);

/* The index of a feature that must be in the table. */
unsigned int cpu_feature(const char *name);
bool cpu_has(const struct vmig_cpu_set *set, const char *name);
bool cpu_subset(const struct vmig_cpu_set *set, const struct vmig_cpu_set *of);
unsigned int cpu_count(const struct vmig_cpu_set *set);
/* A set with each feature in with a chance of @of in 256. */
void cpu_random_set(struct vmig_cpu_set *set, unsigned int of);

bool cpu_same(const struct vmig_cpuid *a, const struct vmig_cpuid *b);

/* A VM on @here under @policy in a cluster of all dumps, frozen. */
int cpu_start(const char *policy, const struct vmig_cpu *here,
	      struct vmig_cpu_state *state, struct vmig_err *err);

#endif /* CPU_DUMP_H */
