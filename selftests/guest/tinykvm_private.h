/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of tinykvm share among themselves. */
#ifndef VMIG_TINYKVM_PRIVATE_H
#define VMIG_TINYKVM_PRIVATE_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tinykvm.h"

/* The guest's own memory, from guest physical address 0: code, mailboxes, then
 * the sequence table and a page list for each vCPU.
 */
#define CODE_GPA	0x1000
#define MAILBOX_GPA	0x2000
#define TABLES_GPA	0x4000

/**
 * struct mailbox - Parameters and progress of TINYKVM_HAMMER and, as far as the
 * names say so, of TINYKVM_CPUID_CHECK, one a vCPU.
 *
 * The guest code knows the offsets (tinykvm_guest.c). The size keeps two vCPUs
 * off one cache line.
 */
struct mailbox {
	uint32_t stop;		/* set by the host, read by the guest */
	uint32_t bad;
	uint32_t writes[2];	/* low, high: the guest has 32-bit words only.
				 * Of TINYKVM_CPUID_CHECK answers */
	uint32_t state;		/* of the random numbers; rounds that are left */
	uint32_t owned;		/* number of pages to choose from */
	uint32_t step;		/* from one such page to the next */
	uint32_t index;		/* the first such page */
	uint32_t base;		/* address of the word in page 0 */
	uint32_t table;		/* address of the sequence table */
	uint32_t delay;
	uint32_t wrong;		/* address of the first question answered badly */
	uint32_t answer[4];	/* to it */
	uint32_t pad[16];
};

_Static_assert(sizeof(struct mailbox) == 128, "mailboxes overlap");
_Static_assert(MAILBOX_GPA + TINYKVM_VCPUS * sizeof(struct mailbox) <= TABLES_GPA,
	       "mailboxes reach into the tables");

/**
 * enum vcpu_state - Who may touch a vCPU.
 * @VCPU_IDLE: the test; no command runs
 * @VCPU_RUNNING: its thread
 * @VCPU_QUIT: nobody; the thread ends
 */
enum vcpu_state {
	VCPU_IDLE,
	VCPU_RUNNING,
	VCPU_QUIT,
};

/**
 * struct vcpu - A virtual CPU and the thread that alone runs it.
 *
 * lock protects state and kicked; changed is signalled at each change of state.
 * regs, err and elapsed_us belong to whom the state names.
 */
struct vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum vcpu_state state;
	bool kicked;
	struct kvm_regs regs;
	int err;
	uint64_t elapsed_us;
	char why[128];		/* explains err */
};

int vcpu_create(struct vcpu *v, int kvm_fd, int vm_fd, unsigned int id);
int vcpu_destroy(struct vcpu *v, unsigned int limit_ms);
bool vcpu_is_running(struct vcpu *v);
void vcpu_start(struct vcpu *v, const struct kvm_regs *regs);
int vcpu_wait(struct vcpu *v, unsigned int limit_ms);

extern const uint8_t tinykvm_code_start[], tinykvm_code_end[];
uint32_t tinykvm_code_entry(enum tinykvm_cmd cmd);

#endif
