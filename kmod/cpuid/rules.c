// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of a CPUID filter: are they sound, and what do they answer.
 *
 * Answers are sorted by leaf, then those of any subleaf first, then by subleaf.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/netlink.h>
#include <linux/sort.h>

#include "compat/compat.h"
#include "cpuid/cpuid.h"

static const char * const reg_names[] = { "EAX", "EBX", "ECX", "EDX" };

/*
 * A register whose bits promise what the processor can do. Free are bits that
 * may be set whatever KVM says: they tell of a lack, so that setting them
 * promises nothing, or follow control registers of the vCPU.
 */
struct feature_reg {
	u32 leaf;
	u32 subleaf;
	bool indexed;
	u32 reg;
	u32 free;
};

#define EAX	VMIG_CPUID_REGISTER_EAX
#define EBX	VMIG_CPUID_REGISTER_EBX
#define ECX	VMIG_CPUID_REGISTER_ECX
#define EDX	VMIG_CPUID_REGISTER_EDX

static const struct feature_reg feature_regs[] = {
	/* MONITOR follows MSR_IA32_MISC_ENABLE, OSXSAVE CR4 */
	{ 0x1, 0, false, ECX, BIT(3) | BIT(27) },
	/* APIC follows MSR_IA32_APICBASE */
	{ 0x1, 0, false, EDX, BIT(9) },
	/* ARAT: the APIC timer is KVM's and never stops */
	{ 0x6, 0, false, EAX, BIT(2) },
	{ 0x6, 0, false, ECX, 0 },
	/* FDP_EXCPTN_ONLY and ZERO_FCS_FDS tell what the FPU does not do */
	{ 0x7, 0, true, EBX, BIT(6) | BIT(13) },
	/* OSPKE follows CR4 */
	{ 0x7, 0, true, ECX, BIT(4) },
	{ 0x7, 0, true, EDX, 0 },
	{ 0x7, 1, true, EAX, 0 },
	{ 0x7, 1, true, EBX, 0 },
	{ 0x7, 1, true, EDX, 0 },
	{ 0x7, 2, true, EDX, 0 },
	/* XCR0 */
	{ 0xd, 0, true, EAX, 0 },
	{ 0xd, 0, true, EDX, 0 },
	{ 0xd, 1, true, EAX, 0 },
	/* XSS */
	{ 0xd, 1, true, ECX, 0 },
	{ 0xd, 1, true, EDX, 0 },
	{ 0x14, 0, true, EBX, 0 },
	{ 0x14, 0, true, ECX, 0 },
	{ 0x19, 0, false, EBX, 0 },
	/* What KVM offers itself; the second place is beside Hyper-V's. */
	{ 0x40000001, 0, false, EAX, 0 },
	{ 0x40000101, 0, false, EAX, 0 },
	{ 0x80000001, 0, false, ECX, 0 },
	{ 0x80000001, 0, false, EDX, BIT(9) },
	{ 0x80000007, 0, false, EDX, 0 },
	{ 0x80000008, 0, false, EBX, 0 },
	{ 0x8000000a, 0, false, EDX, 0 },
	{ 0x8000001f, 0, false, EAX, 0 },
	{ 0x80000021, 0, false, EAX, 0 },
	{ 0x80000022, 0, false, EAX, 0 },
};

static int compare_u32(u32 a, u32 b)
{
	return a < b ? -1 : a > b;
}

static int compare_rules(const void *x, const void *y)
{
	const struct vmig_cpuid_rule *a = x, *b = y;

	return compare_u32(a->leaf, b->leaf) ?:
	       compare_u32(a->indexed, b->indexed) ?:
	       compare_u32(a->subleaf, b->subleaf) ?:
	       compare_u32(a->reg, b->reg);
}

static void name_place(const struct vmig_cpuid_rule *rule, char *text,
		       size_t size)
{
	if (rule->indexed)
		snprintf(text, size, "CPUID leaf %#x, subleaf %#x, %s",
			 rule->leaf, rule->subleaf, reg_names[rule->reg]);
	else
		snprintf(text, size, "CPUID leaf %#x, %s", rule->leaf,
			 reg_names[rule->reg]);
}

static int check_rule(const struct vmig_cpuid_rule *rule,
		      const struct vmig_cpuid_rule *before,
		      struct netlink_ext_ack *extack)
{
	u32 both = rule->hidden & (rule->mask | rule->value);
	char place[64];

	name_place(rule, place, sizeof(place));
	if (before && !compare_rules(rule, before)) {
		NL_SET_BAD_ATTR(extack, rule->attr);
		NL_SET_ERR_MSG_FMT(extack, "%s has more than one rule", place);
		return -EEXIST;
	}
	if (both) {
		NL_SET_BAD_ATTR(extack, rule->attr);
		NL_SET_ERR_MSG_FMT(extack,
				   "%s, bit %d is hidden and shown by the same rule",
				   place, ffs(both) - 1);
		return -EINVAL;
	}
	return 0;
}

static bool same_place(const struct vmig_cpuid_rule *rule,
		       const struct vmig_cpuid_answer *answer)
{
	return rule->leaf == answer->leaf && rule->indexed == answer->indexed &&
	       rule->subleaf == answer->subleaf;
}

/* Begin answer number @i, to which all before it are complete. */
static void begin_answer(struct vmig_cpuid_answer *answers, unsigned int i,
			 const struct vmig_cpuid_rule *rule)
{
	struct vmig_cpuid_answer *answer = &answers[i];

	answer->leaf = rule->leaf;
	answer->subleaf = rule->subleaf;
	answer->indexed = rule->indexed;
	if (!rule->indexed)
		answer->any = i;
	else if (i && answers[i - 1].leaf == rule->leaf)
		answer->any = answers[i - 1].any;
	else
		answer->any = -1;
}

/**
 * vmig_rules_compile() - Make answers of rules.
 * @rules: sorted by this function
 * @n: how many, at least 1
 * @answers: room for @n, zeroed
 * @extack: filled in on every failure
 *
 * Context: Process context.
 * Return: How many answers there are; -EEXIST if two rules are for the same
 * register, -EINVAL if one hides a bit that it shows.
 */
int vmig_rules_compile(struct vmig_cpuid_rule *rules, unsigned int n,
		       struct vmig_cpuid_answer *answers,
		       struct netlink_ext_ack *extack)
{
	unsigned int i, nanswers = 0;
	int err;

	sort(rules, n, sizeof(*rules), compare_rules, NULL);
	for (i = 0; i < n; i++) {
		const struct vmig_cpuid_rule *rule = &rules[i];
		struct vmig_cpuid_answer *answer;

		err = check_rule(rule, i ? rule - 1 : NULL, extack);
		if (err)
			return err;
		if (!nanswers || !same_place(rule, &answers[nanswers - 1]))
			begin_answer(answers, nanswers++, rule);
		answer = &answers[nanswers - 1];
		answer->mask[rule->reg] = rule->mask;
		answer->value[rule->reg] = rule->value;
		answer->hidden[rule->reg] = rule->hidden;
	}
	return nanswers;
}

static u32 find_bits(const struct feature_reg *feature,
		     const struct vmig_cpuid_entry *entries, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (entries[i].leaf == feature->leaf &&
		    (!entries[i].indexed ||
		     entries[i].subleaf == feature->subleaf))
			return entries[i].reg[feature->reg];
	return 0;
}

/* Does a guest that asks for @feature get an answer by @rule? */
static bool concerns(const struct vmig_cpuid_rule *rule,
		     const struct feature_reg *feature)
{
	return rule->leaf == feature->leaf && rule->reg == feature->reg &&
	       (!rule->indexed || !feature->indexed ||
		rule->subleaf == feature->subleaf);
}

/**
 * vmig_rules_check() - Refuse rules that promise more than there is.
 * @rules: of a filter
 * @n: how many
 * @entries: KVM's answers for this VM
 * @nentries: how many
 * @extack: filled in on every failure
 *
 * A mask cannot add to KVM's answer, but a value could. Checked are registers
 * whose bits are features, feature_regs, against what vCPU 0 has at this moment:
 * not the other vCPUs, and not what the VMM gives the vCPUs afterwards, which
 * KVM permits until they run. Not checked are sizes, counts and versions (of
 * AMX and performance counters as well), Hyper-V's features, which KVM emulates,
 * and leaves that no kernel knew when this was written.
 *
 * Return: 0, or -EINVAL.
 */
int vmig_rules_check(const struct vmig_cpuid_rule *rules, unsigned int n,
		     const struct vmig_cpuid_entry *entries,
		     unsigned int nentries, struct netlink_ext_ack *extack)
{
	unsigned int i, j;
	char place[64];

	for (i = 0; i < n; i++) {
		for (j = 0; j < ARRAY_SIZE(feature_regs); j++) {
			const struct feature_reg *feature = &feature_regs[j];
			u32 added;

			if (!rules[i].value || !concerns(&rules[i], feature))
				continue;
			added = rules[i].value & ~feature->free &
				~find_bits(feature, entries, nentries);
			if (!added)
				continue;
			name_place(&rules[i], place, sizeof(place));
			NL_SET_BAD_ATTR(extack, rules[i].attr);
			NL_SET_ERR_MSG_FMT(extack,
					   "%s, bit %d would be a feature that this VM does not have here: a filter cannot add one",
					   place, ffs(added) - 1);
			return -EINVAL;
		}
	}
	return 0;
}

static u64 search_key(u32 leaf, u32 subleaf)
{
	return (u64)leaf << 32 | subleaf;
}

/**
 * vmig_rules_find() - Find what a guest gets.
 * @answers: of vmig_rules_compile()
 * @n: how many
 * @leaf: EAX of the guest
 * @subleaf: ECX of the guest
 *
 * Context: Any.
 * Return: The answer, or NULL: all zero.
 */
struct vmig_cpuid_answer *vmig_rules_find(struct vmig_cpuid_answer *answers,
					  unsigned int n, u32 leaf, u32 subleaf)
{
	const u64 wanted = search_key(leaf, subleaf);
	struct vmig_cpuid_answer *answer;
	unsigned int first = 0;

	/* Behind the last answer that is not beyond the wanted one. */
	while (first < n) {
		unsigned int middle = (first + n) / 2;

		answer = &answers[middle];
		if (search_key(answer->leaf, answer->subleaf) <= wanted)
			first = middle + 1;
		else
			n = middle;
	}
	if (!first)
		return NULL;
	answer = &answers[first - 1];
	if (answer->leaf != leaf)
		return NULL;
	if (answer->indexed && answer->subleaf == subleaf)
		return answer;
	return answer->any < 0 ? NULL : &answers[answer->any];
}
