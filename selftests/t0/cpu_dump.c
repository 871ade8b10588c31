// SPDX-License-Identifier: GPL-2.0
/* Real processors for tests: the dumps in cpu/, and what tests ask of sets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/name.h"
#include "cpu_dump.h"

const char *const cpu_dump_names[CPU_DUMPS] = {
	"opteron-248", "opteron-2347", "epyc-7742", "epyc-7763", "epyc-9654",
	"core2-q9500", "pentium-p6100", "core-i7-2600", "core-i5-4670t",
	"xeon-6154",
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* "LEAF SUBLEAF EAX EBX ECX EDX" in hexadecimal, SUBLEAF - if there is none. */
static void read_line(const char *file, const char *line, struct vmig_cpuid *c)
{
	struct vmig_cpuid_leaf leaf = { 0 };
	char subleaf[16];

	if (sscanf(line, "%x %15s %x %x %x %x", &leaf.leaf, subleaf,
		   &leaf.reg[0], &leaf.reg[1], &leaf.reg[2], &leaf.reg[3]) != 6)
		die(file, line);
	leaf.indexed = strcmp(subleaf, "-");
	if (leaf.indexed)
		leaf.subleaf = strtoul(subleaf, NULL, 16);
	if (vmig_cpuid_find(c, leaf.leaf, leaf.subleaf))
		die(file, "an answer is there twice");
	if (vmig_cpuid_put(c, &leaf))
		die(file, "too many answers");
}

static void read_dump(const char *name, struct vmig_cpu *cpu)
{
	char path[512], line[256];
	FILE *f;

	snprintf(path, sizeof(path), DUMPS "/%s.cpuid", name);
	f = fopen(path, "r");
	if (!f)
		die(path, "cannot open");
	while (fgets(line, sizeof(line), f))
		if (*line != '#')
			read_line(path, line, &cpu->cpuid);
	fclose(f);
	vmig_cpuid_vendor(&cpu->cpuid, cpu->vendor);
	vmig_cpuid_features(&cpu->cpuid, &cpu->features);
	snprintf(cpu->model, sizeof(cpu->model), "%s", name);
	cpu->phys_bits = vmig_cpuid_reg(&cpu->cpuid, 0x80000008, 0, VMIG_EAX) &
			 0xff;
	cpu->tsc_khz = 2000000;
	cpu->tsc_scaling = true;
	cpu->filter = true;
}

const struct vmig_cpu *cpu_dump(enum cpu_dump which)
{
	static struct vmig_cpu dumps[CPU_DUMPS];

	if (!dumps[which].filter)
		read_dump(cpu_dump_names[which], &dumps[which]);
	return &dumps[which];
}

unsigned int cpu_feature(const char *name)
{
	int feature = vmig_cpu_feature_find(name);

	if (feature < 0)
		die(name, "is not in the table");
	return feature;
}

bool cpu_has(const struct vmig_cpu_set *set, const char *name)
{
	return vmig_cpu_set_has(set, cpu_feature(name));
}

bool cpu_subset(const struct vmig_cpu_set *set, const struct vmig_cpu_set *of)
{
	unsigned int i;

	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_set_has(set, i) && !vmig_cpu_set_has(of, i))
			return false;
	return true;
}

unsigned int cpu_count(const struct vmig_cpu_set *set)
{
	unsigned int i, n = 0;

	for (i = 0; i < vmig_cpu_nfeatures; i++)
		n += vmig_cpu_set_has(set, i);
	return n;
}

void cpu_random_set(struct vmig_cpu_set *set, unsigned int of)
{
	unsigned int i;

	memset(set, 0, sizeof(*set));
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (((unsigned int)random() & 0xff) < of)
			vmig_cpu_set_add(set, i);
}

bool cpu_same(const struct vmig_cpuid *a, const struct vmig_cpuid *b)
{
	unsigned int i;

	for (i = 0; i < a->n && i < b->n; i++) {
		const struct vmig_cpuid_leaf *x = &a->leaves[i];
		const struct vmig_cpuid_leaf *y = &b->leaves[i];

		if (x->leaf != y->leaf || x->subleaf != y->subleaf ||
		    x->indexed != y->indexed ||
		    memcmp(x->reg, y->reg, sizeof(x->reg)))
			return false;
	}
	return a->n == b->n;
}

int cpu_start(const char *policy, const struct vmig_cpu *here,
	      struct vmig_cpu_state *state, struct vmig_err *err)
{
	const struct vmig_cpu *nodes[CPU_DUMPS];
	unsigned int i;
	int ret;

	memset(state, 0, sizeof(*state));
	for (i = 0; i < CPU_DUMPS; i++)
		nodes[i] = cpu_dump(i);
	ret = vmig_cpu_policy_visible(policy, here, nodes, CPU_DUMPS,
				      &state->visible, err);
	if (ret)
		return ret;
	snprintf(state->policy, sizeof(state->policy), "%s", policy);
	snprintf(state->node, sizeof(state->node), "a");
	memcpy(state->vendor, here->vendor, sizeof(state->vendor));
	state->tsc_khz = here->tsc_khz;
	state->filtered = true;
	state->hidden = here->features;
	vmig_cpu_set_minus(&state->hidden, &state->visible);
	vmig_cpu_freeze(policy, &here->cpuid, &state->visible, &state->frozen);
	return 0;
}
