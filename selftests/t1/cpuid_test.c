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

#define LIMIT		120
#define EMULATION	"/sys/module/kvm/parameters/force_emulation_prefix"

/* 1.ECX */
#define SSSE3		(1U << 9)
#define POPCNT		(1U << 23)
#define OSXSAVE		(1U << 27)
/* 1.EBX */
#define APIC_ID		0xff000000U

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
	EXPECT_STREQ("", cpuid_check(self->guest, vcpu, &self->table, rules, 2))

/* KVM says the same on another way. */
TEST_F_TIMEOUT(cpuid, read_tells_what_kvm_has, LIMIT)
{
	struct kvm_cpuid2 *has;
	unsigned int i;

	has = calloc(1, sizeof(*has) + CPUID_ENTRIES_MAX * sizeof(has->entries[0]));
	ASSERT_NE(NULL, has);
	has->nent = CPUID_ENTRIES_MAX;
	ASSERT_EQ(0, ioctl(tinykvm_vcpu_fd(self->guest, 0), KVM_GET_CPUID2, has));
	ASSERT_EQ(has->nent, self->table.n);
	for (i = 0; i < has->nent; i++) {
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

TEST_HARNESS_MAIN
