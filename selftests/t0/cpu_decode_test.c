// SPDX-License-Identifier: GPL-2.0
/*
 * Processors and VM states as JSON: what is written reads back the same, and
 * what a peer should not send is refused with a sentence.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cpu_dump.h"
#include "kselftest_harness.h"

static struct vmig_err err;
static struct vmig_cpu_state state, back;
static struct vmig_cpu cpu;
static struct vmig_cpuid cpuid;

static int decode_state(const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	int ret;

	err.text[0] = '\0';
	ret = vmig_cpu_state_decode(o, &back, &err);
	json_object_put(o);
	return ret;
}

static int decode_cpu(const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	int ret;

	err.text[0] = '\0';
	ret = vmig_cpu_decode(o, &cpu, &err);
	json_object_put(o);
	return ret;
}

static int decode_cpuid(const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	int ret;

	err.text[0] = '\0';
	ret = vmig_cpuid_decode(o, &cpuid, &err);
	json_object_put(o);
	return ret;
}

TEST(processors_round_trip)
{
	unsigned int i;

	for (i = 0; i < CPU_DUMPS; i++) {
		struct vmig_cpu in = *cpu_dump(i);
		struct json_object *o;

		in.tsc_khz = UINT32_MAX - i;
		in.tsc_scaling = i & 1;
		in.filter = i & 2;
		strcpy(in.no_filter, i & 2 ? "" : "no \"ftrace\"\\ here");
		o = vmig_cpu_encode(&in);
		ASSERT_EQ(0, decode_cpu(json_object_to_json_string(o)))
			TH_LOG("%s", err.text);
		/* A message between agents has 64 KiB. */
		EXPECT_LT(strlen(json_object_to_json_string(o)), 8192);
		json_object_put(o);
		EXPECT_STREQ(in.vendor, cpu.vendor);
		EXPECT_STREQ(in.model, cpu.model);
		EXPECT_STREQ(in.no_filter, cpu.no_filter);
		EXPECT_EQ(in.phys_bits, cpu.phys_bits);
		EXPECT_EQ(in.tsc_khz, cpu.tsc_khz);
		EXPECT_EQ(in.tsc_scaling, cpu.tsc_scaling);
		EXPECT_EQ(in.filter, cpu.filter);
		EXPECT_TRUE(vmig_cpu_set_equal(&in.features, &cpu.features));
		EXPECT_TRUE(cpu_same(&in.cpuid, &cpu.cpuid));
	}
}

TEST(states_round_trip)
{
	static const char *const policies[] = {
		"host", "hyperv-r2", "hyperv-r2-strict", "cluster", "x86-64-v2",
		"custom:-avx",
	};
	unsigned int i, p;

	for (i = 0; i < CPU_DUMPS; i++)
	for (p = 0; p < ARRAY_SIZE(policies); p++) {
		struct json_object *o;

		if (cpu_start(policies[p], cpu_dump(i), &state, &err))
			continue;
		state.filtered = p & 1;
		o = vmig_cpu_state_encode(&state);
		ASSERT_EQ(0, decode_state(json_object_to_json_string(o)))
			TH_LOG("%s", err.text);
		json_object_put(o);
		EXPECT_STREQ(state.policy, back.policy);
		EXPECT_STREQ(state.node, back.node);
		EXPECT_STREQ(state.vendor, back.vendor);
		EXPECT_EQ(state.tsc_khz, back.tsc_khz);
		EXPECT_EQ(state.filtered, back.filtered);
		EXPECT_TRUE(vmig_cpu_set_equal(&state.visible, &back.visible));
		EXPECT_TRUE(vmig_cpu_set_equal(&state.hidden, &back.hidden));
		EXPECT_TRUE(cpu_same(&state.frozen, &back.frozen));
	}
}

/* Each member left out, and of each other type. */
TEST(members_missing_or_of_another_type)
{
	static const char *const others[] = {
		"null", "-1", "1e99", "99999999999", "[[]]", "{}", "[1]",
		"\"\\u0007\"", "true", "\"a text that is far too long for any of these members and more\"",
	};
	struct json_object *o;
	unsigned int i, accepted = 0;

	ASSERT_EQ(0, cpu_start("x86-64-v2", cpu_dump(CORE_I7_2600), &state,
			       &err));
	for (unsigned int which = 0; which < 2; which++) {
		o = which ? vmig_cpu_state_encode(&state) :
			    vmig_cpu_encode(cpu_dump(CORE_I7_2600));
		json_object_object_foreach(o, key, value) {
			(void)value;
			for (i = 0; i <= ARRAY_SIZE(others); i++) {
				struct json_object *bad = NULL;
				const char *text;
				int ret;

				json_object_deep_copy(o, &bad, NULL);
				json_object_object_del(bad, key);
				if (i < ARRAY_SIZE(others))
					json_object_object_add(bad, key,
						json_tokener_parse(others[i]));
				text = json_object_to_json_string(bad);
				ret = which ? decode_state(text) :
					      decode_cpu(text);
				/* Flags may be true, the texts may be long. */
				accepted += !ret;
				if (ret) {
					EXPECT_EQ(-1, ret == -EPROTO ||
						      ret == -EINVAL ? -1 : 0);
					EXPECT_NE('\0', err.text[0]);
				}
				json_object_put(bad);
			}
		}
		json_object_put(o);
	}
	/* filtered and node; tsc_scaling, filter and no_filter. */
	EXPECT_EQ(5, accepted);
}

static const struct {
	const char *text;
	const char *says;
} bad_tables[] = {
	{ "null", "is not a list" },
	{ "{}", "is not a list" },
	{ "7", "is not a list" },
	{ "[7]", "answer 1 of a CPUID table is not" },
	{ "[[]]", "answer 1" },
	{ "[[0,null,1,2,3]]", "answer 1" },
	{ "[[0,null,1,2,3,4,5]]", "answer 1" },
	{ "[[0,null,1,2,3,-1]]", "answer 1" },
	{ "[[0,null,1,2,3,4294967296]]", "answer 1" },
	{ "[[0,null,1,2,3,18446744073709551616]]", "answer 1" },
	{ "[[0,null,1,2,3,4.5]]", "answer 1" },
	{ "[[0,null,1,2,3,\"4\"]]", "answer 1" },
	{ "[[0,null,1,2,3,null]]", "answer 1" },
	{ "[[null,null,1,2,3,4]]", "answer 1" },
	{ "[[0,true,1,2,3,4]]", "answer 1" },
	{ "[[0,-1,1,2,3,4]]", "answer 1" },
	{ "[[1,null,1,2,3,4],[0,null,1,2,3,4]]", "answer 2 of a CPUID table, 0x0.0, is out of order" },
	{ "[[1,null,1,2,3,4],[1,null,1,2,3,4]]", "there twice" },
	{ "[[7,1,1,2,3,4],[7,0,1,2,3,4]]", "0x7.0, is out of order" },
	{ "[[7,1,1,2,3,4],[7,1,1,2,3,4]]", "there twice" },
	{ "[[7,null,1,2,3,4],[7,1,1,2,3,4]]", "out of order" },
};

TEST(bad_tables_are_refused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_tables); i++) {
		EXPECT_EQ(-EPROTO, decode_cpuid(bad_tables[i].text))
			TH_LOG("%s", bad_tables[i].text);
		EXPECT_NE(NULL, strstr(err.text, bad_tables[i].says))
			TH_LOG("%s: %s", bad_tables[i].text, err.text);
	}
	EXPECT_EQ(0, decode_cpuid("[]"));
	EXPECT_EQ(0, cpuid.n);
	EXPECT_EQ(0, decode_cpuid("[[4294967295,4294967295,0,0,0,4294967295]]"));
}

TEST(as_many_answers_as_fit)
{
	static char text[VMIG_CPUID_LEAVES_MAX * 40];
	unsigned int n, i;

	for (n = VMIG_CPUID_LEAVES_MAX; n <= VMIG_CPUID_LEAVES_MAX + 1; n++) {
		size_t used = sprintf(text, "[");

		for (i = 0; i < n; i++)
			used += sprintf(text + used, "%s[%u,null,1,2,3,4]",
					i ? "," : "", i);
		strcpy(text + used, "]");
		EXPECT_EQ(n > VMIG_CPUID_LEAVES_MAX ? -EPROTO : 0,
			  decode_cpuid(text));
	}
	EXPECT_STREQ("a CPUID table has 193 answers; at most 192 are taken",
		     err.text);
}

TEST(tables_have_room_for_so_many)
{
	struct vmig_cpuid_leaf leaf = { 0 };
	unsigned int i;

	cpuid.n = 0;
	for (i = VMIG_CPUID_LEAVES_MAX; i; i--) {
		leaf.leaf = i;
		ASSERT_EQ(0, vmig_cpuid_put(&cpuid, &leaf));
	}
	leaf.leaf = 1;
	leaf.reg[0] = 5;
	EXPECT_EQ(0, vmig_cpuid_put(&cpuid, &leaf));
	EXPECT_EQ(5, vmig_cpuid_reg(&cpuid, 1, 0, VMIG_EAX));
	leaf.leaf = 0;
	EXPECT_EQ(-E2BIG, vmig_cpuid_put(&cpuid, &leaf));
	for (i = 1; i < cpuid.n; i++)
		EXPECT_LT(cpuid.leaves[i - 1].leaf, cpuid.leaves[i].leaf);
}

TEST(sets_by_name)
{
	struct vmig_cpu_set set;
	struct json_object *o = json_tokener_parse("[\"avx\",\"pni\"]");

	ASSERT_EQ(0, vmig_cpu_set_decode(o, &set, &err));
	EXPECT_EQ(2, cpu_count(&set));
	json_object_put(o);
	o = json_tokener_parse("[\"avx\",\"avx\"]");
	EXPECT_EQ(-EPROTO, vmig_cpu_set_decode(o, &set, &err));
	EXPECT_STREQ("processor feature avx is listed twice", err.text);
	json_object_put(o);
	o = json_tokener_parse("[\"avx9000\"]");
	EXPECT_EQ(-EPROTO, vmig_cpu_set_decode(o, &set, &err));
	EXPECT_NE(NULL, strstr(err.text, "run the same vmig-agent on all nodes"));
	json_object_put(o);
	o = json_tokener_parse("[\"avx\",3]");
	EXPECT_EQ(-EPROTO, vmig_cpu_set_decode(o, &set, &err));
	json_object_put(o);
}

/* Members that are each good and contradict each other. */
TEST(states_that_contradict_themselves)
{
	struct json_object *o;

	ASSERT_EQ(0, cpu_start("x86-64-v2", cpu_dump(EPYC_7763), &state, &err));
	strcpy(state.vendor, "GenuineIntel");
	o = vmig_cpu_state_encode(&state);
	EXPECT_EQ(-EPROTO, decode_state(json_object_to_json_string(o)));
	EXPECT_NE(NULL, strstr(err.text, "\"vendor\""));
	json_object_put(o);

	/* The table shows a feature that the VM may not see. */
	ASSERT_EQ(0, cpu_start("x86-64-v2", cpu_dump(EPYC_7763), &state, &err));
	memset(&state.visible, 0, sizeof(state.visible));
	o = vmig_cpu_state_encode(&state);
	EXPECT_EQ(-EPROTO, decode_state(json_object_to_json_string(o)));
	EXPECT_NE(NULL, strstr(err.text, "\"visible\""));
	json_object_put(o);

	ASSERT_EQ(0, cpu_start("x86-64-v2", cpu_dump(EPYC_7763), &state, &err));
	strcpy(state.policy, "x86-64-v9");
	o = vmig_cpu_state_encode(&state);
	EXPECT_EQ(-EINVAL, decode_state(json_object_to_json_string(o)));
	json_object_put(o);

	cpu = *cpu_dump(EPYC_7763);
	strcpy(cpu.vendor, "GenuineIntel");
	o = vmig_cpu_encode(&cpu);
	EXPECT_EQ(-EPROTO, decode_cpu(json_object_to_json_string(o)));
	json_object_put(o);
}

/* Text that was cut anywhere is no JSON, or not whole. */
TEST(cut_anywhere)
{
	struct json_object *o;
	size_t len;
	char *text;

	ASSERT_EQ(0, cpu_start("cluster", cpu_dump(OPTERON_248), &state, &err));
	o = vmig_cpu_state_encode(&state);
	text = strdup(json_object_to_json_string(o));
	json_object_put(o);
	for (len = strlen(text) - 1; len; len--) {
		text[len] = '\0';
		ASSERT_NE(0, decode_state(text));
	}
	free(text);
}

TEST_HARNESS_MAIN
