/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tinykvm - KVM guests without any system, for tests of guest memory.
 *
 * A tiny guest has one memory region under test, which it sees at TINYKVM_GPA,
 * and 1 to TINYKVM_VCPUS virtual CPUs in flat 32-bit mode that carry out one
 * command each when told to. Its code, tables and mailboxes live in memory of
 * their own, so the pages of the region that get dirty are exactly those that a
 * command names.
 *
 *	fd = open("/run/vmig/t/ram", O_RDWR);
 *	tk = tinykvm_create(fd, 64 << 20, 1);
 *	args = (struct tinykvm_args){ .first = 3, .count = 100, .stride = 2 };
 *	err = tinykvm_run_cmd(tk, 0, TINYKVM_WRITE, &args, NULL);
 *	tinykvm_destroy(tk);
 *
 * Functions return 0 or a negative errno; tinykvm_error() says more. No call
 * waits for a guest longer than the limit (tinykvm_set_limit()).
 *
 * Locking: one thread of the test uses a guest. Its vCPUs may run meanwhile.
 */
#ifndef VMIG_TINYKVM_H
#define VMIG_TINYKVM_H

#include <stddef.h>
#include <stdint.h>

#define TINYKVM_VCPUS		16
#define TINYKVM_PAGE		4096
#define TINYKVM_GPA		0x40000000U
#define TINYKVM_SIZE_MAX	0x80000000U

/**
 * enum tinykvm_cmd - What a vCPU can be told to do.
 * @TINYKVM_WRITE: write the 32-bit words value, value + 1, ... one to each of
 *	count pages, stride pages apart
 * @TINYKVM_WRITE_LIST: the same to the pages of the list (tinykvm_set_list())
 * @TINYKVM_FILL: write value to all words of count pages without gaps
 * @TINYKVM_SUM: add up one word of each of count pages, stride pages apart
 * @TINYKVM_SUM_ALL: add up all words of count pages without gaps
 * @TINYKVM_HAMMER: until stopped, write random pages among count pages without
 *	gaps, of which vCPU i of n takes first + i, first + i + n, ..., so that no
 *	two write the same; see tinykvm_check_copy()
 * @TINYKVM_CPUID: execute CPUID with leaf and subleaf
 * @TINYKVM_CPUID_EMULATED: the same with the prefix that has KVM emulate it; KVM
 *	must have force_emulation_prefix=1
 * @TINYKVM_CPUID_CHECK: ask the questions that begin in page first, all the
 *	count of them (struct tinykvm_cpuid), value times over or until stopped
 */
enum tinykvm_cmd {
	TINYKVM_WRITE,
	TINYKVM_WRITE_LIST,
	TINYKVM_FILL,
	TINYKVM_SUM,
	TINYKVM_SUM_ALL,
	TINYKVM_HAMMER,
	TINYKVM_CPUID,
	TINYKVM_CPUID_EMULATED,
	TINYKVM_CPUID_CHECK,
};

/* A question and its right answer, put into the region by the test. */
struct tinykvm_cpuid {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
};

/**
 * struct tinykvm_args - Arguments of a command; what it does not use is ignored.
 * @first: first page of the region
 * @count: pages; 0 means all from @first on (of the list: all its entries)
 * @stride: pages from one to the next; 0 means 1
 * @offset: byte in each page, a multiple of 4; for TINYKVM_HAMMER of 8
 * @value: first word to write
 * @delay: TINYKVM_HAMMER: empty loops after each write
 * @leaf: TINYKVM_CPUID, TINYKVM_CPUID_EMULATED: EAX
 * @subleaf: see @leaf: ECX
 */
struct tinykvm_args {
	uint32_t first;
	uint32_t count;
	uint32_t stride;
	uint32_t offset;
	uint32_t value;
	uint32_t delay;
	uint32_t leaf;
	uint32_t subleaf;
};

/**
 * struct tinykvm_result - What came of a command.
 * @eax: registers after TINYKVM_CPUID and TINYKVM_CPUID_EMULATED, and as the first
 *	wrong answer to TINYKVM_CPUID_CHECK had them
 * @ebx: see @eax
 * @ecx: see @eax
 * @edx: see @eax
 * @sum: of TINYKVM_SUM and TINYKVM_SUM_ALL
 * @writes: pages written by TINYKVM_HAMMER since its start; answers that
 *	TINYKVM_CPUID_CHECK got
 * @bad: TINYKVM_HAMMER: pages that did not hold what this vCPU wrote last;
 *	TINYKVM_CPUID_CHECK: wrong answers
 * @wrong: TINYKVM_CPUID_CHECK: number of the first wrong answer's question
 * @elapsed_us: how long the vCPU took
 */
struct tinykvm_result {
	uint32_t eax, ebx, ecx, edx;
	uint64_t sum;
	uint64_t writes;
	uint32_t bad;
	uint32_t wrong;
	uint64_t elapsed_us;
};

struct tinykvm;

struct tinykvm *tinykvm_create(int fd, size_t size, unsigned int nvcpus);
struct tinykvm *tinykvm_create_at(void *mem, size_t size, unsigned int nvcpus);
int tinykvm_destroy(struct tinykvm *tk);

void *tinykvm_mem(struct tinykvm *tk);
int tinykvm_vm_fd(struct tinykvm *tk);
int tinykvm_vcpu_fd(struct tinykvm *tk, unsigned int vcpu);
void tinykvm_set_limit(struct tinykvm *tk, unsigned int ms);
const char *tinykvm_error(struct tinykvm *tk);

int tinykvm_set_list(struct tinykvm *tk, unsigned int vcpu,
		     const uint32_t *pages, uint32_t n);
int tinykvm_run_cmd(struct tinykvm *tk, unsigned int vcpu, enum tinykvm_cmd cmd,
		    const struct tinykvm_args *args,
		    struct tinykvm_result *result);

int tinykvm_start_async(struct tinykvm *tk, unsigned int vcpu,
			enum tinykvm_cmd cmd, const struct tinykvm_args *args);
int tinykvm_wait(struct tinykvm *tk, unsigned int vcpu,
		 struct tinykvm_result *result);
int tinykvm_stop(struct tinykvm *tk, unsigned int vcpu,
		 struct tinykvm_result *result);
uint64_t tinykvm_writes(struct tinykvm *tk, unsigned int vcpu);

uint32_t *tinykvm_sequence(struct tinykvm *tk);
size_t tinykvm_check_copy(struct tinykvm *tk, const void *copy,
			  uint32_t offset, uint32_t *first_bad);

#endif
