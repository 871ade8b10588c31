// SPDX-License-Identifier: GPL-2.0
/*
 * The feature table and sets of features: the table against the processors
 * and the VMM it describes, and the algebra of hiding on random sets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/floor.h"
#include "cpu/name.h"
#include "cpu_dump.h"
#include "kselftest_harness.h"

#define ROUNDS 2000

TEST(table_has_each_bit_and_name_once)
{
	unsigned int i, j;

	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		const struct vmig_cpu_feature *f = &vmig_cpu_features[i];

		EXPECT_LT(f->bit, 32);
		EXPECT_EQ((int)i, vmig_cpu_feature_find(f->name))
			TH_LOG("%s", f->name);
		if (f->qemu)
			EXPECT_EQ((int)i, vmig_cpu_feature_find(f->qemu))
				TH_LOG("%s for QEMU", f->qemu);
		for (j = i + 1; j < vmig_cpu_nfeatures; j++) {
			const struct vmig_cpu_feature *g = &vmig_cpu_features[j];

			EXPECT_FALSE(f->leaf == g->leaf && f->reg == g->reg &&
				     f->subleaf == g->subleaf &&
				     f->bit == g->bit)
				TH_LOG("%s is %s", f->name, g->name);
		}
	}
}

TEST(needs_are_features_and_no_circle)
{
	struct vmig_cpu_set all;

	/* A name that is none aborts; features in a circle would all stay. */
	memset(&all, 0xff, sizeof(all));
	vmig_cpu_set_close(&all);
	EXPECT_EQ(vmig_cpu_nfeatures, cpu_count(&all));
	memset(&all, 0, sizeof(all));
	vmig_cpu_set_add(&all, cpu_feature("avx512_bf16"));
	vmig_cpu_set_close(&all);
	EXPECT_TRUE(vmig_cpu_set_empty(&all));
}

/* No processor that was ever built lacks what one of its features needs. */
TEST(real_processors_are_closed)
{
	unsigned int i, feature;

	for (i = 0; i < CPU_DUMPS; i++) {
		struct vmig_cpu_set closed = cpu_dump(i)->features;

		vmig_cpu_set_close(&closed);
		for (feature = 0; feature < vmig_cpu_nfeatures; feature++)
			EXPECT_EQ(vmig_cpu_set_has(&cpu_dump(i)->features,
						   feature),
				  vmig_cpu_set_has(&closed, feature))
				TH_LOG("%s: %s", cpu_dump_names[i],
				       vmig_cpu_features[feature].name);
	}
}

TEST(real_processors_fill_their_level)
{
	static const char *const levels[CPU_DUMPS] = {
		"x86-64", "x86-64", "x86-64-v3", "x86-64-v3", "x86-64-v4",
		"x86-64", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4",
	};
	unsigned int i;

	for (i = 0; i < CPU_DUMPS; i++)
		EXPECT_STREQ(levels[i],
			     vmig_cpu_level(&cpu_dump(i)->features))
			TH_LOG("%s", cpu_dump_names[i]);
}

/* QEMU ends with an error over a -feature that it does not know. */
TEST(qemu_knows_our_names_for_it)
{
	static char help[65536];
	size_t used = 1;
	unsigned int i;
	FILE *f = popen("qemu-system-x86_64 -cpu help 2>/dev/null", "r");

	ASSERT_NE(NULL, f);
	used += fread(help + 1, 1, sizeof(help) - 3, f);
	pclose(f);
	if (!strstr(help + 1, "Recognized CPUID flags"))
		SKIP(return, "qemu-system-x86_64 is not installed");
	for (i = 0; i <= used; i++)
		if (!help[i] || help[i] == '\n')
			help[i] = ' ';
	help[used + 1] = '\0';
	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		char name[64];

		if (!vmig_cpu_features[i].qemu)
			continue;
		snprintf(name, sizeof(name), " %s ", vmig_cpu_features[i].qemu);
		EXPECT_NE(NULL, strstr(help, name)) TH_LOG("%s", name);
	}
}

TEST(closing_takes_away_only_and_once)
{
	unsigned int round;

	srandom(1);
	for (round = 0; round < ROUNDS; round++) {
		struct vmig_cpu_set set, closed, again;

		cpu_random_set(&set, 128 + round % 128);
		closed = set;
		vmig_cpu_set_close(&closed);
		ASSERT_TRUE(cpu_subset(&closed, &set));
		again = closed;
		vmig_cpu_set_close(&again);
		ASSERT_TRUE(vmig_cpu_set_equal(&closed, &again));
	}
}

TEST(more_features_never_close_to_fewer)
{
	unsigned int round;

	srandom(2);
	for (round = 0; round < ROUNDS; round++) {
		struct vmig_cpu_set small, big, more;

		cpu_random_set(&small, 192);
		cpu_random_set(&more, 64);
		big = small;
		vmig_cpu_set_or(&big, &more);
		vmig_cpu_set_close(&small);
		vmig_cpu_set_close(&big);
		ASSERT_TRUE(cpu_subset(&small, &big));
	}
}

TEST(intersection_is_a_cluster_in_any_order)
{
	unsigned int round;

	srandom(3);
	for (round = 0; round < ROUNDS; round++) {
		struct vmig_cpu_set a, b, ab, ba, closed;

		cpu_random_set(&a, 224);
		cpu_random_set(&b, 224);
		vmig_cpu_set_close(&a);
		vmig_cpu_set_close(&b);
		ab = a, vmig_cpu_set_and(&ab, &b);
		ba = b, vmig_cpu_set_and(&ba, &a);
		ASSERT_TRUE(vmig_cpu_set_equal(&ab, &ba));
		ASSERT_TRUE(cpu_subset(&ab, &a) && cpu_subset(&ab, &b));
		/* What two whole processors share is whole. */
		closed = ab;
		vmig_cpu_set_close(&closed);
		ASSERT_TRUE(vmig_cpu_set_equal(&closed, &ab));
	}
}

TEST(hiding_reaches_every_descendant)
{
	static const struct {
		const char *hide;
		const char *gone[8];
	} cases[] = {
		{ "sse4_1", { "sse4_2" } },
		{ "pni", { "ssse3", "sse4_1", "sse4_2", "sse4a" } },
		{ "xsave", { "avx", "avx2", "fma", "xsaveopt", "pku", "amx_int8",
			     "avx512_vnni", "lwp" } },
		{ "avx", { "avx2", "fma4", "f16c", "xop", "vaes", "avx512f",
			   "vpclmulqdq", "avx512vbmi" } },
		{ "avx512bw", { "avx512vbmi", "avx512_bitalg", "avx512_bf16",
				"avx512_fp16" } },
		{ "3dnow", { "3dnowext" } },
		{ "svm", { "npt", "pfthreshold", "x2avic" } },
		{ "pcid", { "invpcid" } },
		{ "kvmclock", { "kvmclock2", "kvmclock-stable-bit" } },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vmig_cpu_set left, hidden = { 0 };

		memset(&left, 0xff, sizeof(left));
		vmig_cpu_set_add(&hidden, cpu_feature(cases[i].hide));
		vmig_cpu_set_minus(&left, &hidden);
		vmig_cpu_set_close(&left);
		for (j = 0; j < 8 && cases[i].gone[j]; j++)
			EXPECT_FALSE(cpu_has(&left, cases[i].gone[j]))
				TH_LOG("-%s left %s", cases[i].hide,
				       cases[i].gone[j]);
	}
}

TEST(features_without_a_parent_stay)
{
	static const char *const free_of_sse[] = {
		"popcnt", "abm", "bmi1", "bmi2", "tbm", "movbe", "rdrand",
	};
	struct vmig_cpu_set left, hidden = { 0 };
	unsigned int i;

	memset(&left, 0xff, sizeof(left));
	vmig_cpu_set_add(&hidden, cpu_feature("pni"));
	vmig_cpu_set_add(&hidden, cpu_feature("xsave"));
	vmig_cpu_set_minus(&left, &hidden);
	vmig_cpu_set_close(&left);
	for (i = 0; i < ARRAY_SIZE(free_of_sse); i++)
		EXPECT_TRUE(cpu_has(&left, free_of_sse[i]))
			TH_LOG("number %u", i);
}

TEST(levels_are_closed_and_grow)
{
	struct vmig_cpu_set before = { 0 }, level, closed;
	unsigned int i;

	for (i = 1; i <= 4; i++) {
		vmig_cpu_floor_level(i, &level);
		closed = level;
		vmig_cpu_set_close(&closed);
		EXPECT_TRUE(vmig_cpu_set_equal(&closed, &level));
		EXPECT_TRUE(cpu_subset(&before, &level));
		EXPECT_LT(cpu_count(&before), cpu_count(&level));
		before = level;
	}
}

/* As the x86-64 psABI lists them; OSXSAVE is XSAVE that a kernel uses. */
TEST(levels_are_those_of_the_psabi)
{
	static const char *const adds[4][12] = {
		{ "cmov", "cx8", "fpu", "fxsr", "mmx", "syscall", "sse", "sse2",
		  /* long mode, which the psABI need not name */
		  "lm", "pae", "msr" },
		{ "cmpxchg16b", "lahf_lm", "popcnt", "sse3", "sse4.1", "sse4.2",
		  "ssse3" },
		{ "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt",
		  "movbe", "xsave" },
		{ "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl" },
	};
	struct vmig_cpu_set typed = { 0 }, level;
	unsigned int i, j;

	for (i = 0; i < 4; i++) {
		for (j = 0; j < 12 && adds[i][j]; j++)
			vmig_cpu_set_add(&typed, cpu_feature(adds[i][j]));
		vmig_cpu_floor_level(i + 1, &level);
		EXPECT_TRUE(vmig_cpu_set_equal(&typed, &level))
			TH_LOG("level %u", i + 1);
	}
}

TEST(names_as_people_write_them)
{
	EXPECT_EQ(cpu_feature("sse4_1"), cpu_feature("SSE4.1"));
	EXPECT_EQ(cpu_feature("sse4_1"), cpu_feature("sse4-1"));
	EXPECT_EQ(cpu_feature("pni"), cpu_feature("SSE3"));
	EXPECT_EQ(cpu_feature("abm"), cpu_feature("lzcnt"));
	EXPECT_EQ(cpu_feature("xop"), cpu_feature("SSE5"));
	EXPECT_EQ(cpu_feature("sha_ni"), cpu_feature("sha-ni"));
	EXPECT_EQ(-1, vmig_cpu_feature_find(""));
	EXPECT_EQ(-1, vmig_cpu_feature_find("sse4"));
	EXPECT_EQ(-1, vmig_cpu_feature_find("sse4_1 "));
}

TEST_HARNESS_MAIN
