// SPDX-License-Identifier: GPL-2.0
/* Which VMs a CPUID filter can be set for, when, and how long it stays. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "cpuid.h"
#include "node.h"

#define LIMIT		240
#define RESTARTS	20

/* A VMM in a process of its own, which does as it is told by one byte. */
struct vmm {
	pid_t pid;
	int tell;	/* 'c': check, 'f': fork, 'q': quit */
	int hear;	/* its answer, 'y' or 'n' */
	int kvm_fd;	/* its VM, in this process */
};

FIXTURE(attach)
{
	struct nl nl;
	struct nl_result result;
	struct cpuid_table table;
	struct cpuid_rules rules;
	struct vmm vmm;
};

/* What every VM is given here: its own CPUID, under another name. */
static int make_rules(struct nl *nl, int fd, struct cpuid_table *table,
		      struct cpuid_rules *rules)
{
	struct nl_result result;
	int err = cpuid_read(nl, fd, table, &result);

	if (err)
		return err;
	cpuid_freeze(table, rules);
	cpuid_rule(rules, 0x80000002, 0, EAX)->value = 0x67696d76;
	return 0;
}

static bool run_vmm_check(struct tinykvm *guest)
{
	static struct cpuid_table table;
	static struct cpuid_rules rules;
	const char *wrong;
	struct nl nl;

	if (nl_open(&nl) || make_rules(&nl, tinykvm_vm_fd(guest), &table, &rules))
		return false;
	wrong = cpuid_check(guest, 0, &table, &rules, 1);
	if (*wrong)
		fprintf(stderr, "# the VMM's guest: %s\n", wrong);
	nl_close(&nl);
	return !*wrong;
}

/* A child with all of the VMM's files that outlives it by 5 s at most. */
static bool run_vmm_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 0);
		poll(NULL, 0, 5000);
		_exit(0);
	}
	return pid > 0;
}

static void run_vmm(int hear, int tell)
{
	struct tinykvm *guest = cpuid_guest(2);
	int fd = guest ? tinykvm_vm_fd(guest) : -1;
	bool ok = true;
	char command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(tell, &fd, sizeof(fd)) != sizeof(fd))
		_exit(1);
	while (read(hear, &command, 1) == 1 && command != 'q') {
		if (command == 'c')
			ok = run_vmm_check(guest);
		else if (command == 'f')
			ok = run_vmm_fork();
		if (write(tell, ok ? "y" : "n", 1) != 1)
			break;
	}
	_exit(0);
}

/* As the agent does: the VM comes from the VMM by pidfd_getfd(). */
static int take_fd(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int taken;

	if (pidfd < 0)
		return -1;
	taken = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	close(pidfd);
	return taken;
}

static int start_vmm(struct vmm *vmm)
{
	int to[2], from[2], fd;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return -1;
	vmm->pid = fork();
	if (vmm->pid < 0)
		return -1;
	if (!vmm->pid) {
		close(to[1]);
		close(from[0]);
		run_vmm(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	vmm->tell = to[1];
	vmm->hear = from[0];
	if (read(vmm->hear, &fd, sizeof(fd)) != sizeof(fd) || fd < 0)
		return -1;
	vmm->kvm_fd = take_fd(vmm->pid, fd);
	return vmm->kvm_fd < 0 ? -1 : 0;
}

static bool tell_vmm(struct vmm *vmm, char command)
{
	char answer = 'n';

	return write(vmm->tell, &command, 1) == 1 &&
	       read(vmm->hear, &answer, 1) == 1 && answer == 'y';
}

static void end_vmm(struct vmm *vmm)
{
	if (vmm->pid <= 0)
		return;
	kill(vmm->pid, SIGKILL);
	waitpid(vmm->pid, NULL, 0);
	close(vmm->tell);
	close(vmm->hear);
	if (vmm->kvm_fd >= 0)
		close(vmm->kvm_fd);
	vmm->pid = 0;
}

FIXTURE_SETUP(attach)
{
	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, node_enter());
	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, start_vmm(&self->vmm));
	ASSERT_EQ(0, make_rules(&self->nl, self->vmm.kvm_fd, &self->table,
				&self->rules));
}

FIXTURE_TEARDOWN(attach)
{
	end_vmm(&self->vmm);
	nl_close(&self->nl);
}

#define SET(name, fd)							\
	cpuid_set(&self->nl, name, fd, &self->rules, &self->result)

#define EXPECT_REFUSED(errno, sentence, attr) do {			\
	EXPECT_EQ(errno, self->result.error);				\
	EXPECT_NE(NULL, strstr(self->result.text, sentence)) {		\
		TH_LOG("'%s'", self->result.text);			\
	}								\
	EXPECT_EQ(VMIG_A_CPUID_##attr, self->result.bad);		\
} while (0)

TEST_F_TIMEOUT(attach, vm_of_another_process, LIMIT)
{
	struct cpuid_filter *filter = malloc(sizeof(*filter));

	ASSERT_NE(NULL, filter);
	EXPECT_EQ(0, SET("web1", self->vmm.kvm_fd));
	EXPECT_TRUE(tell_vmm(&self->vmm, 'c'));
	ASSERT_EQ(0, cpuid_get(&self->nl, "web1", filter, &self->result));
	EXPECT_EQ((uint32_t)self->vmm.pid, filter->pid);
	EXPECT_LT(100, filter->queries);
	free(filter);
}

/* Refused, and the guest goes on seeing what it saw. */
TEST_F_TIMEOUT(attach, not_after_the_first_run, LIMIT)
{
	struct tinykvm *guest = cpuid_guest(2);
	struct tinykvm_args args = { .leaf = 0x80000002 };
	struct tinykvm_result before, after;
	unsigned int vcpu;

	ASSERT_NE(NULL, guest);
	for (vcpu = 0; vcpu < 2; vcpu++) {
		ASSERT_EQ(0, tinykvm_run_cmd(guest, 1 - vcpu, TINYKVM_CPUID,
					     &args, &before));
		EXPECT_EQ(EBUSY, SET("late", tinykvm_vm_fd(guest)));
		EXPECT_REFUSED(EBUSY, "of this VM has run and may have seen",
			       KVM_FD);
		ASSERT_EQ(0, tinykvm_run_cmd(guest, 0, TINYKVM_CPUID, &args,
					     &after));
		EXPECT_EQ(before.eax, after.eax);
	}
	EXPECT_EQ(0, cpuid_count_filters(&self->nl));
	EXPECT_EQ(0, tinykvm_destroy(guest));
}

TEST_F_TIMEOUT(attach, not_while_it_runs, LIMIT)
{
	struct tinykvm *guest = cpuid_guest(2);
	struct tinykvm_args args = { .value = 0 };

	ASSERT_NE(NULL, guest);
	args.count = cpuid_questions(&self->table, &self->rules,
				     tinykvm_mem(guest));
	ASSERT_EQ(0, tinykvm_start_async(guest, 1, TINYKVM_CPUID_CHECK, &args));
	while (!tinykvm_writes(guest, 1))
		poll(NULL, 0, 1);
	EXPECT_EQ(EBUSY, SET("late", tinykvm_vm_fd(guest)));
	EXPECT_REFUSED(EBUSY, "vCPU 1 of this VM is running", KVM_FD);
	EXPECT_EQ(0, tinykvm_stop(guest, 1, NULL));
	EXPECT_EQ(0, tinykvm_destroy(guest));
}

TEST_F_TIMEOUT(attach, only_kvm_machines, LIMIT)
{
	struct tinykvm *guest = cpuid_guest(1);
	int fds[8], n = 0, ends[2];
	struct cpuid_table table;
	int i;

	ASSERT_NE(NULL, guest);
	fds[n++] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, pipe(ends));
	fds[n++] = ends[0];
	fds[n++] = ends[1];
	fds[n++] = socket(AF_UNIX, SOCK_STREAM, 0);
	fds[n++] = memfd_create("no-vm", 0);
	fds[n++] = tinykvm_vcpu_fd(guest, 0);
	fds[n++] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	for (i = 0; i < n; i++) {
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ(EINVAL, SET("no-vm", fds[i]));
		EXPECT_REFUSED(EINVAL, "is no KVM virtual machine", KVM_FD);
		EXPECT_EQ(EINVAL, cpuid_read(&self->nl, fds[i], &table,
					     &self->result));
		EXPECT_REFUSED(EINVAL, "is no KVM virtual machine", KVM_FD);
	}
	close(fds[0]);
	fds[1] = -1;
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(EBADF, SET("no-vm", fds[i]));
		EXPECT_REFUSED(EBADF, "is no open file", KVM_FD);
		EXPECT_EQ(EBADF, cpuid_read(&self->nl, fds[i], &table,
					    &self->result));
	}
	EXPECT_EQ(0, cpuid_count_filters(&self->nl));
	EXPECT_EQ(0, tinykvm_destroy(guest));
}

/* A VM that its VMM has not made complete. */
TEST_F_TIMEOUT(attach, not_without_vcpu, LIMIT)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	struct cpuid_table table;
	int vcpu;

	ASSERT_LE(0, vm);
	EXPECT_EQ(ENOENT, SET("empty", vm));
	EXPECT_REFUSED(ENOENT, "has no vCPU yet", KVM_FD);
	EXPECT_EQ(ENOENT, cpuid_read(&self->nl, vm, &table, &self->result));
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, vcpu);
	EXPECT_EQ(ENOENT, SET("empty", vm));
	EXPECT_REFUSED(ENOENT, "has not given vCPU 0 its CPUID", KVM_FD);
	close(vcpu);
	close(vm);
	close(kvm);
}

TEST_F_TIMEOUT(attach, one_filter_a_vm, LIMIT)
{
	ASSERT_EQ(0, SET("web1", self->vmm.kvm_fd));
	EXPECT_EQ(EEXIST, SET("web2", self->vmm.kvm_fd));
	EXPECT_REFUSED(EEXIST, "has a CPUID filter already, known as web1",
		       KVM_FD);
	EXPECT_TRUE(tell_vmm(&self->vmm, 'c'));
}

TEST_F_TIMEOUT(attach, one_vm_a_name, LIMIT)
{
	struct vmm other = { 0 };

	ASSERT_EQ(0, start_vmm(&other));
	ASSERT_EQ(0, SET("web1", self->vmm.kvm_fd));
	EXPECT_EQ(EEXIST, SET("web1", other.kvm_fd));
	EXPECT_REFUSED(EEXIST, "has a CPUID filter known as web1", VM);
	EXPECT_EQ(0, SET("web2", other.kvm_fd));
	end_vmm(&self->vmm);
	ASSERT_EQ(1, cpuid_wait_filters(&self->nl, 1));
	ASSERT_EQ(0, start_vmm(&self->vmm));
	EXPECT_EQ(0, SET("web1", self->vmm.kvm_fd));
	EXPECT_TRUE(tell_vmm(&self->vmm, 'c'));
	EXPECT_TRUE(tell_vmm(&other, 'c'));
	end_vmm(&other);
}

TEST_F_TIMEOUT(attach, goes_when_the_vmm_is_killed, LIMIT)
{
	struct cpuid_filter *filter = malloc(sizeof(*filter));

	ASSERT_NE(NULL, filter);
	ASSERT_EQ(0, SET("web1", self->vmm.kvm_fd));
	EXPECT_EQ(1, cpuid_count_filters(&self->nl));
	kill(self->vmm.pid, SIGKILL);
	EXPECT_EQ(0, cpuid_wait_filters(&self->nl, 0));
	EXPECT_EQ(ENOENT, cpuid_get(&self->nl, "web1", filter, &self->result));
	EXPECT_REFUSED(ENOENT, "VM web1 has no CPUID filter", VM);
	free(filter);
}

/*
 * As when a VM is started anew at once: its name is free with its VMM. In real
 * time, so that on one processor no worker comes between the two.
 */
TEST_F_TIMEOUT(attach, the_name_is_free_at_once, LIMIT)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct vmm next = { 0 };
	unsigned int i;

	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &param));
	for (i = 0; i < RESTARTS; i++) {
		ASSERT_EQ(0, start_vmm(&next));
		ASSERT_EQ(0, SET("web1", self->vmm.kvm_fd)) {
			TH_LOG("start %u: %s", i, self->result.text);
		}
		end_vmm(&self->vmm);
		self->vmm = next;
	}
	EXPECT_EQ(0, SET("web1", self->vmm.kvm_fd));
	EXPECT_TRUE(tell_vmm(&self->vmm, 'c'));
}

/* Whoever has a file of the VM cannot run it. */
TEST_F_TIMEOUT(attach, goes_though_a_child_of_the_vmm_lives, LIMIT)
{
	ASSERT_EQ(0, SET("web1", self->vmm.kvm_fd));
	EXPECT_TRUE(tell_vmm(&self->vmm, 'f'));
	kill(self->vmm.pid, SIGKILL);
	EXPECT_EQ(0, cpuid_wait_filters(&self->nl, 0));
	EXPECT_EQ(ESRCH, SET("web1", self->vmm.kvm_fd));
	EXPECT_REFUSED(ESRCH, "The VMM of this virtual machine has ended", KVM_FD);
}

/* A VMM that closes its VM can make another, whose filter is another. */
TEST_F_TIMEOUT(attach, stays_though_the_vm_is_closed, LIMIT)
{
	struct tinykvm *guest = cpuid_guest(1);

	ASSERT_NE(NULL, guest);
	ASSERT_EQ(0, SET("first", tinykvm_vm_fd(guest)));
	EXPECT_EQ(0, tinykvm_destroy(guest));
	EXPECT_EQ(1, cpuid_count_filters(&self->nl));
	guest = cpuid_guest(1);
	ASSERT_NE(NULL, guest);
	ASSERT_EQ(0, SET("second", tinykvm_vm_fd(guest)));
	EXPECT_STREQ("", cpuid_check(guest, 0, &self->table, &self->rules, 1));
	EXPECT_EQ(2, cpuid_count_filters(&self->nl));
	EXPECT_EQ(0, tinykvm_destroy(guest));
}

TEST_F_TIMEOUT(attach, nodes_do_not_see_each_other, LIMIT)
{
	struct cpuid_filter *filter = malloc(sizeof(*filter));
	struct vmm other = { 0 };
	struct nl there;

	ASSERT_NE(NULL, filter);
	ASSERT_EQ(0, SET("web1", self->vmm.kvm_fd));
	ASSERT_EQ(0, start_vmm(&other));
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, nl_open(&there));
	EXPECT_EQ(0, cpuid_count_filters(&there));
	EXPECT_EQ(ENOENT, cpuid_get(&there, "web1", filter, &self->result));
	EXPECT_EQ(EEXIST, cpuid_set(&there, "web1", self->vmm.kvm_fd,
				    &self->rules, &self->result));
	EXPECT_EQ(0, cpuid_set(&there, "web1", other.kvm_fd, &self->rules,
			       &self->result));
	EXPECT_EQ(1, cpuid_count_filters(&there));
	EXPECT_EQ(1, cpuid_count_filters(&self->nl));
	nl_close(&there);
	end_vmm(&other);
	free(filter);
}

/* A namespace goes, some time after its last user; the filters of its VMs stay. */
TEST_F_TIMEOUT(attach, outlives_its_node, LIMIT)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	unsigned int tries = 500;
	struct nl there;

	ASSERT_LE(0, home);
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, nl_open(&there));
	ASSERT_EQ(0, cpuid_set(&there, "web1", self->vmm.kvm_fd, &self->rules,
			       &self->result));
	nl_close(&there);
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	do {
		poll(NULL, 0, 20);
		ASSERT_EQ(EEXIST, SET("web1", self->vmm.kvm_fd));
	} while (!strstr(self->result.text, "namespace that is gone") && --tries);
	EXPECT_REFUSED(EEXIST, "known as web1 in a network namespace that is gone",
		       KVM_FD);
	EXPECT_TRUE(tell_vmm(&self->vmm, 'c'));
	EXPECT_EQ(0, cpuid_count_filters(&self->nl));
}

TEST_HARNESS_MAIN
