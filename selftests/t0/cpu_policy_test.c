// SPDX-License-Identifier: GPL-2.0
/*
 * Policies: the lists that Hyper-V R2 was published with, the levels, what a
 * cluster shares, custom sums, and the sentence for each thing refused.
 */
#include <errno.h>
#include <string.h>

#include "cpu/floor.h"
#include "cpu_dump.h"
#include "kselftest_harness.h"

static struct vmig_err err;

/*
 * "When a VM in processor compatibility mode is started, the following
 * processor features are hidden from the VM", as typed from that table:
 *
 *	Host running AMD based processor: SSSE3, SSE4.1, SSE4.A, SSE5, POPCNT,
 *	LZCNT, Misaligned SSE, AMD 3DNow!, Extended AMD 3DNow!
 *
 *	Host running Intel based processor: SSSE3, SSE4.1, SSE4.2, POPCNT,
 *	Misaligned SSE, XSAVE, AVX
 *
 * Bits are from the manuals, not from the table under test.
 */
struct bit {
	uint32_t leaf;
	enum vmig_cpuid_reg reg;
	unsigned int bit;
};

static const struct bit amd_list[] = {
	{ 1, VMIG_ECX, 9 }, { 1, VMIG_ECX, 19 }, { 0x80000001, VMIG_ECX, 6 },
	{ 0x80000001, VMIG_ECX, 11 }, { 1, VMIG_ECX, 23 },
	{ 0x80000001, VMIG_ECX, 5 }, { 0x80000001, VMIG_ECX, 7 },
	{ 0x80000001, VMIG_EDX, 31 }, { 0x80000001, VMIG_EDX, 30 },
};

static const struct bit intel_list[] = {
	{ 1, VMIG_ECX, 9 }, { 1, VMIG_ECX, 19 }, { 1, VMIG_ECX, 20 },
	{ 1, VMIG_ECX, 23 }, { 0x80000001, VMIG_ECX, 7 }, { 1, VMIG_ECX, 26 },
	{ 1, VMIG_ECX, 28 },
};

static bool is_amd(const struct vmig_cpu *cpu)
{
	return !strcmp(cpu->vendor, "AuthenticAMD");
}

static bool listed(const struct vmig_cpu *cpu, unsigned int feature)
{
	const struct vmig_cpu_feature *f = &vmig_cpu_features[feature];
	const struct bit *list = is_amd(cpu) ? amd_list : intel_list;
	unsigned int n = is_amd(cpu) ? ARRAY_SIZE(amd_list) :
				       ARRAY_SIZE(intel_list), i;

	for (i = 0; i < n; i++)
		if (f->leaf == list[i].leaf && f->reg == list[i].reg &&
		    f->bit == list[i].bit && !f->subleaf)
			return true;
	return false;
}

/* By walking up from the feature, where the closure walks down. */
static bool rests_on_listed(const struct vmig_cpu *cpu, unsigned int feature)
{
	unsigned int i;

	if (listed(cpu, feature))
		return true;
	for (i = 0; i < 4 && vmig_cpu_features[feature].needs[i]; i++)
		if (rests_on_listed(cpu, cpu_feature(
				vmig_cpu_features[feature].needs[i])))
			return true;
	return false;
}

TEST(hyperv_r2_hides_its_list_and_what_rests_on_it)
{
	struct vmig_cpu_state state;
	struct vmig_cpu_set never, vmx;
	unsigned int i, f, hidden = 0;

	vmig_cpu_floor_never(&never);
	vmig_cpu_floor_unlevelled(&vmx);
	for (i = 0; i < CPU_DUMPS; i++) {
		const struct vmig_cpu *cpu = cpu_dump(i);

		ASSERT_EQ(0, cpu_start("hyperv-r2", cpu, &state, &err));
		for (f = 0; f < vmig_cpu_nfeatures; f++) {
			bool gone = rests_on_listed(cpu, f) ||
				    vmig_cpu_set_has(&never, f) ||
				    vmig_cpu_set_has(&vmx, f);

			EXPECT_EQ(!gone && vmig_cpu_set_has(&cpu->features, f),
				  vmig_cpu_set_has(&state.visible, f))
				TH_LOG("%s: %s", cpu_dump_names[i],
				       vmig_cpu_features[f].name);
			hidden += vmig_cpu_set_has(&state.hidden, f) &&
				  listed(cpu, f);
		}
	}
	/* The dumps have most of the lists, so the test had work to do. */
	EXPECT_LT(30, hidden);
}

TEST(hyperv_r2_in_the_guests_eyes)
{
	struct vmig_cpu_state state;
	unsigned int i, j;

	for (i = 0; i < CPU_DUMPS; i++) {
		bool amd = is_amd(cpu_dump(i));
		const struct bit *list = amd ? amd_list : intel_list;
		unsigned int n = amd ? ARRAY_SIZE(amd_list) :
				       ARRAY_SIZE(intel_list);

		ASSERT_EQ(0, cpu_start("hyperv-r2", cpu_dump(i), &state, &err));
		for (j = 0; j < n; j++)
			EXPECT_EQ(0, vmig_cpuid_reg(&state.frozen, list[j].leaf,
						    0, list[j].reg) &
				     1U << list[j].bit);
	}
}

/* Hyper-V's functional specification: these of the optional ones, no other. */
TEST(hyperv_r2_strict_is_an_allow_list)
{
	static const uint32_t shown_1_ecx = 1U << 0 | 1U << 13 | 1U << 31;
	/* without PSN, DS, ACPI, HTT, TM, IA64 and PBE */
	static const uint32_t shown_1_edx = 0x0f8bfbff;
	struct vmig_cpu_state state;
	unsigned int i, j;

	for (i = 0; i < CPU_DUMPS; i++) {
		const struct vmig_cpuid *c = &state.frozen;
		bool amd = is_amd(cpu_dump(i));

		ASSERT_EQ(0, cpu_start("hyperv-r2-strict", cpu_dump(i), &state,
				       &err));
		EXPECT_EQ(0, vmig_cpuid_reg(c, 1, 0, VMIG_ECX) & ~shown_1_ecx);
		EXPECT_EQ(0, vmig_cpuid_reg(c, 1, 0, VMIG_EDX) & ~shown_1_edx);
		EXPECT_EQ(0, vmig_cpuid_reg(c, 0x80000001, 0, VMIG_ECX) &
			     ~(amd ? 0x11U : 0x1U));
		/* PAGE1GB, RDTSCP, FFXSR and 3DNow! are gone, MMXEXT is AMD's */
		EXPECT_EQ(0, vmig_cpuid_reg(c, 0x80000001, 0, VMIG_EDX) &
			     (1U << 25 | 1U << 26 | 1U << 27 | 3U << 30 |
			      (amd ? 0 : 1U << 22)));
		EXPECT_EQ(0, vmig_cpuid_reg(c, 0x80000007, 0, VMIG_EDX));
		EXPECT_EQ(0, vmig_cpuid_reg(c, 0x80000008, 0, VMIG_EBX));
		EXPECT_EQ(0, vmig_cpuid_reg(c, 7, 0, VMIG_ECX));
		EXPECT_EQ(0, vmig_cpuid_reg(c, 7, 0, VMIG_EDX));
		EXPECT_EQ(0, vmig_cpuid_reg(c, 7, 0, VMIG_EBX) &
			     ~(1U << 6 | 1U << 13));
		for (j = 0; j < c->n; j++)
			EXPECT_FALSE(c->leaves[j].leaf == 3 ||
				     c->leaves[j].leaf == 5 ||
				     c->leaves[j].leaf == 6 ||
				     c->leaves[j].leaf == 0xa ||
				     c->leaves[j].leaf == 0xd ||
				     c->leaves[j].leaf == 0x8000000a);
	}
}

TEST(levels_are_floor_and_ceiling)
{
	/* Which of the processors in cpu_dump.h fill -v2, -v3, -v4. */
	static const unsigned int fill[CPU_DUMPS] = {
		1, 1, 3, 3, 4, 1, 1, 2, 3, 4
	};
	struct vmig_cpu_set most, platform;
	struct vmig_cpu_state state;
	char name[] = "x86-64-v2";
	unsigned int i, level;

	vmig_cpu_floor_platform(&platform);
	for (level = 2; level <= 4; level++) {
		name[8] = '0' + level;
		vmig_cpu_floor_level(level, &most);
		for (i = 0; i < CPU_DUMPS; i++) {
			struct vmig_cpu_set allowed = most;
			int ret = cpu_start(name, cpu_dump(i), &state, &err);

			EXPECT_EQ(fill[i] >= level ? 0 : -EOPNOTSUPP, ret)
				TH_LOG("%s on %s", name, cpu_dump_names[i]);
			if (ret) {
				EXPECT_NE(NULL, strstr(err.text, name));
				continue;
			}
			vmig_cpu_set_or(&allowed, &platform);
			EXPECT_TRUE(cpu_subset(&most, &state.visible));
			EXPECT_TRUE(cpu_subset(&state.visible, &allowed));
		}
	}
}

TEST(a_missing_floor_is_named)
{
	struct vmig_cpu_state state;

	EXPECT_EQ(-EOPNOTSUPP, cpu_start("x86-64-v2", cpu_dump(PENTIUM_P6100),
					 &state, &err));
	EXPECT_STREQ("this processor is not x86-64-v2: it lacks sse4_1, sse4_2; it fills x86-64",
		     err.text);
	EXPECT_EQ(-EOPNOTSUPP, cpu_start("x86-64-v4", cpu_dump(EPYC_7763),
					 &state, &err));
	EXPECT_NE(NULL, strstr(err.text, "avx512f, avx512dq, avx512cd, avx512bw, avx512vl; it fills x86-64-v3"));
}

TEST(cluster_is_the_same_from_every_node)
{
	struct vmig_cpu_state state, other;
	unsigned int i, j;

	for (i = 0; i < CPU_DUMPS; i++) {
		ASSERT_EQ(0, cpu_start("cluster", cpu_dump(i), &state, &err));
		for (j = 0; j < CPU_DUMPS; j++) {
			if (strcmp(cpu_dump(i)->vendor, cpu_dump(j)->vendor))
				continue;
			ASSERT_EQ(0, cpu_start("cluster", cpu_dump(j), &other,
					       &err));
			EXPECT_TRUE(vmig_cpu_set_equal(&state.visible,
						       &other.visible));
			EXPECT_TRUE(cpu_subset(&state.visible,
					       &cpu_dump(j)->features));
		}
	}
	/* A node of another make takes nothing away. */
	ASSERT_EQ(0, cpu_start("cluster", cpu_dump(OPTERON_248), &state, &err));
	EXPECT_TRUE(cpu_has(&state.visible, "mmxext"));
}

/* Zen 2 and Zen 3 keep PKRU elsewhere; a guest that knows either is stuck. */
TEST(cluster_leaves_out_what_moved_in_the_xsave_area)
{
	struct vmig_cpu rome = *cpu_dump(EPYC_7742);
	struct vmig_cpu milan = *cpu_dump(EPYC_7763);
	const struct vmig_cpu *nodes[] = { &rome, &milan };
	struct vmig_cpu_set visible;

	/* That dump of Zen 2 has the component and not the feature. */
	vmig_cpu_set_add(&rome.features, cpu_feature("pku"));
	ASSERT_TRUE(cpu_has(&milan.features, "pku"));
	ASSERT_EQ(0, vmig_cpu_policy_visible("cluster", &rome, nodes, 2,
					     &visible, &err));
	EXPECT_FALSE(cpu_has(&visible, "pku"));
	EXPECT_TRUE(cpu_has(&visible, "avx2"));
}

TEST(every_policy_on_every_processor_is_closed_and_adds_nothing)
{
	static const char *const policies[] = {
		"host", "hyperv-r2", "hyperv-r2-strict", "cluster", "x86-64-v2",
		"x86-64-v3", "x86-64-v4", "custom:-avx", "custom:-sse4.1,-svm",
		"custom:hyperv-r2,+popcnt",
	};
	struct vmig_cpu_state state;
	unsigned int i, j, started = 0;

	for (i = 0; i < CPU_DUMPS; i++) {
		for (j = 0; j < ARRAY_SIZE(policies); j++) {
			struct vmig_cpu_set closed;

			if (cpu_start(policies[j], cpu_dump(i), &state, &err))
				continue;
			started++;
			closed = state.visible;
			vmig_cpu_set_close(&closed);
			EXPECT_TRUE(vmig_cpu_set_equal(&closed, &state.visible));
			EXPECT_TRUE(cpu_subset(&state.visible,
					       &cpu_dump(i)->features));
			/* A 64-bit guest starts under each. */
			EXPECT_STRNE("none", vmig_cpu_level(&state.visible))
				TH_LOG("%s on %s", policies[j],
				       cpu_dump_names[i]);
		}
	}
	EXPECT_LT(75, started);
}

TEST(host_hides_only_what_belongs_to_the_host)
{
	struct vmig_cpu_set never, lost;
	struct vmig_cpu_state state;
	unsigned int i;

	vmig_cpu_floor_never(&never);
	for (i = 0; i < CPU_DUMPS; i++) {
		ASSERT_EQ(0, cpu_start("host", cpu_dump(i), &state, &err));
		lost = cpu_dump(i)->features;
		vmig_cpu_set_minus(&lost, &state.visible);
		EXPECT_TRUE(cpu_subset(&lost, &never));
	}
	EXPECT_FALSE(vmig_cpu_policy_hides("host"));
	EXPECT_TRUE(vmig_cpu_policy_hides("cluster"));
	EXPECT_TRUE(vmig_cpu_policy_hides("custom:host"));
}

TEST(custom_sums)
{
	struct vmig_cpu_state state;
	const struct vmig_cpu *genoa = cpu_dump(EPYC_9654);

	ASSERT_EQ(0, cpu_start("custom:-avx512f,-sha", genoa, &state, &err));
	EXPECT_FALSE(cpu_has(&state.visible, "avx512f"));
	EXPECT_FALSE(cpu_has(&state.visible, "avx512_vnni"));
	EXPECT_FALSE(cpu_has(&state.visible, "sha_ni"));
	EXPECT_TRUE(cpu_has(&state.visible, "avx2"));

	ASSERT_EQ(0, cpu_start("custom:x86-64-v3,+aes,-movbe", genoa, &state,
			       &err));
	EXPECT_TRUE(cpu_has(&state.visible, "aes"));
	EXPECT_FALSE(cpu_has(&state.visible, "movbe"));
	EXPECT_FALSE(cpu_has(&state.visible, "avx512f"));

	/* What is taken off a level need not be there. */
	EXPECT_EQ(-EOPNOTSUPP, cpu_start("x86-64-v3", cpu_dump(CORE_I7_2600),
					 &state, &err));
	EXPECT_EQ(0, cpu_start("custom:x86-64-v3,-avx2,-bmi1,-bmi2,-f16c,-fma,-lzcnt,-movbe",
			       cpu_dump(CORE_I7_2600), &state, &err))
		TH_LOG("%s", err.text);
	EXPECT_TRUE(cpu_has(&state.visible, "avx"));
	/* Nor what rests on that: AVX takes AVX2, F16C and FMA with it. */
	EXPECT_EQ(0, cpu_start("custom:x86-64-v3,-avx,-bmi1,-bmi2,-lzcnt,-movbe",
			       cpu_dump(CORE_I7_2600), &state, &err))
		TH_LOG("%s", err.text);
	EXPECT_FALSE(cpu_has(&state.visible, "avx"));
}

TEST(custom_cannot_promise_what_is_not_there)
{
	struct vmig_cpu_state state;

	EXPECT_EQ(-EOPNOTSUPP, cpu_start("custom:+avx512f", cpu_dump(EPYC_7763),
					 &state, &err));
	EXPECT_STREQ("the policy asks for +avx512f, which this processor does not offer",
		     err.text);
	EXPECT_EQ(-EOPNOTSUPP, cpu_start("custom:x86-64-v2,+avx2",
					 cpu_dump(EPYC_7763), &state, &err));
	EXPECT_STREQ("the policy asks for +avx2, which needs avx: add +avx too",
		     err.text);
	EXPECT_EQ(0, cpu_start("custom:x86-64-v2,+xsave,+avx,+avx2",
			       cpu_dump(EPYC_7763), &state, &err));
}

static const struct {
	const char *policy;
	const char *says;
} wrong[] = {
	{ "", "no processor policy is called \"\"" },
	{ "hots", "did you mean host?" },
	{ "hyperv-r3", "did you mean hyperv-r2?" },
	{ "clutser", "did you mean cluster?" },
	{ "x86-64-v5", "did you mean x86-64-v" },
	{ "x86-64-v1", "did you mean x86-64-v" },
	{ "zzzzzzzzzzzz", "is called \"zzzzzzzzzzzz\"; policies are host, " },
	{ "Host", "did you mean host?" },
	{ "custom", "custom wants features" },
	{ "custom:", "neither +FEATURE nor -FEATURE" },
	{ "custom:+", "neither +FEATURE nor -FEATURE" },
	{ "custom:avx2", "\"avx2\" in a custom policy is neither" },
	{ "custom:+avx2,", "neither +FEATURE nor -FEATURE" },
	{ "custom:+avx2,x86-64-v2", "\"x86-64-v2\" in a custom policy" },
	{ "custom:x86-64-v9,+aes", "did you mean x86-64-v" },
	{ "custom:+axv2", "\"axv2\" (did you mean avx?)" },
	{ "custom:-lzcmt", "did you mean lzcnt?" },
	{ "custom:+avx,-avx", "has both +avx and -avx" },
	{ "custom:-AVX,+avx", "has both +avx and -avx" },
	{ "custom:+avx2,-avx", "+avx2 needs avx, which it takes away" },
	{ "custom:-xsave,+fma", "+fma needs avx, which it takes away" },
	{ "custom:-sse2", "no 64-bit guest runs without it" },
	{ "custom:-lm", "no 64-bit guest runs without it" },
	{ "custom:+intel-pt", "+intel_pt cannot be had" },
	{ "custom:+osxsave", "no processor feature is called \"osxsave\"" },
};

TEST(wrong_policies_are_told_why)
{
	char longest[VMIG_CPU_POLICY_MAX + 64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		err.text[0] = '\0';
		EXPECT_EQ(-EINVAL, vmig_cpu_policy_check(wrong[i].policy, &err))
			TH_LOG("%s", wrong[i].policy);
		EXPECT_NE(NULL, strstr(err.text, wrong[i].says))
			TH_LOG("%s: %s", wrong[i].policy, err.text);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	EXPECT_EQ(-E2BIG, vmig_cpu_policy_check(longest, &err));
	longest[VMIG_CPU_POLICY_MAX - 1] = '\0';
	EXPECT_EQ(-EINVAL, vmig_cpu_policy_check(longest, &err));
	memcpy(longest, "custom:+", 8);
	EXPECT_EQ(-EINVAL, vmig_cpu_policy_check(longest, &err));
}

TEST(qemu_is_told_what_is_hidden)
{
	static char text[4096], small[64];
	struct vmig_cpu_state state;

	ASSERT_EQ(0, cpu_start("custom:-avx,-popcnt", cpu_dump(CORE_I7_2600),
			       &state, &err));
	state.frozen.n = 0;
	state.phys_bits = 36;
	ASSERT_EQ(0, vmig_cpu_qemu(cpu_dump(CORE_I7_2600), &state, text,
				   sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "host,host-phys-bits=on,host-phys-bits-limit=36,-",
			     strlen("host,host-phys-bits=on,host-phys-bits-limit=36,-")));
	EXPECT_NE(NULL, strstr(text, ",-avx"));
	EXPECT_NE(NULL, strstr(text, ",-popcnt,"));
	/* The processor does not have these, so there is nothing to hide. */
	EXPECT_EQ(NULL, strstr(text, "avx2"));
	EXPECT_EQ(NULL, strstr(text, "-sse4.2"));
	EXPECT_EQ(-E2BIG, vmig_cpu_qemu(cpu_dump(CORE_I7_2600), &state, small,
					sizeof(small)));
	/* Later starts, and the destination: as frozen. */
	ASSERT_EQ(0, cpu_start("host", cpu_dump(CORE_I5_4670T), &state, &err));
	ASSERT_EQ(0, vmig_cpu_qemu(cpu_dump(XEON_6154), &state, text,
				   sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "host-phys-bits-limit=39,level=0x"));
	EXPECT_NE(NULL, strstr(text, ",xlevel=0x8000"));
	EXPECT_NE(NULL, strstr(text, ",-avx512f,"));
}

TEST(addresses_are_as_small_as_the_smallest_node)
{
	const struct vmig_cpu *all[] = {
		cpu_dump(XEON_6154), cpu_dump(CORE_I7_2600),
		cpu_dump(EPYC_9654),
	};

	EXPECT_EQ(40, vmig_cpu_policy_phys_bits(all[0], all, 1));
	EXPECT_EQ(36, vmig_cpu_policy_phys_bits(all[0], all, 2));
	/* 36 bits of an Intel node are nothing to an AMD one. */
	EXPECT_EQ(40, vmig_cpu_policy_phys_bits(all[2], all, 3));
}

TEST_HARNESS_MAIN
