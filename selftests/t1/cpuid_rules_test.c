// SPDX-License-Identifier: GPL-2.0
/* Rules of CPUID filters that are refused, and that nothing comes of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "cpuid.h"
#include "node.h"

#define LIMIT	120
#define NAME_64	"0123456789012345678901234567890123456789012345678901234567890123"

/* Features that no processor of the lab offers to guests. */
#define VMX		(1U << 5)	/* 1.ECX */
#define AVX512F		(1U << 16)	/* 7.0.EBX */
#define AMX_TILE	(1U << 24)	/* 7.0.EDX */
#define SHA512		(1U << 0)	/* 7.1.EAX */
#define HWP		(1U << 7)	/* 6.EAX */
#define XTILE		(3U << 17)	/* 0xd.0.EAX */
#define XFD		(1U << 4)	/* 0xd.1.EAX */
#define XSS_PT		(1U << 8)	/* 0xd.1.ECX */
#define LWP		(1U << 15)	/* 80000001.ECX */

/* What KVM need not say: 7.0.EBX, 7.0.ECX and 1.ECX */
#define FDP_EXCPTN_ONLY	(1U << 6)
#define ZERO_FCS_FDS	(1U << 13)
#define OSPKE		(1U << 4)
#define OSXSAVE		(1U << 27)

FIXTURE(rules)
{
	struct nl nl;
	struct nl_result result;
	struct tinykvm *guest;
	struct cpuid_table table;
	struct cpuid_rules rules;
	int fd;
	int filters;	/* set by the test for other VMs */
};

FIXTURE_SETUP(rules)
{
	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, node_enter());
	ASSERT_EQ(0, nl_open(&self->nl));
	self->guest = cpuid_guest(1);
	ASSERT_NE(NULL, self->guest);
	self->fd = tinykvm_vm_fd(self->guest);
	ASSERT_EQ(0, cpuid_read(&self->nl, self->fd, &self->table,
				&self->result));
	cpuid_freeze(&self->table, &self->rules);
}

/* After all refusals the filter can be set, and does what it should. */
FIXTURE_TEARDOWN(rules)
{
	EXPECT_EQ(self->filters, cpuid_count_filters(&self->nl));
	cpuid_freeze(&self->table, &self->rules);
	EXPECT_EQ(0, cpuid_set(&self->nl, "t", self->fd, &self->rules,
			       &self->result)) {
		TH_LOG("%s", self->result.text);
	}
	EXPECT_STREQ("", cpuid_check(self->guest, 0, &self->table, &self->rules,
				     1));
	EXPECT_EQ(0, tinykvm_destroy(self->guest));
	nl_close(&self->nl);
}

#define SET()	cpuid_set(&self->nl, "t", self->fd, &self->rules, &self->result)

#define EXPECT_REFUSED(errno, sentence) do {				\
	EXPECT_EQ(errno, SET());					\
	EXPECT_EQ(errno, self->result.error);				\
	EXPECT_NE(NULL, strstr(self->result.text, sentence)) {		\
		TH_LOG("'%s'", self->result.text);			\
	}								\
	EXPECT_EQ(VMIG_A_CPUID_RULE, self->result.bad);			\
} while (0)

struct feature {
	struct cpuid_rule rule;
	const char *sentence;
};

static const struct feature added[] = {
	{ { .leaf = 0x1, .reg = ECX, .value = VMX },
	  "leaf 0x1, ECX, bit 5 would be a feature" },
	{ { .leaf = 0x7, .subleaf = 0, .indexed = true, .reg = EBX,
	    .value = AVX512F }, "leaf 0x7, subleaf 0x0, EBX, bit 16 would be" },
	{ { .leaf = 0x7, .subleaf = 0, .indexed = true, .reg = EDX,
	    .value = AMX_TILE }, "leaf 0x7, subleaf 0x0, EDX, bit 24 would be" },
	{ { .leaf = 0x7, .reg = EAX, .value = SHA512 },
	  "leaf 0x7, EAX, bit 0 would be" },
	{ { .leaf = 0x6, .reg = EAX, .value = HWP },
	  "leaf 0x6, EAX, bit 7 would be" },
	{ { .leaf = 0xd, .subleaf = 0, .indexed = true, .reg = EAX,
	    .value = XTILE }, "leaf 0xd, subleaf 0x0, EAX, bit 17 would be" },
	{ { .leaf = 0xd, .subleaf = 0, .indexed = true, .reg = EDX,
	    .value = 1 }, "leaf 0xd, subleaf 0x0, EDX, bit 0 would be" },
	{ { .leaf = 0xd, .subleaf = 1, .indexed = true, .reg = EAX,
	    .value = XFD }, "leaf 0xd, subleaf 0x1, EAX, bit 4 would be" },
	{ { .leaf = 0xd, .subleaf = 1, .indexed = true, .reg = ECX,
	    .value = XSS_PT }, "leaf 0xd, subleaf 0x1, ECX, bit 8 would be" },
	{ { .leaf = 0x80000001, .reg = ECX, .value = LWP },
	  "leaf 0x80000001, ECX, bit 15 would be" },
	/* A subleaf of a leaf that has none gets the same answer. */
	{ { .leaf = 0x1, .subleaf = 9, .indexed = true, .reg = ECX,
	    .value = VMX }, "leaf 0x1, subleaf 0x9, ECX, bit 5 would be" },
	{ { .leaf = 0x80000021, .reg = EAX, .value = 0xffffffff },
	  "leaf 0x80000021, EAX, bit" },
};

TEST_F_TIMEOUT(rules, no_feature_is_added, LIMIT)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(added); i++) {
		const struct cpuid_rule *add = &added[i].rule;
		struct cpuid_rule *rule;

		cpuid_freeze(&self->table, &self->rules);
		rule = add->indexed == (add->leaf == 7 || add->leaf == 0xd) ?
		       cpuid_rule(&self->rules, add->leaf, add->subleaf,
				  add->reg) : NULL;
		if (rule)
			rule->value |= add->value;
		else
			cpuid_add(&self->rules, add);
		EXPECT_REFUSED(EINVAL, added[i].sentence);
	}
}

TEST_F_TIMEOUT(rules, twice_the_same_register, LIMIT)
{
	cpuid_add(&self->rules, &self->rules.rules[5]);
	EXPECT_REFUSED(EEXIST, "has more than one rule");
	self->rules.n = 0;
	cpuid_add(&self->rules, &(struct cpuid_rule){ .leaf = 9, .reg = EBX });
	cpuid_add(&self->rules, &(struct cpuid_rule){ .leaf = 8, .reg = EBX });
	cpuid_add(&self->rules, &(struct cpuid_rule){ .leaf = 9, .reg = EBX,
						      .value = 3 });
	EXPECT_REFUSED(EEXIST, "CPUID leaf 0x9, EBX has more than one rule");
}

TEST_F_TIMEOUT(rules, too_many, LIMIT)
{
	self->rules.n = 0;
	while (self->rules.n <= VMIG_CPUID_RULES_MAX)
		cpuid_add(&self->rules, &(struct cpuid_rule){
			.leaf = 0x10000 + self->rules.n, .value = 1 });
	EXPECT_REFUSED(E2BIG, "A CPUID filter has at most 1024 rules");
}

TEST_F_TIMEOUT(rules, hidden_and_shown, LIMIT)
{
	struct cpuid_rule *ecx = cpuid_rule(&self->rules, 1, 0, ECX);

	ecx->hidden = ecx->value & -ecx->value;
	EXPECT_REFUSED(EINVAL, "is hidden and shown by the same rule");
	ecx->value = 0;
	ecx->mask = OSXSAVE;
	ecx->hidden = OSXSAVE;
	EXPECT_REFUSED(EINVAL, "leaf 0x1, ECX, bit 27 is hidden and shown");
}

TEST_F_TIMEOUT(rules, no_such_register, LIMIT)
{
	self->rules.rules[3].reg = EDX + 1;
	EXPECT_EQ(ERANGE, SET());
	EXPECT_NE(NULL, strstr(self->result.text, "integer out of range"));
}

#define NESTED(payload) { VMIG_A_CPUID_RULE | NLA_F_NESTED, NL_RAW, \
			  sizeof(payload), payload }

/* Attributes of rules: 8 bytes each. */
static const uint16_t leaf_only[] = { 8, VMIG_A_CPUID_RULE_LEAF, 1, 0 };
static const uint16_t register_only[] = { 8, VMIG_A_CPUID_RULE_REGISTER, 1, 0 };
static const uint16_t unknown_too[] = { 8, VMIG_A_CPUID_RULE_LEAF, 1, 0,
					8, VMIG_A_CPUID_RULE_REGISTER, 1, 0,
					8, VMIG_A_CPUID_RULE_MAX + 1, 1, 0 };
static const uint16_t too_short[] = { 6, VMIG_A_CPUID_RULE_LEAF, 1, 0 };
static const uint16_t fine[] = { 8, VMIG_A_CPUID_RULE_LEAF, 1, 0,
				 8, VMIG_A_CPUID_RULE_REGISTER, 1, 0 };

TEST_F_TIMEOUT(rules, messages, LIMIT)
{
#define VM	STR(CPUID_VM, "t")
#define FD	U32(CPUID_KVM_FD, self->fd)
	const struct refusal refusals[] = {
		{ "no name", VMIG_CMD_CPUID_FILTER_SET, { FD, NESTED(fine) },
		  EINVAL, "attribute vm is missing", 0, VMIG_A_CPUID_VM },
		{ "an empty name", VMIG_CMD_CPUID_FILTER_SET,
		  { STR(CPUID_VM, ""), FD, NESTED(fine) },
		  EINVAL, "A name has 1 to 63", VMIG_A_CPUID_VM },
		{ "a slash in the name", VMIG_CMD_CPUID_FILTER_SET,
		  { STR(CPUID_VM, "a/b"), FD, NESTED(fine) },
		  EINVAL, "A name has 1 to 63", VMIG_A_CPUID_VM },
		{ "a long name", VMIG_CMD_CPUID_FILTER_SET,
		  { STR(CPUID_VM, NAME_64), FD, NESTED(fine) },
		  EINVAL, "policy validation", VMIG_A_CPUID_VM },
		{ "no VM", VMIG_CMD_CPUID_FILTER_SET, { VM, NESTED(fine) },
		  EINVAL, "attribute kvm-fd is missing", 0,
		  VMIG_A_CPUID_KVM_FD },
		{ "no rules", VMIG_CMD_CPUID_FILTER_SET, { VM, FD },
		  EINVAL, "attribute rule is missing", 0, VMIG_A_CPUID_RULE },
		{ "an empty rule", VMIG_CMD_CPUID_FILTER_SET,
		  { VM, FD, { VMIG_A_CPUID_RULE | NLA_F_NESTED, NL_RAW, 0, "" } },
		  EINVAL, "A rule needs leaf and register", VMIG_A_CPUID_RULE,
		  VMIG_A_CPUID_RULE_LEAF },
		{ "a rule without register", VMIG_CMD_CPUID_FILTER_SET,
		  { VM, FD, NESTED(leaf_only) },
		  EINVAL, "A rule needs leaf and register", VMIG_A_CPUID_RULE,
		  VMIG_A_CPUID_RULE_REGISTER },
		{ "a rule without leaf", VMIG_CMD_CPUID_FILTER_SET,
		  { VM, FD, NESTED(fine), NESTED(register_only) },
		  EINVAL, "A rule needs leaf and register", VMIG_A_CPUID_RULE,
		  VMIG_A_CPUID_RULE_LEAF },
		{ "an unknown attribute in a rule", VMIG_CMD_CPUID_FILTER_SET,
		  { VM, FD, NESTED(unknown_too) },
		  EINVAL, "Unknown attribute type", VMIG_A_CPUID_RULE_MAX + 1 },
		{ "a short number in a rule", VMIG_CMD_CPUID_FILTER_SET,
		  { VM, FD, NESTED(too_short) },
		  EINVAL, "invalid attribute length", VMIG_A_CPUID_RULE_LEAF },
		{ "a rule that is no nest", VMIG_CMD_CPUID_FILTER_SET,
		  { VM, FD, RAW(CPUID_RULE, fine, sizeof(fine)) },
		  EINVAL, "NLA_F_NESTED is missing", VMIG_A_CPUID_RULE },
		{ "read without VM", VMIG_CMD_CPUID_READ, {},
		  EINVAL, "attribute kvm-fd is missing", 0,
		  VMIG_A_CPUID_KVM_FD },
		{ "read with rules", VMIG_CMD_CPUID_READ,
		  { FD, NESTED(fine) }, EINVAL, "Unknown attribute type",
		  VMIG_A_CPUID_RULE },
		{ "get without name", VMIG_CMD_CPUID_FILTER_GET, {},
		  EINVAL, "attribute vm is missing", 0, VMIG_A_CPUID_VM },
		{ "get of none", VMIG_CMD_CPUID_FILTER_GET, { VM },
		  ENOENT, "VM t has no CPUID filter", VMIG_A_CPUID_VM },
		{ "get of a bad name", VMIG_CMD_CPUID_FILTER_GET,
		  { STR(CPUID_VM, "..") }, EINVAL, "A name has 1 to 63",
		  VMIG_A_CPUID_VM },
		{ "support of a VM", VMIG_CMD_CPUID_SUPPORT, { VM },
		  EINVAL, "", VMIG_A_CPUID_VM },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++)
		EXPECT_STREQ("", nl_refused(&self->nl, &refusals[i]));
}

/* Bits that promise nothing, and registers that tell no features. */
TEST_F_TIMEOUT(rules, what_may_be_set, LIMIT)
{
	struct tinykvm *other = cpuid_guest(1);

	ASSERT_NE(NULL, other);
	cpuid_rule(&self->rules, 1, 0, ECX)->value |= OSXSAVE;
	cpuid_rule(&self->rules, 7, 0, EBX)->value |= FDP_EXCPTN_ONLY |
						      ZERO_FCS_FDS;
	cpuid_rule(&self->rules, 7, 0, ECX)->value |= OSPKE;
	cpuid_rule(&self->rules, 1, 0, EAX)->value = 0x12345678;
	cpuid_rule(&self->rules, 0x80000004, 0, EDX)->value = 0xffffffff;
	cpuid_add(&self->rules, &(struct cpuid_rule){
		.leaf = 0x9fffffff, .reg = EBX, .value = 0xffffffff });
	EXPECT_EQ(0, cpuid_set(&self->nl, "free", tinykvm_vm_fd(other),
			       &self->rules, &self->result)) {
		TH_LOG("%s", self->result.text);
	}
	self->filters = 1;
	EXPECT_STREQ("", cpuid_check(other, 0, &self->table, &self->rules, 1));
	EXPECT_EQ(0, tinykvm_destroy(other));
}

TEST_HARNESS_MAIN
