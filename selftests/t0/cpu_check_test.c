// SPDX-License-Identifier: GPL-2.0
/*
 * May this VM run there? Every VM against every processor: exactly the
 * features that are missing are named, and every other obstacle has its own
 * sentence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_dump.h"
#include "kselftest_harness.h"

static struct vmig_cpu_reasons reasons;
static struct vmig_err err;

static const char *const policies[] = {
	"host", "hyperv-r2", "hyperv-r2-strict", "cluster", "x86-64-v2",
	"x86-64-v3", "x86-64-v4", "custom:-avx", "custom:hyperv-r2,+popcnt",
};

static bool check(const struct vmig_cpu_state *state,
		  const struct vmig_cpu *there)
{
	return vmig_cpu_check(state, "b", there, &reasons);
}

/* How many of the lines have @text in them. */
static unsigned int said(const char *text)
{
	unsigned int i, n = 0;

	for (i = 0; i < reasons.n; i++)
		n += strstr(reasons.lines[i], text) != NULL;
	return n;
}

static bool same_vendor(const struct vmig_cpu *a, const struct vmig_cpu *b)
{
	return !strcmp(a->vendor, b->vendor);
}

TEST(missing_features_are_named_and_no_other)
{
	static struct vmig_cpu_state state;
	unsigned int i, j, p, f, refused = 0;

	for (i = 0; i < CPU_DUMPS; i++)
	for (p = 0; p < ARRAY_SIZE(policies); p++) {
		if (cpu_start(policies[p], cpu_dump(i), &state, &err))
			continue;
		for (j = 0; j < CPU_DUMPS; j++) {
			const struct vmig_cpu *there = cpu_dump(j);
			unsigned int lacking = 0;

			if (!same_vendor(cpu_dump(i), there))
				continue;
			check(&state, there);
			for (f = 0; f < vmig_cpu_nfeatures; f++) {
				char line[128];
				bool missing =
					vmig_cpu_set_has(&state.visible, f) &&
					!vmig_cpu_set_has(&there->features, f);

				snprintf(line, sizeof(line),
					 "the VM may use %s, which node b does not have",
					 vmig_cpu_features[f].name);
				lacking += missing;
				if (reasons.n < VMIG_CPU_REASONS_MAX)
					EXPECT_EQ(missing, said(line))
						TH_LOG("%s from %s to %s: %s",
						       policies[p],
						       cpu_dump_names[i],
						       cpu_dump_names[j], line);
			}
			refused += lacking > 0;
			if (reasons.n < VMIG_CPU_REASONS_MAX)
				EXPECT_EQ(lacking, said("the VM may use") -
						   said("unnamed feature"));
		}
	}
	EXPECT_LT(30, refused);
}

TEST(a_vm_runs_where_it_started)
{
	static struct vmig_cpu_state state;
	unsigned int i, p;

	for (i = 0; i < CPU_DUMPS; i++)
		for (p = 0; p < ARRAY_SIZE(policies); p++)
			if (!cpu_start(policies[p], cpu_dump(i), &state, &err))
				EXPECT_TRUE(check(&state, cpu_dump(i)))
					TH_LOG("%s on %s: %s", policies[p],
					       cpu_dump_names[i],
					       reasons.lines[0]);
}

/* QEMU is told the size of addresses; the dumps' own sizes stay as they are. */
static void cut_addresses(struct vmig_cpuid *cpuid, unsigned int bits)
{
	struct vmig_cpuid_leaf leaf = *vmig_cpuid_find(cpuid, 0x80000008, 0);

	leaf.reg[VMIG_EAX] = (leaf.reg[VMIG_EAX] & ~0xffU) | bits;
	vmig_cpuid_put(cpuid, &leaf);
}

TEST(under_cluster_a_vm_runs_on_every_node_of_its_make)
{
	static struct vmig_cpu_state state;
	unsigned int i, j;

	for (i = 0; i < CPU_DUMPS; i++) {
		ASSERT_EQ(0, cpu_start("cluster", cpu_dump(i), &state, &err));
		cut_addresses(&state.frozen, 36);
		for (j = 0; j < CPU_DUMPS; j++)
			EXPECT_EQ(same_vendor(cpu_dump(i), cpu_dump(j)),
				  check(&state, cpu_dump(j)))
				TH_LOG("%s to %s: %s", cpu_dump_names[i],
				       cpu_dump_names[j], reasons.lines[0]);
	}
}

/* Both lists are of what the newest processors of that year had. */
TEST(under_strict_a_vm_runs_on_everything_since)
{
	static struct vmig_cpu_state state;
	static const enum cpu_dump amd[] = {
		OPTERON_2347, EPYC_7742, EPYC_7763, EPYC_9654
	};
	static const enum cpu_dump intel[] = {
		CORE2_Q9500, PENTIUM_P6100, CORE_I7_2600, CORE_I5_4670T,
		XEON_6154
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(amd); i++) {
		ASSERT_EQ(0, cpu_start("hyperv-r2-strict", cpu_dump(amd[i]),
				       &state, &err));
		cut_addresses(&state.frozen, 36);
		for (j = 0; j < ARRAY_SIZE(amd); j++)
			if (amd[j] != OPTERON_2347)
				EXPECT_TRUE(check(&state, cpu_dump(amd[j])))
					TH_LOG("%s to %s: %s",
					       cpu_dump_names[amd[i]],
					       cpu_dump_names[amd[j]],
					       reasons.lines[0]);
	}
	for (i = 0; i < ARRAY_SIZE(intel); i++) {
		ASSERT_EQ(0, cpu_start("hyperv-r2-strict", cpu_dump(intel[i]),
				       &state, &err));
		cut_addresses(&state.frozen, 36);
		for (j = 0; j < ARRAY_SIZE(intel); j++)
			EXPECT_TRUE(check(&state, cpu_dump(intel[j])))
				TH_LOG("%s to %s: %s",
				       cpu_dump_names[intel[i]],
				       cpu_dump_names[intel[j]],
				       reasons.lines[0]);
	}
}

TEST(another_vendor_is_refused_under_every_policy)
{
	static struct vmig_cpu_state state;
	unsigned int i, j, p;

	for (i = 0; i < CPU_DUMPS; i++)
	for (p = 0; p < ARRAY_SIZE(policies); p++) {
		if (cpu_start(policies[p], cpu_dump(i), &state, &err))
			continue;
		for (j = 0; j < CPU_DUMPS; j++) {
			if (same_vendor(cpu_dump(i), cpu_dump(j)))
				continue;
			EXPECT_FALSE(check(&state, cpu_dump(j)));
			EXPECT_EQ(1, reasons.n);
			EXPECT_EQ(1, said("no policy moves a running VM between vendors"));
			EXPECT_EQ(1, said(cpu_dump(i)->vendor));
			EXPECT_EQ(1, said(cpu_dump(j)->vendor));
		}
	}
}

TEST(smaller_addresses_are_refused)
{
	static struct vmig_cpu_state state;

	/* That 7763 ran with x2APIC switched off; KVM emulates it anyway. */
	ASSERT_EQ(0, cpu_start("custom:x86-64-v3,-x2apic", cpu_dump(EPYC_9654),
			       &state, &err));
	EXPECT_FALSE(check(&state, cpu_dump(EPYC_7763)));
	EXPECT_EQ(1, said("the VM has physical addresses of 52 bits and node b of 48"));
	EXPECT_EQ(1, reasons.n);
	cut_addresses(&state.frozen, 48);
	EXPECT_TRUE(check(&state, cpu_dump(EPYC_7763)));
}

TEST(tsc_within_the_tolerance_or_scaled)
{
	static struct vmig_cpu_state state;
	struct vmig_cpu there = *cpu_dump(EPYC_7763);

	ASSERT_EQ(0, cpu_start("x86-64-v3", &there, &state, &err));
	state.tsc_khz = 2000000;
	there.tsc_scaling = false;
	there.tsc_khz = 2000500;
	EXPECT_TRUE(check(&state, &there));
	there.tsc_khz = 1999500;
	EXPECT_TRUE(check(&state, &there));
	there.tsc_khz = 2000501;
	EXPECT_FALSE(check(&state, &there));
	EXPECT_EQ(1, said("the VM's TSC runs at 2000000 kHz; that of node b runs at 2000501 kHz and cannot be scaled"));
	there.tsc_khz = 1999499;
	EXPECT_FALSE(check(&state, &there));
	there.tsc_khz = UINT32_MAX;
	EXPECT_FALSE(check(&state, &there));
	there.tsc_khz = 0;
	EXPECT_FALSE(check(&state, &there));
	there.tsc_scaling = true;
	EXPECT_TRUE(check(&state, &there));
}

TEST(moved_xsave_components_are_refused)
{
	static struct vmig_cpu_state state;
	struct vmig_cpu there = *cpu_dump(EPYC_9654);
	struct vmig_cpuid_leaf pku;

	ASSERT_EQ(0, cpu_start("custom:-avx512f,-svm", cpu_dump(EPYC_9654),
			       &state, &err));
	EXPECT_TRUE(check(&state, &there));
	pku = *vmig_cpuid_find(&there.cpuid, 0xd, 9);
	pku.reg[VMIG_EBX] = 832;
	vmig_cpuid_put(&there.cpuid, &pku);
	EXPECT_FALSE(check(&state, &there));
	EXPECT_EQ(1, reasons.n);
	EXPECT_EQ(1, said("XSAVE keeps pku (component 9) in 8 bytes at 2432 for this VM and in 8 bytes at 832 on node b"));
}

TEST(a_filtered_vm_needs_a_filter)
{
	static struct vmig_cpu_state state;
	struct vmig_cpu there = *cpu_dump(EPYC_7763);

	ASSERT_EQ(0, cpu_start("x86-64-v2", &there, &state, &err));
	there.filter = false;
	snprintf(there.no_filter, sizeof(there.no_filter), "ftrace is off");
	EXPECT_FALSE(check(&state, &there));
	EXPECT_EQ(1, reasons.n);
	EXPECT_EQ(1, said("node b cannot filter CPUID: ftrace is off"));
}

TEST(an_unfiltered_vm_needs_no_more_and_no_less)
{
	static struct vmig_cpu_state state;

	ASSERT_EQ(0, cpu_start("host", cpu_dump(EPYC_7763), &state, &err));
	state.filtered = false;
	EXPECT_TRUE(check(&state, cpu_dump(EPYC_7763)));
	cut_addresses(&state.frozen, 48);
	EXPECT_FALSE(check(&state, cpu_dump(EPYC_9654)));
	EXPECT_EQ(1, said("would show it avx512f, which it started without"));
	EXPECT_EQ(0, said("would show it avx2"));
	EXPECT_FALSE(check(&state, cpu_dump(EPYC_7742)));
	EXPECT_EQ(1, said("the VM may use erms, which node b does not have"));
}

/* A bit that is newer than the table, which "host" passes on. */
TEST(unnamed_bits_count_as_features)
{
	static struct vmig_cpu_state state;
	struct vmig_cpu here = *cpu_dump(XEON_6154);
	struct vmig_cpuid_leaf leaf = *vmig_cpuid_find(&here.cpuid, 7, 0);

	leaf.reg[VMIG_EDX] |= 1U << 7;
	vmig_cpuid_put(&here.cpuid, &leaf);
	ASSERT_EQ(0, cpu_start("host", &here, &state, &err));
	EXPECT_TRUE(check(&state, &here));
	EXPECT_FALSE(check(&state, cpu_dump(XEON_6154)));
	EXPECT_EQ(1, reasons.n);
	EXPECT_EQ(1, said("unnamed feature CPUID 0x7.0 EDX bit 7, which node b does not have"));
	ASSERT_EQ(0, cpu_start("cluster", &here, &state, &err));
	EXPECT_TRUE(check(&state, cpu_dump(XEON_6154)));
}

TEST(before_the_first_start_the_policy_is_judged)
{
	static struct vmig_cpu_state state;

	ASSERT_EQ(0, cpu_start("x86-64-v3", cpu_dump(EPYC_7763), &state, &err));
	state.frozen.n = 0;
	state.tsc_khz = 0;
	EXPECT_TRUE(check(&state, cpu_dump(EPYC_9654)));
	EXPECT_FALSE(check(&state, cpu_dump(OPTERON_2347)));
	EXPECT_EQ(1, said("avx2"));
}

TEST(more_reasons_than_lines)
{
	static struct vmig_cpu_state state;
	struct vmig_cpu there = *cpu_dump(EPYC_9654);

	ASSERT_EQ(0, cpu_start("host", cpu_dump(EPYC_9654), &state, &err));
	memset(&there.features, 0, sizeof(there.features));
	EXPECT_FALSE(check(&state, &there));
	EXPECT_EQ(VMIG_CPU_REASONS_MAX, reasons.n);
	EXPECT_EQ(0, strncmp(reasons.lines[VMIG_CPU_REASONS_MAX - 1], "and ",
			     4));
	EXPECT_EQ(cpu_count(&state.visible) - (VMIG_CPU_REASONS_MAX - 1),
		  strtoul(reasons.lines[VMIG_CPU_REASONS_MAX - 1] + 4, NULL,
			  10));
}

TEST_HARNESS_MAIN
