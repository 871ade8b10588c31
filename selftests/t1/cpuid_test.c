// SPDX-License-Identifier: GPL-2.0
/* What a guest with a CPUID filter gets to see. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "cpuid.h"
#include "node.h"

#define LIMIT		240
#define ROUNDS		2
#define EMULATION	"/sys/module/kvm/parameters/force_emulation_prefix"

/* 1.ECX */
#define SSSE3		(1U << 9)
#define POPCNT		(1U << 23)
#define XSAVE		(1U << 26)
#define OSXSAVE		(1U << 27)
#define CR4_OSXSAVE	(1ULL << 18)
#define CR0_PE		1ULL

FIXTURE(cpuid)
{
	struct nl nl;
	struct nl_result result;
	struct tinykvm *guest;
	struct cpuid_table table;
	struct cpuid_rules rules;
};

FIXTURE_SETUP(cpuid)
{
	char reason[512];

	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, node_enter());
	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, cpuid_support(&self->nl, reason, sizeof(reason))) {
		TH_LOG("%s", reason);
	}
	self->guest = cpuid_guest(2);
	ASSERT_NE(NULL, self->guest);
	ASSERT_EQ(0, cpuid_read(&self->nl, tinykvm_vm_fd(self->guest),
				&self->table, &self->result)) {
		TH_LOG("%s", self->result.text);
	}
	cpuid_freeze(&self->table, &self->rules);
}

FIXTURE_TEARDOWN(cpuid)
{
	if (self->guest)
		EXPECT_EQ(0, tinykvm_destroy(self->guest));
	nl_close(&self->nl);
}

#define SET(rules) do {							\
	ASSERT_EQ(0, cpuid_set(&self->nl, "t", tinykvm_vm_fd(self->guest), \
			       rules, &self->result)) {			\
		TH_LOG("%s", self->result.text);			\
	}								\
} while (0)

#define CHECK(vcpu, rules)						\
	EXPECT_STREQ("", cpuid_check(self->guest, vcpu, &self->table, rules, \
				     ROUNDS))

/* KVM says the same on another way. */
TEST_F_TIMEOUT(cpuid, read_tells_what_kvm_has, LIMIT)
{
	const struct kvm_cpuid_entry2 none = { 0 };
	struct kvm_cpuid2 *has;
	unsigned int i;

	has = calloc(1, sizeof(*has) + CPUID_ENTRIES_MAX * sizeof(has->entries[0]));
	ASSERT_NE(NULL, has);
	has->nent = CPUID_ENTRIES_MAX;
	ASSERT_EQ(0, ioctl(tinykvm_vcpu_fd(self->guest, 0), KVM_GET_CPUID2, has));
	/* Linux 6.1 leaves nent as it was. */
	ASSERT_GT(CPUID_ENTRIES_MAX, self->table.n);
	EXPECT_EQ(0, memcmp(&has->entries[self->table.n], &none, sizeof(none)));
	for (i = 0; i < self->table.n; i++) {
		const struct kvm_cpuid_entry2 *kvm = &has->entries[i];
		const struct cpuid_entry *told = &self->table.entries[i];

		EXPECT_EQ(kvm->function, told->leaf);
		EXPECT_EQ(!!(kvm->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX),
			  told->indexed);
		if (told->indexed)
			EXPECT_EQ(kvm->index, told->subleaf);
		EXPECT_EQ(kvm->eax, told->reg[EAX]);
		EXPECT_EQ(kvm->ebx, told->reg[EBX]);
		EXPECT_EQ(kvm->ecx, told->reg[ECX]);
		EXPECT_EQ(kvm->edx, told->reg[EDX]);
	}
	free(has);
}

TEST_F_TIMEOUT(cpuid, every_leaf_is_as_frozen, LIMIT)
{
	cpuid_thin(&self->rules);
	SET(&self->rules);
	CHECK(0, &self->rules);
	CHECK(1, &self->rules);
}

TEST_F_TIMEOUT(cpuid, hidden_bits_are_gone, LIMIT)
{
	struct cpuid_rule *ecx = cpuid_rule(&self->rules, 1, 0, ECX);

	ASSERT_NE(NULL, ecx);
	ASSERT_EQ(SSSE3 | POPCNT, ecx->value & (SSSE3 | POPCNT));
	ecx->value &= ~(SSSE3 | POPCNT);
	ecx->hidden = SSSE3 | POPCNT;
	SET(&self->rules);
	CHECK(0, &self->rules);
}

static uint64_t count_questions(const struct cpuid_count *count,
				const struct cpuid_rules *rules,
				const struct tinykvm_cpuid *questions,
				unsigned int n)
{
	uint64_t asked = 0;
	unsigned int i, j;

	for (i = 0; i < n; i++) {
		bool named = false;

		if (questions[i].leaf != count->leaf)
			continue;
		for (j = 0; j < rules->n; j++)
			named |= rules->rules[j].leaf == count->leaf &&
				 rules->rules[j].indexed &&
				 rules->rules[j].subleaf == questions[i].subleaf;
		asked += count->indexed ? questions[i].subleaf == count->subleaf :
					  !named;
	}
	return asked;
}

TEST_F_TIMEOUT(cpuid, every_question_is_counted, LIMIT)
{
	struct cpuid_rule *ecx = cpuid_rule(&self->rules, 1, 0, ECX);
	struct tinykvm_cpuid *questions = tinykvm_mem(self->guest);
	struct cpuid_filter *filter = malloc(sizeof(*filter));
	const struct cpuid_count *count;
	unsigned int n, i;

	ASSERT_NE(NULL, filter);
	ecx->value &= ~(SSSE3 | POPCNT);
	ecx->hidden = SSSE3 | POPCNT;
	SET(&self->rules);
	CHECK(0, &self->rules);
	n = cpuid_questions(&self->table, &self->rules, questions);
	ASSERT_EQ(0, cpuid_get(&self->nl, "t", filter, &self->result));
	EXPECT_STREQ("t", filter->name);
	EXPECT_EQ((uint32_t)getpid(), filter->pid);
	EXPECT_EQ((uint64_t)ROUNDS * n, filter->queries);
	EXPECT_EQ(self->table.n, filter->n);
	for (i = 0; i < filter->n; i++) {
		count = &filter->counts[i];
		EXPECT_EQ(ROUNDS * count_questions(count, &self->rules,
						   questions, n),
			  count->queries) {
			TH_LOG("leaf %#x subleaf %#x", count->leaf,
			       count->subleaf);
		}
		EXPECT_EQ(count->leaf == 1 ? SSSE3 | POPCNT : 0,
			  count->hidden[ECX]);
		EXPECT_EQ(0, count->hidden[EAX] | count->hidden[EBX] |
			     count->hidden[EDX]);
	}
	free(filter);
}

TEST_F_TIMEOUT(cpuid, what_has_no_rule_is_zero, LIMIT)
{
	struct cpuid_rules few = { .n = 0 };

	cpuid_add(&few, cpuid_rule(&self->rules, 0, 0, EAX));
	cpuid_add(&few, cpuid_rule(&self->rules, 0x80000002, 0, EDX));
	SET(&few);
	CHECK(0, &few);
}

TEST_F_TIMEOUT(cpuid, other_subleaves_have_their_rule, LIMIT)
{
	const struct cpuid_rule rules[] = {
		{ .leaf = 0xb, .subleaf = 1, .indexed = true, .reg = EAX,
		  .value = 7 },
		{ .leaf = 0xb, .reg = EDX, .value = 0x12345678 },
		{ .leaf = 0xb, .subleaf = 0xffffffff, .indexed = true,
		  .reg = ECX, .value = 0xffffffff },
	};
	struct cpuid_rules few = { .n = 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		cpuid_add(&few, &rules[i]);
	SET(&few);
	CHECK(0, &few);
}

/* As many as there may be, each for a leaf of its own. */
TEST_F_TIMEOUT(cpuid, as_many_rules_as_there_may_be, LIMIT)
{
	struct cpuid_filter *filter = malloc(sizeof(*filter));
	struct cpuid_rules many = { .n = 0 };

	ASSERT_NE(NULL, filter);
	while (many.n < VMIG_CPUID_RULES_MAX)
		cpuid_add(&many, &(struct cpuid_rule){
			.leaf = 0x8, .subleaf = (many.n * 40503) & 0xffff,
			.indexed = true, .reg = many.n % 4, .value = many.n + 1,
			.hidden = ~(many.n + 1),
		});
	SET(&many);
	CHECK(0, &many);
	ASSERT_EQ(0, cpuid_get(&self->nl, "t", filter, &self->result));
	EXPECT_EQ(VMIG_CPUID_RULES_MAX, filter->n);
	free(filter);
}

/* A mask lets through what KVM says, now and not when the filter was set. */
TEST_F_TIMEOUT(cpuid, masks_follow_kvm, LIMIT)
{
	struct cpuid_rule *ecx = cpuid_rule(&self->rules, 1, 0, ECX);
	int vcpu = tinykvm_vcpu_fd(self->guest, 0);
	struct kvm_sregs sregs;
	struct cpuid_rules all;
	uint32_t before = ecx->value;

	if (!(before & XSAVE))
		SKIP(return, "this processor has no XSAVE");
	EXPECT_EQ(0, before & OSXSAVE);
	ecx->mask = OSXSAVE;
	SET(&self->rules);
	ASSERT_EQ(0, ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.cr4 |= CR4_OSXSAVE;
	ASSERT_EQ(0, ioctl(vcpu, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, cpuid_read(&self->nl, tinykvm_vm_fd(self->guest),
				&self->table, &self->result));
	cpuid_freeze(&self->table, &all);
	EXPECT_EQ(before | OSXSAVE, cpuid_rule(&all, 1, 0, ECX)->value);
	CHECK(0, &all);
	ecx->mask = 0;
	CHECK(1, &self->rules);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -1;
	err = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return err;
}

/* Return: "" or what was wrong, as a sentence in a static buffer. */
static const char *ask(struct tinykvm *guest, enum tinykvm_cmd cmd,
		       const struct cpuid_table *table,
		       const struct cpuid_rules *rules, uint32_t leaf)
{
	struct tinykvm_args args = { .leaf = leaf };
	struct tinykvm_result r;
	static char text[160];
	uint32_t reg[4];

	cpuid_expect(table, rules, leaf, 0, reg);
	if (tinykvm_run_cmd(guest, 0, cmd, &args, &r))
		return tinykvm_error(guest);
	if (r.eax == reg[EAX] && r.ebx == reg[EBX] && r.ecx == reg[ECX] &&
	    r.edx == reg[EDX])
		return "";
	snprintf(text, sizeof(text),
		 "leaf %#x: %08x %08x %08x %08x, expected %08x %08x %08x %08x",
		 leaf, r.eax, r.ebx, r.ecx, r.edx, reg[EAX], reg[EBX],
		 reg[ECX], reg[EDX]);
	return text;
}

static const uint32_t some_leaves[] = { 0x0, 0x1, 0x7, 0xd, 0x40000000,
					0x80000001, 0x80000002 };

TEST_F_TIMEOUT(cpuid, emulated_cpuid_is_filtered, LIMIT)
{
	struct cpuid_rule *ecx = cpuid_rule(&self->rules, 1, 0, ECX);
	struct cpuid_filter *filter = malloc(sizeof(*filter));
	size_t i;

	ASSERT_NE(NULL, filter);
	if (write_file(EMULATION, "1"))
		SKIP(return, "KVM has no prefix for emulation");
	ecx->value &= ~(SSSE3 | POPCNT);
	SET(&self->rules);
	for (i = 0; i < ARRAY_SIZE(some_leaves); i++)
		EXPECT_STREQ("", ask(self->guest, TINYKVM_CPUID_EMULATED,
				     &self->table, &self->rules,
				     some_leaves[i]));
	EXPECT_EQ(0, write_file(EMULATION, "0"));
	ASSERT_EQ(0, cpuid_get(&self->nl, "t", filter, &self->result));
	EXPECT_EQ(ARRAY_SIZE(some_leaves), filter->queries);
	free(filter);
}

/* Where a guest begins; processors without a real mode for guests emulate it. */
static int set_real_mode(int vcpu)
{
	struct kvm_segment code = {
		.limit = 0xffff, .type = 11, .present = 1, .s = 1,
	};
	struct kvm_segment data = code;
	struct kvm_sregs sregs;

	data.type = 3;
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cr0 &= ~CR0_PE;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	return ioctl(vcpu, KVM_SET_SREGS, &sregs);
}

TEST_F_TIMEOUT(cpuid, real_mode_is_filtered, LIMIT)
{
	size_t i;

	cpuid_rule(&self->rules, 1, 0, ECX)->value &= ~(SSSE3 | POPCNT);
	SET(&self->rules);
	ASSERT_EQ(0, set_real_mode(tinykvm_vcpu_fd(self->guest, 0)));
	for (i = 0; i < ARRAY_SIZE(some_leaves); i++)
		EXPECT_STREQ("", ask(self->guest, TINYKVM_CPUID, &self->table,
				     &self->rules, some_leaves[i]));
}

/* The hook is for all VMs, the filter for one. */
TEST_F_TIMEOUT(cpuid, other_vms_see_what_kvm_has, LIMIT)
{
	struct tinykvm *other = cpuid_guest(1);
	struct cpuid_rules few = { .n = 0 };
	size_t i;

	ASSERT_NE(NULL, other);
	cpuid_add(&few, cpuid_rule(&self->rules, 0, 0, EAX));
	SET(&few);
	for (i = 0; i < ARRAY_SIZE(some_leaves); i++) {
		EXPECT_STREQ("", ask(other, TINYKVM_CPUID, &self->table,
				     &self->rules, some_leaves[i]));
		EXPECT_STREQ("", ask(self->guest, TINYKVM_CPUID, &self->table,
				     &few, some_leaves[i]));
	}
	EXPECT_EQ(0, tinykvm_destroy(other));
}

TEST_HARNESS_MAIN
