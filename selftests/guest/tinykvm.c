// SPDX-License-Identifier: GPL-2.0
/* Tiny guests: the VM, its memory and its commands. See tinykvm.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tinykvm_private.h"

#define LIMIT_MS	60000
#define HUGE_SIZE	(2UL << 20)

struct tinykvm {
	int kvm_fd;
	int vm_fd;
	uint8_t *mem;		/* the region under test */
	size_t size;
	bool owns_mem;
	uint8_t *own;		/* the guest's own memory */
	size_t own_size;
	uint32_t pages;		/* of the region */
	uint32_t list_len[TINYKVM_VCPUS];
	uint32_t questions[TINYKVM_VCPUS];	/* where they begin */
	unsigned int limit_ms;
	unsigned int nvcpus;
	char error[160];
	struct vcpu vcpus[TINYKVM_VCPUS];
};

static int fail(struct tinykvm *tk, int err, const char *what)
{
	snprintf(tk->error, sizeof(tk->error), "%s: %s", what, strerror(-err));
	return err;
}

static struct mailbox *mailbox(struct tinykvm *tk, unsigned int vcpu)
{
	return (struct mailbox *)(tk->own + MAILBOX_GPA) + vcpu;
}

static uint32_t list_gpa(struct tinykvm *tk, unsigned int vcpu)
{
	return TABLES_GPA + (1 + vcpu) * tk->pages * sizeof(uint32_t);
}

/* Map at a 2 MiB boundary, where KVM can use huge pages. */
static void *map_aligned(int fd, size_t size)
{
	uint8_t *area, *mem;

	area = mmap(NULL, size + HUGE_SIZE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	mem = (uint8_t *)(((uintptr_t)area + HUGE_SIZE - 1) & -HUGE_SIZE);
	if (mem > area)
		munmap(area, mem - area);
	munmap(mem + size, area + HUGE_SIZE - mem);
	if (mmap(mem, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 0) == MAP_FAILED) {
		munmap(mem, size);
		return NULL;
	}
	return mem;
}

static int add_slot(struct tinykvm *tk, unsigned int slot, uint64_t gpa,
		    void *mem, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	return ioctl(tk->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* Code, mailboxes, sequence table, lists; only what is used costs memory. */
static int make_own_memory(struct tinykvm *tk)
{
	size_t size = list_gpa(tk, tk->nvcpus);

	size = (size + TINYKVM_PAGE - 1) & -TINYKVM_PAGE;
	tk->own = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (tk->own == MAP_FAILED) {
		tk->own = NULL;
		return -errno;
	}
	tk->own_size = size;
	memcpy(tk->own + CODE_GPA, tinykvm_code_start,
	       tinykvm_code_end - tinykvm_code_start);
	return 0;
}

static int make_vm(struct tinykvm *tk)
{
	unsigned int i;
	int err;

	tk->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (tk->kvm_fd < 0)
		return -errno;
	tk->vm_fd = ioctl(tk->kvm_fd, KVM_CREATE_VM, 0);
	if (tk->vm_fd < 0)
		return -errno;
	/* Intel CPUs need these pages for a guest without paging. */
	ioctl(tk->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	err = make_own_memory(tk);
	if (!err)
		err = add_slot(tk, 0, 0, tk->own, tk->own_size);
	if (!err)
		err = add_slot(tk, 1, TINYKVM_GPA, tk->mem, tk->size);
	for (i = 0; !err && i < tk->nvcpus; i++)
		err = vcpu_create(&tk->vcpus[i], tk->kvm_fd, tk->vm_fd, i);
	return err;
}

/**
 * tinykvm_create_at() - Make a tiny guest on memory that is mapped already.
 * @mem: page aligned; stays the caller's and must outlive the guest
 * @size: multiple of the page size, at most TINYKVM_SIZE_MAX
 * @nvcpus: 1 to TINYKVM_VCPUS
 *
 * No vCPU has run when this returns.
 *
 * Return: the guest, or NULL with errno set (ENOENT, EACCES: no KVM here).
 */
struct tinykvm *tinykvm_create_at(void *mem, size_t size, unsigned int nvcpus)
{
	struct tinykvm *tk;
	unsigned int i;
	int err;

	if (!nvcpus || nvcpus > TINYKVM_VCPUS || !size ||
	    size > TINYKVM_SIZE_MAX || size % TINYKVM_PAGE) {
		errno = EINVAL;
		return NULL;
	}
	tk = calloc(1, sizeof(*tk));
	if (!tk)
		return NULL;
	tk->kvm_fd = -1;
	tk->vm_fd = -1;
	for (i = 0; i < TINYKVM_VCPUS; i++)
		tk->vcpus[i].fd = -1;
	tk->mem = mem;
	tk->size = size;
	tk->pages = size / TINYKVM_PAGE;
	tk->nvcpus = nvcpus;
	tk->limit_ms = LIMIT_MS;
	err = make_vm(tk);
	if (!err)
		return tk;
	tinykvm_destroy(tk);
	errno = -err;
	return NULL;
}

/**
 * tinykvm_create() - Make a tiny guest whose memory is a file.
 * @fd: the file, mapped shared from its start; may be closed afterwards
 * @size: see tinykvm_create_at()
 * @nvcpus: see tinykvm_create_at()
 *
 * Return: see tinykvm_create_at().
 */
struct tinykvm *tinykvm_create(int fd, size_t size, unsigned int nvcpus)
{
	void *mem = map_aligned(fd, size);
	struct tinykvm *tk;
	int err;

	if (!mem)
		return NULL;
	tk = tinykvm_create_at(mem, size, nvcpus);
	if (!tk) {
		err = errno;
		munmap(mem, size);
		errno = err;
		return NULL;
	}
	tk->owns_mem = true;
	return tk;
}

/**
 * tinykvm_destroy() - Stop all vCPUs and free the guest.
 *
 * Return: 0, or -ETIMEDOUT if a vCPU is stuck in the kernel; then everything is
 * left as it is, because the vCPU may still use it.
 */
int tinykvm_destroy(struct tinykvm *tk)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < tk->nvcpus; i++) {
		if (vcpu_destroy(&tk->vcpus[i], tk->limit_ms))
			err = -ETIMEDOUT;
	}
	if (err)
		return err;
	if (tk->vm_fd >= 0)
		close(tk->vm_fd);
	if (tk->kvm_fd >= 0)
		close(tk->kvm_fd);
	if (tk->own)
		munmap(tk->own, tk->own_size);
	if (tk->owns_mem)
		munmap(tk->mem, tk->size);
	free(tk);
	return 0;
}

/** tinykvm_mem() - The region as the test sees it. */
void *tinykvm_mem(struct tinykvm *tk)
{
	return tk->mem;
}

int tinykvm_vm_fd(struct tinykvm *tk)
{
	return tk->vm_fd;
}

int tinykvm_vcpu_fd(struct tinykvm *tk, unsigned int vcpu)
{
	return vcpu < tk->nvcpus ? tk->vcpus[vcpu].fd : -1;
}

/** tinykvm_set_limit() - How long to wait for a command; 60 s to begin with. */
void tinykvm_set_limit(struct tinykvm *tk, unsigned int ms)
{
	tk->limit_ms = ms;
}

/** tinykvm_error() - What went wrong last, for a test's message. */
const char *tinykvm_error(struct tinykvm *tk)
{
	return tk->error;
}

/**
 * tinykvm_set_list() - Set the pages of a vCPU's TINYKVM_WRITE_LIST.
 *
 * Return: 0, -EINVAL if there are more entries than the region has pages or one
 * is beyond it, -EBUSY if the vCPU runs a command.
 */
int tinykvm_set_list(struct tinykvm *tk, unsigned int vcpu,
		     const uint32_t *pages, uint32_t n)
{
	uint32_t i;

	if (vcpu >= tk->nvcpus || n > tk->pages)
		return fail(tk, -EINVAL, "list");
	if (vcpu_is_running(&tk->vcpus[vcpu]))
		return fail(tk, -EBUSY, "vCPU runs a command");
	for (i = 0; i < n; i++) {
		if (pages[i] >= tk->pages)
			return fail(tk, -EINVAL, "page in list");
	}
	memcpy(tk->own + list_gpa(tk, vcpu), pages, n * sizeof(*pages));
	tk->list_len[vcpu] = n;
	return 0;
}

static int check_range(struct tinykvm *tk, struct tinykvm_args *a)
{
	if (!a->stride)
		a->stride = 1;
	if (a->first >= tk->pages || a->offset % 4 || a->offset >= TINYKVM_PAGE)
		return -EINVAL;
	if (!a->count)
		a->count = (tk->pages - a->first - 1) / a->stride + 1;
	if ((uint64_t)a->first + (uint64_t)(a->count - 1) * a->stride >= tk->pages)
		return -ERANGE;
	return 0;
}

static int prepare_hammer(struct tinykvm *tk, unsigned int vcpu,
			  const struct tinykvm_args *a)
{
	struct mailbox *m = mailbox(tk, vcpu);

	if (a->offset % 8 || a->count < tk->nvcpus)
		return -EINVAL;
	*m = (struct mailbox){
		.state = a->value + vcpu,
		.owned = (a->count - vcpu - 1) / tk->nvcpus + 1,
		.step = tk->nvcpus,
		.index = a->first + vcpu,
		.base = TINYKVM_GPA + a->offset,
		.table = TABLES_GPA,
		.delay = a->delay,
	};
	return 0;
}

static int prepare_cpuid_check(struct tinykvm *tk, unsigned int vcpu,
			       const struct tinykvm_args *a, struct kvm_regs *r)
{
	size_t begin = (size_t)a->first * TINYKVM_PAGE;
	size_t size = a->count * sizeof(struct tinykvm_cpuid);

	if (!a->count || begin >= tk->size || size > tk->size - begin)
		return -ERANGE;
	*mailbox(tk, vcpu) = (struct mailbox){ .state = a->value };
	tk->questions[vcpu] = TINYKVM_GPA + begin;
	r->rsp = tk->questions[vcpu];
	r->rbp = r->rsp + size;
	r->rdi = MAILBOX_GPA + vcpu * sizeof(struct mailbox);
	return 0;
}

/* Translate a command into the registers its code expects. */
static int prepare(struct tinykvm *tk, unsigned int vcpu, enum tinykvm_cmd cmd,
		   struct tinykvm_args *a, struct kvm_regs *r)
{
	int err = 0;

	*r = (struct kvm_regs){ .rip = tinykvm_code_entry(cmd), .rflags = 2 };
	mailbox(tk, vcpu)->wrong = 0;
	if (cmd == TINYKVM_CPUID_CHECK)
		return prepare_cpuid_check(tk, vcpu, a, r);
	if (cmd == TINYKVM_CPUID || cmd == TINYKVM_CPUID_EMULATED) {
		r->rax = a->leaf;
		r->rcx = a->subleaf;
		return 0;
	}
	if (cmd == TINYKVM_WRITE_LIST) {
		if (!a->count)
			a->count = tk->list_len[vcpu];
		if (!a->count || a->count > tk->list_len[vcpu])
			return -EINVAL;
		a->first = 0;
		r->rbx = list_gpa(tk, vcpu);
	}
	if (cmd == TINYKVM_FILL || cmd == TINYKVM_SUM_ALL ||
	    cmd == TINYKVM_HAMMER || cmd == TINYKVM_WRITE_LIST)
		a->stride = 1;
	if (cmd == TINYKVM_FILL || cmd == TINYKVM_SUM_ALL)
		a->offset = 0;
	err = check_range(tk, a);
	if (err)
		return err;
	r->rsi = TINYKVM_GPA + a->first * TINYKVM_PAGE + a->offset;
	r->rdi = a->stride * TINYKVM_PAGE;
	r->rcx = a->count;
	r->rax = a->value;
	if (cmd == TINYKVM_FILL || cmd == TINYKVM_SUM_ALL) {
		r->rdi = sizeof(uint32_t);
		r->rcx = a->count * (TINYKVM_PAGE / sizeof(uint32_t));
	}
	if (cmd == TINYKVM_HAMMER) {
		r->rbx = MAILBOX_GPA + vcpu * sizeof(struct mailbox);
		err = prepare_hammer(tk, vcpu, a);
	}
	return err;
}

/**
 * tinykvm_start_async() - Start a command and return at once.
 *
 * Return: 0: tinykvm_wait() or tinykvm_stop() must follow; -EINVAL or -ERANGE if
 * the arguments do not fit the region; -EBUSY if the vCPU runs a command.
 */
int tinykvm_start_async(struct tinykvm *tk, unsigned int vcpu,
			enum tinykvm_cmd cmd, const struct tinykvm_args *args)
{
	struct tinykvm_args a = *args;
	struct kvm_regs regs;
	int err;

	if (vcpu >= tk->nvcpus || cmd > TINYKVM_CPUID_CHECK)
		return fail(tk, -EINVAL, "vCPU or command");
	/* Before prepare(), which writes to the mailbox. */
	if (vcpu_is_running(&tk->vcpus[vcpu]))
		return fail(tk, -EBUSY, "vCPU runs a command");
	err = prepare(tk, vcpu, cmd, &a, &regs);
	if (err)
		return fail(tk, err, "arguments");
	vcpu_start(&tk->vcpus[vcpu], &regs);
	return 0;
}

/**
 * tinykvm_wait() - Wait until the command that was started ends by itself.
 * @result: filled in unless NULL
 *
 * Return: 0, -ETIMEDOUT if the limit passed and the command was cut off, -EIO
 * if the guest stopped elsewhere, or what KVM_RUN returned.
 */
int tinykvm_wait(struct tinykvm *tk, unsigned int vcpu,
		 struct tinykvm_result *result)
{
	struct vcpu *v = &tk->vcpus[vcpu];
	struct mailbox *m = mailbox(tk, vcpu);
	int err;

	err = vcpu_wait(v, tk->limit_ms);
	if (err)
		return fail(tk, err, v->why);
	if (result)
		*result = (struct tinykvm_result){
			.eax = v->regs.rax, .ebx = v->regs.rbx,
			.ecx = v->regs.rcx, .edx = v->regs.rdx,
			.sum = v->regs.rdx << 32 | (uint32_t)v->regs.rax,
			.writes = tinykvm_writes(tk, vcpu),
			.bad = m->bad,
			.elapsed_us = v->elapsed_us,
		};
	if (result && m->wrong) {
		result->wrong = (m->wrong - tk->questions[vcpu]) /
				sizeof(struct tinykvm_cpuid);
		result->eax = m->answer[0];
		result->ebx = m->answer[1];
		result->ecx = m->answer[2];
		result->edx = m->answer[3];
	}
	return 0;
}

/** tinykvm_run_cmd() - tinykvm_start_async() and tinykvm_wait() in one. */
int tinykvm_run_cmd(struct tinykvm *tk, unsigned int vcpu, enum tinykvm_cmd cmd,
		    const struct tinykvm_args *args,
		    struct tinykvm_result *result)
{
	int err = tinykvm_start_async(tk, vcpu, cmd, args);

	return err ? err : tinykvm_wait(tk, vcpu, result);
}

/**
 * tinykvm_stop() - End TINYKVM_HAMMER after its current page, TINYKVM_CPUID_CHECK
 * after its current question, and wait for it.
 */
int tinykvm_stop(struct tinykvm *tk, unsigned int vcpu,
		 struct tinykvm_result *result)
{
	__atomic_store_n(&mailbox(tk, vcpu)->stop, 1, __ATOMIC_SEQ_CST);
	return tinykvm_wait(tk, vcpu, result);
}

/**
 * tinykvm_writes() - How many pages TINYKVM_HAMMER has written so far, or how many
 * answers TINYKVM_CPUID_CHECK got.
 */
uint64_t tinykvm_writes(struct tinykvm *tk, unsigned int vcpu)
{
	const volatile struct mailbox *m = mailbox(tk, vcpu);
	uint32_t high, low;

	do {
		high = m->writes[1];
		low = m->writes[0];
	} while (high != m->writes[1]);
	return (uint64_t)high << 32 | low;
}

/**
 * tinykvm_sequence() - How often TINYKVM_HAMMER wrote each page; 0 for never.
 *
 * May be copied into another guest's, which then goes on where this one ended.
 */
uint32_t *tinykvm_sequence(struct tinykvm *tk)
{
	return (uint32_t *)(tk->own + TABLES_GPA);
}

/**
 * tinykvm_check_copy() - Compare a copy of the region with the sequence table.
 * @copy: as long as the region; may be the region itself
 * @offset: what TINYKVM_HAMMER was given
 * @first_bad: set to the first page that differs, unless NULL
 *
 * No vCPU may be running. Pages that were never written are not looked at.
 *
 * Return: number of pages that are not as the guest wrote them last.
 */
size_t tinykvm_check_copy(struct tinykvm *tk, const void *copy,
			  uint32_t offset, uint32_t *first_bad)
{
	const uint32_t *table = tinykvm_sequence(tk);
	size_t bad = 0;
	uint32_t page;

	for (page = 0; page < tk->pages; page++) {
		const uint32_t *word = (const uint32_t *)((const uint8_t *)copy +
					(size_t)page * TINYKVM_PAGE + offset);

		if (!table[page] || (word[0] == table[page] && word[1] == page))
			continue;
		if (!bad++ && first_bad)
			*first_bad = page;
	}
	return bad;
}
