// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the tests' tiny guests, on ordinary shared memory: whoever finds a
 * page lost in vmigfs wants to know that the guest did write it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tinykvm.h"

#define PAGES	2048U
#define SIZE	((size_t)PAGES * TINYKVM_PAGE)
#define SKIP	4

static unsigned int failed;
static struct tinykvm *tk;

static uint32_t *word(uint32_t page, uint32_t offset)
{
	return (uint32_t *)((char *)tinykvm_mem(tk) +
			    (size_t)page * TINYKVM_PAGE + offset);
}

static bool holds(bool condition, const char *text, int line)
{
	if (!condition)
		printf("# line %d: %s (%s)\n", line, text, tinykvm_error(tk));
	return condition;
}

#define EXPECT(condition)						\
	do {								\
		if (!holds(condition, #condition, __LINE__))		\
			return false;					\
	} while (0)

static bool write_touches_named_pages(void)
{
	struct tinykvm_args args = {
		.first = 3, .count = 100, .stride = 7, .offset = 16, .value = 500,
	};
	uint32_t page, found = 0;

	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_WRITE, &args, NULL));
	for (page = 0; page < PAGES; page++)
		found += *word(page, 16) != 0;
	EXPECT(found == 100);
	EXPECT(*word(3, 16) == 500);
	EXPECT(*word(3 + 99 * 7, 16) == 599);
	return true;
}

static bool list_touches_listed_pages(void)
{
	static const uint32_t list[] = { PAGES - 1, 0, 77 };
	struct tinykvm_args args = { .offset = 32, .value = 9 };
	uint32_t page, found = 0;

	EXPECT(!tinykvm_set_list(tk, 0, list, 3));
	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_WRITE_LIST, &args, NULL));
	for (page = 0; page < PAGES; page++)
		found += *word(page, 32) != 0;
	EXPECT(found == 3);
	EXPECT(*word(PAGES - 1, 32) == 9 && *word(0, 32) == 10 &&
	       *word(77, 32) == 11);
	return true;
}

static bool sums_are_right(void)
{
	struct tinykvm_args args = { .first = 16, .count = 64, .value = 0xfffffff0 };
	struct tinykvm_result r;

	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_FILL, &args, NULL));
	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_SUM, &args, &r));
	EXPECT(r.sum == 64ULL * 0xfffffff0);
	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_SUM_ALL, &args, &r));
	EXPECT(r.sum == 64ULL * 1024 * 0xfffffff0);
	return true;
}

static bool cpuid_answers(void)
{
	struct tinykvm_args args = { .leaf = 0 };
	struct tinykvm_result r;

	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_CPUID, &args, &r));
	EXPECT(r.eax >= 1 && r.ebx);
	return true;
}

static bool cpuid_is_checked(void)
{
	struct tinykvm_args args = { .first = 1, .count = 2, .value = 3 };
	struct tinykvm_cpuid *q = (struct tinykvm_cpuid *)word(1, 0);
	struct tinykvm_result r;
	uint32_t leaf;

	for (leaf = 0; leaf < 2; leaf++) {
		struct tinykvm_args ask = { .leaf = leaf };

		EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_CPUID, &ask, &r));
		q[leaf] = (struct tinykvm_cpuid){ leaf, 0, r.eax, r.ebx, r.ecx,
						  r.edx };
	}
	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_CPUID_CHECK, &args, &r));
	EXPECT(r.bad == 0 && r.writes == 6);
	q[1].edx ^= 0x80000000;
	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_CPUID_CHECK, &args, &r));
	EXPECT(r.bad == 3 && r.writes == 6 && r.wrong == 1);
	EXPECT(r.eax == q[1].eax && r.edx == (q[1].edx ^ 0x80000000));
	args.value = 0;
	EXPECT(!tinykvm_start_async(tk, 0, TINYKVM_CPUID_CHECK, &args));
	EXPECT(!tinykvm_stop(tk, 0, &r));
	EXPECT(r.writes > 0);
	args.count = PAGES * TINYKVM_PAGE / sizeof(*q);
	EXPECT(tinykvm_run_cmd(tk, 0, TINYKVM_CPUID_CHECK, &args, &r) == -ERANGE);
	return true;
}

/* Returns when each vCPU has written as often as there are pages. */
static bool hammer_for_a_while(unsigned int nvcpus)
{
	struct timespec nap = { .tv_nsec = 10000000 };
	unsigned int vcpu, tries = 3000;

	for (vcpu = 0; vcpu < nvcpus; vcpu++) {
		while (tinykvm_writes(tk, vcpu) < PAGES && tries--)
			nanosleep(&nap, NULL);
		EXPECT(tinykvm_writes(tk, vcpu) >= PAGES);
	}
	return true;
}

static bool hammer_keeps_its_table(unsigned int nvcpus)
{
	struct tinykvm_args args = { .offset = 64, .value = 42 };
	struct tinykvm_result r;
	uint64_t writes = 0, sum = 0;
	uint32_t page, bad = 0;
	unsigned int vcpu;

	for (vcpu = 0; vcpu < nvcpus; vcpu++)
		EXPECT(!tinykvm_start_async(tk, vcpu, TINYKVM_HAMMER, &args));
	EXPECT(tinykvm_start_async(tk, 0, TINYKVM_HAMMER, &args) == -EBUSY);
	EXPECT(hammer_for_a_while(nvcpus));
	for (vcpu = 0; vcpu < nvcpus; vcpu++) {
		EXPECT(!tinykvm_stop(tk, vcpu, &r));
		writes += r.writes;
		bad += r.bad;
	}
	for (page = 0; page < PAGES; page++)
		sum += tinykvm_sequence(tk)[page];
	EXPECT(bad == 0);
	EXPECT(sum == writes);
	EXPECT(tinykvm_check_copy(tk, tinykvm_mem(tk), 64, NULL) == 0);
	return true;
}

static bool hammer_notices_a_lost_write(void)
{
	struct tinykvm_args args = { .offset = 64, .value = 43 };
	struct tinykvm_result r;
	uint32_t page;

	EXPECT(hammer_keeps_its_table(1));
	for (page = 0; page < PAGES && !tinykvm_sequence(tk)[page]; page++)
		;
	EXPECT(page < PAGES);
	--*word(page, 64);
	EXPECT(tinykvm_check_copy(tk, tinykvm_mem(tk), 64, &page) == 1);
	args.first = page;
	args.count = 1;
	EXPECT(!tinykvm_start_async(tk, 0, TINYKVM_HAMMER, &args));
	EXPECT(hammer_for_a_while(1));
	EXPECT(!tinykvm_stop(tk, 0, &r));
	EXPECT(r.bad == 1);
	return true;
}

static bool bad_arguments_are_refused(void)
{
	struct tinykvm_args beyond = { .first = PAGES - 1, .count = 2 };
	struct tinykvm_args odd = { .offset = 2 };
	static const uint32_t list[] = { PAGES };

	EXPECT(tinykvm_run_cmd(tk, 0, TINYKVM_WRITE, &beyond, NULL) == -ERANGE);
	EXPECT(tinykvm_run_cmd(tk, 0, TINYKVM_WRITE, &odd, NULL) == -EINVAL);
	EXPECT(tinykvm_set_list(tk, 0, list, 1) == -EINVAL);
	EXPECT(tinykvm_run_cmd(tk, TINYKVM_VCPUS, TINYKVM_WRITE, &odd, NULL) ==
	       -EINVAL);
	return true;
}

static bool waiting_has_a_limit(void)
{
	struct tinykvm_args args = { .offset = 64 };
	struct tinykvm_args one = { .count = 1 };

	tinykvm_set_limit(tk, 200);
	EXPECT(tinykvm_run_cmd(tk, 0, TINYKVM_HAMMER, &args, NULL) == -ETIMEDOUT);
	tinykvm_set_limit(tk, 60000);
	EXPECT(!tinykvm_run_cmd(tk, 0, TINYKVM_WRITE, &one, NULL));
	return true;
}

static bool one_vcpu_hammers(void)
{
	return hammer_keeps_its_table(1);
}

static bool four_vcpus_hammer(void)
{
	return hammer_keeps_its_table(4);
}

static const struct {
	const char *name;
	unsigned int nvcpus;
	bool (*run)(void);
} tests[] = {
	{ "write touches the named pages only", 1, write_touches_named_pages },
	{ "list touches the listed pages only", 1, list_touches_listed_pages },
	{ "sums are right", 1, sums_are_right },
	{ "CPUID answers", 1, cpuid_answers },
	{ "CPUID is checked by the guest", 1, cpuid_is_checked },
	{ "one vCPU hammers and keeps its table", 1, one_vcpu_hammers },
	{ "four vCPUs hammer and keep their table", 4, four_vcpus_hammer },
	{ "a lost write is noticed", 1, hammer_notices_a_lost_write },
	{ "bad arguments are refused", 1, bad_arguments_are_refused },
	{ "waiting has a limit", 1, waiting_has_a_limit },
};

static struct tinykvm *create_guest(unsigned int nvcpus)
{
	int fd = memfd_create("tinykvm", MFD_CLOEXEC);
	struct tinykvm *guest = NULL;

	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, SIZE))
		guest = tinykvm_create(fd, SIZE, nvcpus);
	close(fd);
	return guest;
}

static void report(unsigned int number, const char *name, bool ok)
{
	printf("%sok %u %s\n", ok ? "" : "not ", number, name);
	failed += !ok;
}

int main(void)
{
	const unsigned int n = sizeof(tests) / sizeof(tests[0]);
	unsigned int i;
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("1..0 # SKIP /dev/kvm: %s\n", strerror(errno));
		return SKIP;
	}
	printf("1..%u\n", n);
	for (i = 0; i < n; i++) {
		tk = create_guest(tests[i].nvcpus);
		if (!tk) {
			printf("# no guest: %s\n", strerror(errno));
			report(i + 1, tests[i].name, false);
			continue;
		}
		ok = tests[i].run();
		report(i + 1, tests[i].name, !tinykvm_destroy(tk) && ok);
	}
	return failed != 0;
}
