// SPDX-License-Identifier: GPL-2.0
/* CPUID filters for T1 tests. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cpuid.h"

#define GENL		sizeof(struct genlmsghdr)
#define WAIT_MS		20000
#define STEP_MS		20
#define REGION_SIZE	(64 * 1024)
#define NESTED(type)	((type) | NLA_F_NESTED)

_Static_assert(CPUID_QUESTIONS_MAX * sizeof(struct tinykvm_cpuid) <= REGION_SIZE,
	       "questions do not fit the region");

struct rule_attrs {
	char buffer[64];
	size_t len;
};

static void put_u32(struct rule_attrs *to, uint16_t type, uint32_t value)
{
	struct nlattr attr = { .nla_len = 8, .nla_type = type };

	memcpy(to->buffer + to->len, &attr, sizeof(attr));
	memcpy(to->buffer + to->len + sizeof(attr), &value, sizeof(value));
	to->len += 8;
}

static void put_rule(struct rule_attrs *to, const struct cpuid_rule *rule)
{
	to->len = 0;
	put_u32(to, VMIG_A_CPUID_RULE_LEAF, rule->leaf);
	if (rule->indexed)
		put_u32(to, VMIG_A_CPUID_RULE_SUBLEAF, rule->subleaf);
	put_u32(to, VMIG_A_CPUID_RULE_REGISTER, rule->reg);
	if (rule->mask)
		put_u32(to, VMIG_A_CPUID_RULE_MASK, rule->mask);
	if (rule->value)
		put_u32(to, VMIG_A_CPUID_RULE_VALUE, rule->value);
	if (rule->hidden)
		put_u32(to, VMIG_A_CPUID_RULE_HIDDEN, rule->hidden);
}

int cpuid_set(struct nl *nl, const char *name, int fd,
	      const struct cpuid_rules *rules, struct nl_result *result)
{
	struct rule_attrs *payload = calloc(rules->n + 1, sizeof(*payload));
	struct nl_attr *attrs = calloc(rules->n + 3, sizeof(*attrs));
	unsigned int i;
	int err = -1;

	if (!payload || !attrs)
		goto out;
	attrs[0] = (struct nl_attr)STR(CPUID_VM, name);
	attrs[1] = (struct nl_attr)U32(CPUID_KVM_FD, (uint32_t)fd);
	for (i = 0; i < rules->n; i++) {
		put_rule(&payload[i], &rules->rules[i]);
		attrs[i + 2] = (struct nl_attr){ NESTED(VMIG_A_CPUID_RULE), NL_RAW,
						 payload[i].len,
						 payload[i].buffer };
	}
	err = nl_call(nl, VMIG_CMD_CPUID_FILTER_SET, attrs, NULL, result);
out:
	free(payload);
	free(attrs);
	return err;
}

int cpuid_support(struct nl *nl, char *reason, size_t size)
{
	struct nl_message *reply = malloc(sizeof(*reply));
	struct nl_result result;
	int err = -1;

	if (!reply)
		return -1;
	if (!nl_call(nl, VMIG_CMD_CPUID_SUPPORT, NULL, reply, &result))
		err = reply->attrs[VMIG_A_CPUID_SUPPORTED] ? 0 : EOPNOTSUPP;
	snprintf(reason, size, "%s", nl_string(reply, VMIG_A_CPUID_REASON));
	free(reply);
	return err;
}

static int note_entry(const struct nlattr *attr, void *arg)
{
	struct cpuid_entry *entry = arg;
	uint32_t value = mnl_attr_get_u32(attr);
	int type = mnl_attr_get_type(attr);

	if (type == VMIG_A_CPUID_ENTRY_LEAF) {
		entry->leaf = value;
	} else if (type == VMIG_A_CPUID_ENTRY_SUBLEAF) {
		entry->subleaf = value;
		entry->indexed = true;
	} else if (type >= VMIG_A_CPUID_ENTRY_EAX) {
		entry->reg[type - VMIG_A_CPUID_ENTRY_EAX] = value;
	}
	return MNL_CB_OK;
}

static int note_entries(const struct nlattr *attr, void *arg)
{
	struct cpuid_table *table = arg;

	if (mnl_attr_get_type(attr) == VMIG_A_CPUID_ENTRY &&
	    table->n < CPUID_ENTRIES_MAX)
		mnl_attr_parse_nested(attr, note_entry,
				      &table->entries[table->n++]);
	return MNL_CB_OK;
}

int cpuid_read(struct nl *nl, int fd, struct cpuid_table *table,
	       struct nl_result *result)
{
	struct nl_attr attrs[] = { U32(CPUID_KVM_FD, (uint32_t)fd), {} };
	struct nl_message *reply = malloc(sizeof(*reply));
	int err = -1;

	if (!reply)
		return -1;
	memset(table, 0, sizeof(*table));
	err = nl_call(nl, VMIG_CMD_CPUID_READ, attrs, reply, result);
	if (!err)
		mnl_attr_parse((struct nlmsghdr *)reply->buffer, GENL,
			       note_entries, table);
	free(reply);
	return err;
}

static int note_count(const struct nlattr *attr, void *arg)
{
	struct cpuid_count *count = arg;
	int type = mnl_attr_get_type(attr);

	if (type == VMIG_A_CPUID_COUNT_LEAF) {
		count->leaf = mnl_attr_get_u32(attr);
	} else if (type == VMIG_A_CPUID_COUNT_SUBLEAF) {
		count->subleaf = mnl_attr_get_u32(attr);
		count->indexed = true;
	} else if (type == VMIG_A_CPUID_COUNT_QUERIES) {
		count->queries = mnl_attr_get_u64(attr);
	} else if (type >= VMIG_A_CPUID_COUNT_HIDDEN_EAX) {
		count->hidden[type - VMIG_A_CPUID_COUNT_HIDDEN_EAX] =
			mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static int note_counts(const struct nlattr *attr, void *arg)
{
	struct cpuid_filter *filter = arg;

	if (mnl_attr_get_type(attr) == VMIG_A_CPUID_COUNT &&
	    filter->n < CPUID_RULES_MAX)
		mnl_attr_parse_nested(attr, note_count,
				      &filter->counts[filter->n++]);
	return MNL_CB_OK;
}

int cpuid_get(struct nl *nl, const char *name, struct cpuid_filter *filter,
	      struct nl_result *result)
{
	struct nl_attr attrs[] = { STR(CPUID_VM, name), {} };
	struct nl_message *reply = malloc(sizeof(*reply));
	int err = -1;

	if (!reply)
		return -1;
	memset(filter, 0, sizeof(*filter));
	err = nl_call(nl, VMIG_CMD_CPUID_FILTER_GET, attrs, reply, result);
	if (!err) {
		snprintf(filter->name, sizeof(filter->name), "%s",
			 nl_string(reply, VMIG_A_CPUID_VM));
		filter->pid = nl_u32(reply, VMIG_A_CPUID_PID);
		filter->queries = nl_u64(reply, VMIG_A_CPUID_QUERIES);
		mnl_attr_parse((struct nlmsghdr *)reply->buffer, GENL,
			       note_counts, filter);
	}
	free(reply);
	return err;
}

static void count_one(const struct nl_message *message, void *arg)
{
	(void)message;
	++*(int *)arg;
}

int cpuid_count_filters(struct nl *nl)
{
	struct nl_result result;
	bool intr;
	int n = 0;

	if (nl_dump(nl, VMIG_CMD_CPUID_FILTER_GET, NULL, count_one, &n, &intr,
		    &result))
		return -1;
	return n;
}

int cpuid_wait_filters(struct nl *nl, int n)
{
	int ms, found = cpuid_count_filters(nl);

	for (ms = 0; found >= 0 && found != n && ms < WAIT_MS; ms += STEP_MS) {
		poll(NULL, 0, STEP_MS);
		found = cpuid_count_filters(nl);
	}
	return found;
}

void cpuid_add(struct cpuid_rules *rules, const struct cpuid_rule *rule)
{
	if (rules->n > CPUID_RULES_MAX)
		abort();
	rules->rules[rules->n++] = *rule;
}

void cpuid_freeze(const struct cpuid_table *table, struct cpuid_rules *rules)
{
	unsigned int i, reg;

	rules->n = 0;
	for (i = 0; i < table->n; i++)
		for (reg = EAX; reg <= EDX; reg++)
			cpuid_add(rules, &(struct cpuid_rule){
				.leaf = table->entries[i].leaf,
				.subleaf = table->entries[i].subleaf,
				.indexed = table->entries[i].indexed,
				.reg = reg,
				.value = table->entries[i].reg[reg],
			});
}

void cpuid_thin(struct cpuid_rules *rules)
{
	unsigned int i;

	for (i = 0; i < rules->n; i++)
		rules->rules[i].value &= rules->rules[i].value - 1;
}

struct cpuid_rule *cpuid_rule(struct cpuid_rules *rules, uint32_t leaf,
			      uint32_t subleaf, unsigned int reg)
{
	unsigned int i;

	for (i = 0; i < rules->n; i++) {
		struct cpuid_rule *rule = &rules->rules[i];

		if (rule->leaf == leaf && rule->reg == reg &&
		    (!rule->indexed || rule->subleaf == subleaf))
			return rule;
	}
	return NULL;
}

static uint32_t kvm_answer(const struct cpuid_table *table, uint32_t leaf,
			   uint32_t subleaf, unsigned int reg)
{
	unsigned int i;

	for (i = 0; i < table->n; i++) {
		const struct cpuid_entry *entry = &table->entries[i];

		if (entry->leaf == leaf &&
		    (!entry->indexed || entry->subleaf == subleaf))
			return entry->reg[reg];
	}
	return 0;
}

/* The rule for a subleaf goes before the one for all others. */
void cpuid_expect(const struct cpuid_table *table,
		  const struct cpuid_rules *rules, uint32_t leaf,
		  uint32_t subleaf, uint32_t reg[4])
{
	bool named = false;
	unsigned int i;

	for (i = 0; i < rules->n; i++)
		named |= rules->rules[i].leaf == leaf &&
			 rules->rules[i].indexed &&
			 rules->rules[i].subleaf == subleaf;
	memset(reg, 0, 4 * sizeof(*reg));
	for (i = 0; i < rules->n; i++) {
		const struct cpuid_rule *rule = &rules->rules[i];

		if (rule->leaf != leaf || rule->indexed != named ||
		    (named && rule->subleaf != subleaf))
			continue;
		reg[rule->reg] = (kvm_answer(table, leaf, subleaf, rule->reg) &
				  rule->mask) | rule->value;
	}
}

unsigned int cpuid_questions(const struct cpuid_table *table,
			     const struct cpuid_rules *rules,
			     struct tinykvm_cpuid *questions)
{
	static const struct {
		uint32_t first, last, subleaves;
	} ranges[] = {
		{ 0x0, 0x24, 3 }, { 0x4, 0x4, 8 }, { 0x7, 0x7, 8 },
		{ 0xb, 0xb, 8 }, { 0xd, 0xd, 64 }, { 0x1d, 0x1f, 8 },
		{ 0xff, 0x101, 1 }, { 0x3fffffff, 0x40000012, 2 },
		{ 0x40000100, 0x40000102, 1 }, { 0x7fffffff, 0x80000028, 2 },
		{ 0x8000001d, 0x8000001d, 6 }, { 0x8fffffff, 0x90000000, 1 },
		{ 0xc0000000, 0xc0000004, 1 }, { 0xfffffffe, 0xffffffff, 1 },
	};
	static const uint32_t odd[] = { 0x100, 0x80000000, 0xffffffff };
	unsigned int i, n = 0;
	uint32_t leaf, sub;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		leaf = ranges[i].first;
		do {
			for (sub = 0; sub < ranges[i].subleaves + 3; sub++) {
				struct tinykvm_cpuid *q = &questions[n];
				uint32_t reg[4];

				if (n++ == CPUID_QUESTIONS_MAX)
					abort();
				q->leaf = leaf;
				q->subleaf = sub < ranges[i].subleaves ? sub :
					     odd[sub - ranges[i].subleaves];
				cpuid_expect(table, rules, q->leaf, q->subleaf, reg);
				q->eax = reg[EAX];
				q->ebx = reg[EBX];
				q->ecx = reg[ECX];
				q->edx = reg[EDX];
			}
		} while (leaf++ != ranges[i].last);
	}
	return n;
}

unsigned int cpuid_telling(const struct cpuid_table *table,
			   struct tinykvm_cpuid *questions, unsigned int n)
{
	unsigned int i, kept = 0;

	for (i = 0; i < n; i++) {
		const struct tinykvm_cpuid *q = &questions[i];

		if (q->eax != kvm_answer(table, q->leaf, q->subleaf, EAX) ||
		    q->ebx != kvm_answer(table, q->leaf, q->subleaf, EBX) ||
		    q->ecx != kvm_answer(table, q->leaf, q->subleaf, ECX) ||
		    q->edx != kvm_answer(table, q->leaf, q->subleaf, EDX))
			questions[kept++] = *q;
	}
	return kept;
}

struct tinykvm *cpuid_guest(unsigned int nvcpus)
{
	int fd = memfd_create("cpuid", MFD_CLOEXEC);
	struct tinykvm *guest = NULL;

	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, REGION_SIZE))
		guest = tinykvm_create(fd, REGION_SIZE, nvcpus);
	close(fd);
	return guest;
}

const char *cpuid_check(struct tinykvm *guest, unsigned int vcpu,
			const struct cpuid_table *table,
			const struct cpuid_rules *rules, unsigned int rounds)
{
	struct tinykvm_cpuid *questions = tinykvm_mem(guest), *q;
	struct tinykvm_args args = { .value = rounds };
	struct tinykvm_result r;
	static char text[256];

	args.count = cpuid_questions(table, rules, questions);
	if (tinykvm_run_cmd(guest, vcpu, TINYKVM_CPUID_CHECK, &args, &r))
		return tinykvm_error(guest);
	if (r.writes != (uint64_t)args.count * rounds) {
		snprintf(text, sizeof(text), "%llu answers to %u questions",
			 (unsigned long long)r.writes, args.count * rounds);
		return text;
	}
	if (!r.bad)
		return "";
	q = &questions[r.wrong];
	snprintf(text, sizeof(text),
		 "%u wrong; leaf %#x subleaf %#x: %08x %08x %08x %08x, expected %08x %08x %08x %08x",
		 r.bad, q->leaf, q->subleaf, r.eax, r.ebx, r.ecx, r.edx, q->eax,
		 q->ebx, q->ecx, q->edx);
	return text;
}
