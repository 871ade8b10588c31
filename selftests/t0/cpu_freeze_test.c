// SPDX-License-Identifier: GPL-2.0
/*
 * The frozen table of every processor under every policy, against what leaf
 * 0xD and the rest must be by their own logic, and the kernel's rules.
 */
#include <string.h>

#include "cpu_dump.h"
#include "kselftest_harness.h"

static struct vmig_err err;

static const char *const policies[] = {
	"host", "hyperv-r2", "hyperv-r2-strict", "cluster", "x86-64-v2",
	"x86-64-v3", "x86-64-v4", "custom:-avx", "custom:-avx512f",
	"custom:-xsave", "custom:-pku", "custom:-xsaves", "custom:-topoext",
};

#define FOR_EACH_START(state, here)					\
	for (unsigned int _d = 0; _d < CPU_DUMPS; _d++)			\
		for (unsigned int _p = 0; _p < ARRAY_SIZE(policies); _p++) \
			if ((here = cpu_dump(_d)) &&			\
			    !cpu_start(policies[_p], here, &state, &err))

static uint32_t reg(const struct vmig_cpu_state *state, uint32_t leaf,
		    uint32_t subleaf, enum vmig_cpuid_reg r)
{
	return vmig_cpuid_reg(&state->frozen, leaf, subleaf, r);
}

TEST(frozen_features_are_the_visible_ones)
{
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	struct vmig_cpu_set shown;

	FOR_EACH_START(state, here) {
		vmig_cpuid_features(&state.frozen, &shown);
		EXPECT_TRUE(vmig_cpu_set_equal(&shown, &state.visible))
			TH_LOG("%s on %s", state.policy, here->model);
		vmig_cpu_set_and(&shown, &state.hidden);
		EXPECT_TRUE(vmig_cpu_set_empty(&shown));
	}
}

/* Whatever a bit is called or whether it has a name at all. */
TEST(feature_registers_gain_no_bit_and_keep_none_without_a_name)
{
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	unsigned int i, r;

	FOR_EACH_START(state, here) {
		for (i = 0; i < state.frozen.n; i++) {
			const struct vmig_cpuid_leaf *l = &state.frozen.leaves[i];

			for (r = 0; r < 4; r++) {
				uint32_t unnamed = vmig_cpuid_unnamed(l->leaf,
							l->subleaf, r);
				uint32_t was = vmig_cpuid_reg(&here->cpuid,
						l->leaf, l->subleaf, r);

				if (!unnamed)
					continue;
				if (l->leaf == 7 && r == VMIG_EBX)
					was |= 1U << 6 | 1U << 13;
				EXPECT_EQ(0, l->reg[r] & ~was);
				EXPECT_EQ(vmig_cpu_policy_hides(state.policy) ?
					  0 : was & unnamed,
					  l->reg[r] & unnamed);
			}
		}
	}
}

TEST(table_is_sorted_and_has_no_leaf_that_it_should_not)
{
	static const uint32_t never[] = {
		3, 5, 8, 9, 0xa, 0xf, 0x10, 0x12, 0x14, 0x15, 0x16, 0x18,
		0x1a, 0x1c, 0x8000001b, 0x8000001f, 0x80000020, 0x80000022,
		0x80000023, 0x80000026, 0x80860000, 0xc0000000,
	};
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	unsigned int i, j;

	FOR_EACH_START(state, here) {
		for (i = 0; i < state.frozen.n; i++) {
			const struct vmig_cpuid_leaf *l = &state.frozen.leaves[i];

			for (j = 0; j < ARRAY_SIZE(never); j++)
				EXPECT_NE(never[j], l->leaf);
			if (i)
				EXPECT_TRUE(l[-1].leaf < l->leaf ||
					    (l[-1].leaf == l->leaf &&
					     l[-1].subleaf < l->subleaf));
		}
		EXPECT_LE(reg(&state, 0, 0, VMIG_EAX),
			  vmig_cpuid_reg(&here->cpuid, 0, 0, VMIG_EAX));
		EXPECT_LE(reg(&state, 0x80000000, 0, VMIG_EAX),
			  vmig_cpuid_reg(&here->cpuid, 0x80000000, 0, VMIG_EAX));
	}
}

/* A guest must not take the zeros beyond the last leaf for answers. */
TEST(highest_leaf_is_one_that_is_there)
{
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	unsigned int i;

	FOR_EACH_START(state, here) {
		uint32_t last = reg(&state, 0, 0, VMIG_EAX);
		uint32_t last_extended = reg(&state, 0x80000000, 0, VMIG_EAX);
		unsigned int found = 0;

		for (i = 0; i < state.frozen.n; i++) {
			uint32_t leaf = state.frozen.leaves[i].leaf;

			EXPECT_TRUE(leaf >> 28 == 8 ? leaf <= last_extended :
				    leaf >> 28 == 4 || leaf <= last);
			found |= (leaf == last) | (leaf == last_extended) << 1;
		}
		EXPECT_EQ(3, found) TH_LOG("%s on %s", state.policy,
					   here->model);
	}
}

TEST(identity_caches_and_sizes_stay)
{
	static const uint32_t same[] = {
		2, 0x80000002, 0x80000003, 0x80000004, 0x80000005, 0x80000006,
		0x80000019, 0x8000001a,
	};
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	unsigned int i, r;
	char vendor[13];

	FOR_EACH_START(state, here) {
		vmig_cpuid_vendor(&state.frozen, vendor);
		EXPECT_STREQ(here->vendor, vendor);
		for (i = 0; i < ARRAY_SIZE(same); i++)
			for (r = 0; r < 4; r++)
				EXPECT_EQ(vmig_cpuid_reg(&here->cpuid, same[i],
							 0, r),
					  reg(&state, same[i], 0, r));
		for (i = 0; i < 4; i++)
			for (r = 0; r < 4; r++)
				EXPECT_EQ(vmig_cpuid_reg(&here->cpuid, 4, i, r),
					  reg(&state, 4, i, r));
		EXPECT_EQ(vmig_cpuid_reg(&here->cpuid, 1, 0, VMIG_EAX),
			  reg(&state, 1, 0, VMIG_EAX));
		EXPECT_EQ(vmig_cpuid_reg(&here->cpuid, 0x80000008, 0, VMIG_EAX),
			  reg(&state, 0x80000008, 0, VMIG_EAX));
	}
}

/* Each state component and the features without which no guest may use it. */
static const struct {
	unsigned int component;
	const char *features[2];
} owners[] = {
	{ 2, { "avx" } }, { 3, { "mpx" } }, { 4, { "mpx" } },
	{ 5, { "avx512f" } }, { 6, { "avx512f" } }, { 7, { "avx512f" } },
	{ 9, { "pku" } }, { 11, { "shstk", "ibt" } }, { 12, { "shstk" } },
	{ 17, { "amx_tile" } }, { 18, { "amx_tile" } },
};

static bool may_use(const struct vmig_cpu_state *state, unsigned int component)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(owners); i++)
		for (j = 0; j < 2 && owners[i].component == component; j++)
			if (owners[i].features[j] &&
			    cpu_has(&state->visible, owners[i].features[j]))
				return true;
	return false;
}

/* Worked out from the frozen table alone, as a guest's kernel would. */
TEST(leaf_0xd_is_what_the_features_leave_of_it)
{
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	unsigned int i, with_xsave = 0;

	FOR_EACH_START(state, here) {
		uint32_t xcr0 = reg(&state, 0xd, 0, VMIG_EAX);
		uint32_t xss = reg(&state, 0xd, 1, VMIG_ECX);
		uint32_t size = 576;

		if (!cpu_has(&state.visible, "xsave")) {
			for (i = 0; i < state.frozen.n; i++)
				EXPECT_NE(0xd, state.frozen.leaves[i].leaf);
			continue;
		}
		with_xsave++;
		EXPECT_EQ(3, xcr0 & 3);
		for (i = 2; i < 63; i++) {
			uint32_t bytes = reg(&state, 0xd, i, VMIG_EAX);
			uint32_t at = reg(&state, 0xd, i, VMIG_EBX);
			bool in_xcr0 = i < 32 && xcr0 >> i & 1;
			bool in_xss = i < 32 && xss >> i & 1;

			EXPECT_EQ(bytes != 0, in_xcr0 || in_xss)
				TH_LOG("component %u, %s on %s", i,
				       state.policy, here->model);
			EXPECT_FALSE(in_xcr0 && in_xss);
			if (bytes)
				EXPECT_TRUE(may_use(&state, i));
			if (bytes)
				EXPECT_EQ(in_xss, reg(&state, 0xd, i,
						      VMIG_ECX) & 1);
			if (in_xcr0 && at + bytes > size)
				size = at + bytes;
		}
		EXPECT_EQ(size, reg(&state, 0xd, 0, VMIG_ECX));
		EXPECT_EQ(576, reg(&state, 0xd, 0, VMIG_EBX));
		EXPECT_EQ(cpu_has(&state.visible, "avx"), xcr0 >> 2 & 1);
		EXPECT_EQ(cpu_has(&state.visible, "avx512f") ? 7 : 0,
			  xcr0 >> 5 & 7);
		if (!cpu_has(&state.visible, "xsaves"))
			EXPECT_EQ(0, xss);
	}
	EXPECT_LT(40, with_xsave);
}

/* The sizes that the manuals give for these sets of registers. */
TEST(areas_of_known_size)
{
	static const struct {
		enum cpu_dump on;
		const char *policy;
		uint32_t xcr0, size;
	} cases[] = {
		{ CORE_I7_2600, "host", 0x7, 832 },
		{ CORE_I7_2600, "custom:-avx", 0x3, 576 },
		{ XEON_6154, "custom:-mpx", 0xe7, 2688 },
		{ XEON_6154, "x86-64-v3", 0x7, 832 },
		{ XEON_6154, "x86-64-v4", 0xe7, 2688 },
		{ EPYC_9654, "host", 0x2e7, 2440 },
		{ EPYC_9654, "custom:-pku", 0xe7, 2432 },
		{ EPYC_9654, "custom:-avx512f", 0x207, 2440 },
	};
	struct vmig_cpu_state state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, cpu_start(cases[i].policy, cpu_dump(cases[i].on),
				       &state, &err));
		EXPECT_EQ(cases[i].xcr0, reg(&state, 0xd, 0, VMIG_EAX));
		EXPECT_EQ(cases[i].size, reg(&state, 0xd, 0, VMIG_ECX))
			TH_LOG("%s", cases[i].policy);
	}
}

TEST(freezing_a_frozen_table_changes_nothing)
{
	struct vmig_cpuid again;
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;

	FOR_EACH_START(state, here) {
		vmig_cpu_freeze(state.policy, &state.frozen, &state.visible,
				&again);
		EXPECT_TRUE(cpu_same(&state.frozen, &again))
			TH_LOG("%s on %s", state.policy, here->model);
	}
}

/* A guest that lands elsewhere: the same table answers, so it sees the same. */
static uint32_t answer(const struct vmig_cpu_rule *rules, unsigned int n,
		       const struct vmig_cpuid *kvm, uint32_t leaf,
		       uint32_t subleaf, enum vmig_cpuid_reg r)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (rules[i].leaf == leaf && rules[i].reg == r &&
		    (!rules[i].indexed || rules[i].subleaf == subleaf))
			return (vmig_cpuid_reg(kvm, leaf, subleaf, r) &
				rules[i].mask) | rules[i].value;
	return 0;
}

TEST(rules_answer_from_the_table_on_any_host)
{
	static struct vmig_cpu_rule rules[VMIG_CPU_RULES_MAX];
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	unsigned int n, i, r, other;

	FOR_EACH_START(state, here) {
		n = vmig_cpu_rules(&state.frozen, &state.hidden, rules);
		ASSERT_LT(0, n);
		ASSERT_LT(n, 1024);
		for (i = 0; i < n; i++) {
			const struct vmig_cpu_rule *rule = &rules[i];

			EXPECT_EQ(0, rule->mask & rule->value);
			EXPECT_EQ(0, rule->hidden & rule->value);
			EXPECT_EQ(0, rule->hidden & rule->mask);
		}
		for (other = 0; other < CPU_DUMPS; other++) {
			const struct vmig_cpuid *kvm = &cpu_dump(other)->cpuid;

			if (strcmp(cpu_dump(other)->vendor, here->vendor))
				continue;
			for (i = 0; i < kvm->n; i++) {
				const struct vmig_cpuid_leaf *l = &kvm->leaves[i];

				for (r = 0; r < 4; r++) {
					uint32_t mask = answer(rules, n, kvm,
						l->leaf, l->subleaf, r) ^
						reg(&state, l->leaf,
						    l->subleaf, r);

					/* Only what is a vCPU's own differs. */
					if (l->leaf == 1 && r == VMIG_EBX)
						mask &= 0x00ffffff;
					if (l->leaf == 1 && r == VMIG_ECX)
						mask &= ~(1U << 27);
					if (l->leaf == 7 && r == VMIG_ECX)
						mask &= ~(1U << 4);
					if ((l->leaf == 0xb && r == VMIG_EDX) ||
					    (l->leaf == 0xd && l->subleaf < 2 &&
					     r == VMIG_EBX) ||
					    l->leaf == 0x8000001e)
						mask = 0;
					EXPECT_EQ(0, mask)
						TH_LOG("0x%x.%u %u", l->leaf,
						       l->subleaf, r);
				}
			}
		}
	}
}

static const struct vmig_cpu_rule *find_rule(const struct vmig_cpu_rule *rules,
					     unsigned int n, uint32_t leaf,
					     uint32_t subleaf,
					     enum vmig_cpuid_reg r)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (rules[i].leaf == leaf && rules[i].subleaf == subleaf &&
		    rules[i].reg == r)
			return &rules[i];
	return NULL;
}

TEST(what_is_the_vcpus_own_is_left_to_kvm)
{
	static struct vmig_cpu_rule rules[VMIG_CPU_RULES_MAX];
	struct vmig_cpu_state state;
	unsigned int n;

	ASSERT_EQ(0, cpu_start("host", cpu_dump(EPYC_9654), &state, &err));
	n = vmig_cpu_rules(&state.frozen, &state.hidden, rules);
	EXPECT_EQ(0xff000000, find_rule(rules, n, 1, 0, VMIG_EBX)->mask);
	EXPECT_EQ(1U << 27, find_rule(rules, n, 1, 0, VMIG_ECX)->mask);
	EXPECT_EQ(1U << 9, find_rule(rules, n, 1, 0, VMIG_EDX)->mask);
	EXPECT_EQ(1U << 9, find_rule(rules, n, 0x80000001, 0, VMIG_EDX)->mask);
	EXPECT_EQ(1U << 4, find_rule(rules, n, 7, 0, VMIG_ECX)->mask);
	EXPECT_EQ(0, find_rule(rules, n, 7, 0, VMIG_EBX)->mask);
	EXPECT_EQ(~0U, find_rule(rules, n, 0xb, 0, VMIG_EDX)->mask);
	EXPECT_EQ(~0U, find_rule(rules, n, 0xd, 0, VMIG_EBX)->mask);
	EXPECT_EQ(0, find_rule(rules, n, 0xd, 0, VMIG_ECX)->mask);
	EXPECT_EQ(~0U, find_rule(rules, n, 0xd, 1, VMIG_EBX)->mask);
	EXPECT_EQ(~0U, find_rule(rules, n, 0x8000001e, 0, VMIG_EAX)->mask);
	EXPECT_EQ(0xff, find_rule(rules, n, 0x8000001e, 0, VMIG_EBX)->mask);

	/* Copies of CR4 would tell what is hidden. */
	ASSERT_EQ(0, cpu_start("custom:-xsave", cpu_dump(EPYC_9654), &state,
			       &err));
	n = vmig_cpu_rules(&state.frozen, &state.hidden, rules);
	EXPECT_EQ(0, find_rule(rules, n, 1, 0, VMIG_ECX)->mask);
	EXPECT_EQ(0, find_rule(rules, n, 7, 0, VMIG_ECX)->mask);
	/* The first vCPU's is all zero here, the second one's is not. */
	ASSERT_EQ(0, cpu_start("host", cpu_dump(EPYC_7763), &state, &err));
	n = vmig_cpu_rules(&state.frozen, &state.hidden, rules);
	ASSERT_NE(NULL, find_rule(rules, n, 0x8000001e, 0, VMIG_EAX));
}

TEST(hidden_bits_are_counted_where_they_would_be)
{
	static struct vmig_cpu_rule rules[VMIG_CPU_RULES_MAX];
	struct vmig_cpu_state state;
	const struct vmig_cpu *here;
	unsigned int n, i, f, bits;

	FOR_EACH_START(state, here) {
		n = vmig_cpu_rules(&state.frozen, &state.hidden, rules);
		for (bits = 0, i = 0; i < n; i++)
			bits += __builtin_popcount(rules[i].hidden);
		EXPECT_EQ(cpu_count(&state.hidden), bits);
		for (f = 0; f < vmig_cpu_nfeatures; f++) {
			const struct vmig_cpu_feature *t = &vmig_cpu_features[f];
			const struct vmig_cpu_rule *rule;

			if (!vmig_cpu_set_has(&state.hidden, f))
				continue;
			rule = find_rule(rules, n, t->leaf, t->subleaf, t->reg);
			ASSERT_NE(NULL, rule);
			EXPECT_TRUE(rule->hidden >> t->bit & 1);
		}
	}
}

/* AMD tells half of 1.EDX again in 80000001.EDX. */
TEST(copies_are_hidden_with_the_original)
{
	struct vmig_cpu_state state;

	ASSERT_EQ(0, cpu_start("custom:-vme,-mtrr", cpu_dump(EPYC_7763), &state,
			       &err));
	EXPECT_EQ(0, reg(&state, 1, 0, VMIG_EDX) & (1U << 1 | 1U << 12));
	EXPECT_EQ(0, reg(&state, 0x80000001, 0, VMIG_EDX) &
		     (1U << 1 | 1U << 12));
	EXPECT_EQ(1U << 13, reg(&state, 0x80000001, 0, VMIG_EDX) & 1U << 13);
}

TEST(inverse_bits_are_set_but_on_amd)
{
	static const uint32_t inverse = 1U << 6 | 1U << 13;
	struct vmig_cpu_state state;

	ASSERT_EQ(0, cpu_start("x86-64-v2", cpu_dump(CORE_I7_2600), &state,
			       &err));
	EXPECT_EQ(inverse, reg(&state, 7, 0, VMIG_EBX));
	EXPECT_LE(7, reg(&state, 0, 0, VMIG_EAX));
	ASSERT_EQ(0, cpu_start("host", cpu_dump(CORE_I7_2600), &state, &err));
	EXPECT_EQ(0, reg(&state, 7, 0, VMIG_EBX));
	ASSERT_EQ(0, cpu_start("x86-64-v2", cpu_dump(EPYC_7763), &state, &err));
	EXPECT_EQ(0, reg(&state, 7, 0, VMIG_EBX));
}

TEST_HARNESS_MAIN
