/* SPDX-License-Identifier: GPL-2.0 */
/* CPUID filters for T1 tests: the netlink side of them, and guests that ask. */
#ifndef VMIG_T1_CPUID_H
#define VMIG_T1_CPUID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "nl.h"
#include "tinykvm.h"

#define CPUID_ENTRIES_MAX	256
#define CPUID_RULES_MAX		(4 * CPUID_ENTRIES_MAX)
#define CPUID_QUESTIONS_MAX	1024

enum { EAX, EBX, ECX, EDX };

struct cpuid_entry {
	uint32_t leaf, subleaf;
	bool indexed;
	uint32_t reg[4];
};

struct cpuid_table {
	unsigned int n;
	struct cpuid_entry entries[CPUID_ENTRIES_MAX];
};

struct cpuid_rule {
	uint32_t leaf, subleaf;
	bool indexed;
	uint32_t reg, mask, value, hidden;
};

/* One more than the kernel takes. */
struct cpuid_rules {
	unsigned int n;
	struct cpuid_rule rules[CPUID_RULES_MAX + 1];
};

struct cpuid_count {
	uint32_t leaf, subleaf;
	bool indexed;
	uint64_t queries;
	uint32_t hidden[4];
};

struct cpuid_filter {
	char name[VMIG_NAME_MAX + 1];
	uint32_t pid;
	uint64_t queries;
	unsigned int n;
	struct cpuid_count counts[CPUID_RULES_MAX];
};

/* The operations. Return: 0, the errno of a refusal, or -1 without an answer. */
int cpuid_support(struct nl *nl, char *reason, size_t size);
int cpuid_read(struct nl *nl, int fd, struct cpuid_table *table,
	       struct nl_result *result);
int cpuid_set(struct nl *nl, const char *name, int fd,
	      const struct cpuid_rules *rules, struct nl_result *result);
int cpuid_get(struct nl *nl, const char *name, struct cpuid_filter *filter,
	      struct nl_result *result);

/* How many filters this network namespace has; -1 without an answer. */
int cpuid_count_filters(struct nl *nl);
/* Wait until it has @n, for at most 20 s. Return: how many there are. */
int cpuid_wait_filters(struct nl *nl, int n);

/* Answer as @table does, bit by bit, without KVM. */
void cpuid_freeze(const struct cpuid_table *table, struct cpuid_rules *rules);
/* Take the lowest bit of every register away, so that all differ from KVM's. */
void cpuid_thin(struct cpuid_rules *rules);
struct cpuid_rule *cpuid_rule(struct cpuid_rules *rules, uint32_t leaf,
			      uint32_t subleaf, unsigned int reg);
void cpuid_add(struct cpuid_rules *rules, const struct cpuid_rule *rule);

/* What a guest must get: KVM's own answer is that of @table. */
void cpuid_expect(const struct cpuid_table *table,
		  const struct cpuid_rules *rules, uint32_t leaf,
		  uint32_t subleaf, uint32_t reg[4]);

/*
 * Questions about every leaf that there may be, with all answers expected.
 * Return: how many; @questions has room for CPUID_QUESTIONS_MAX.
 */
unsigned int cpuid_questions(const struct cpuid_table *table,
			     const struct cpuid_rules *rules,
			     struct tinykvm_cpuid *questions);

/* Of these, the ones whose answer KVM would not have given. */
unsigned int cpuid_telling(const struct cpuid_table *table,
			   struct tinykvm_cpuid *questions, unsigned int n);

/* A guest with @nvcpus that has not run, its region long enough for questions. */
struct tinykvm *cpuid_guest(unsigned int nvcpus);

/*
 * Let vCPU @vcpu ask everything, @rounds times over.
 * Return: "" or what was wrong, as a sentence in a static buffer.
 */
const char *cpuid_check(struct tinykvm *guest, unsigned int vcpu,
			const struct cpuid_table *table,
			const struct cpuid_rules *rules, unsigned int rounds);

#endif /* VMIG_T1_CPUID_H */
