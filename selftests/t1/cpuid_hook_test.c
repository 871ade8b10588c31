// SPDX-License-Identifier: GPL-2.0
/*
 * The hook in KVM: when it cannot be installed, what it keeps from being taken
 * away, and that nothing of it stays. Modules and a sysctl of the whole host are
 * changed, and put back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "cpuid.h"

#define LIMIT		240
#define FTRACE		"/proc/sys/kernel/ftrace_enabled"
#define MOUNTPOINT	"/run/vmig"
#define WAIT_STEPS	1000
#define STEP_MS		20

FIXTURE(hook)
{
	struct nl nl;
	struct nl_result result;
	char reason[512];
};

FIXTURE_SETUP(hook)
{
	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, cpuid_wait_filters(&self->nl, 0));
}

FIXTURE_TEARDOWN(hook)
{
	nl_close(&self->nl);
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

static int references(const char *module)
{
	char path[64], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return atoi(text);
}

static int wait_references(const char *module, int n)
{
	unsigned int steps = WAIT_STEPS;

	while (references(module) != n && --steps)
		poll(NULL, 0, STEP_MS);
	return references(module);
}

/* The end of the hook is what its put leaves to a worker. */
static int wait_write(const char *path, const char *text)
{
	unsigned int steps = WAIT_STEPS;

	while (write_file(path, text) && --steps)
		poll(NULL, 0, STEP_MS);
	return steps ? 0 : -1;
}

/* A VMM with a filter that says so by @told and waits for a signal. */
static void run_vmm(int told, int go)
{
	static struct cpuid_table table;
	static struct cpuid_rules rules;
	struct tinykvm *guest = cpuid_guest(1);
	struct nl_result result;
	struct nl nl;
	char c = 'n';

	if (guest && !nl_open(&nl) &&
	    !cpuid_read(&nl, tinykvm_vm_fd(guest), &table, &result)) {
		cpuid_freeze(&table, &rules);
		cpuid_rule(&rules, 0x80000002, 0, EAX)->value = 0x67696d76;
		if (!cpuid_set(&nl, "hook", tinykvm_vm_fd(guest), &rules,
			       &result))
			c = 'y';
	}
	do {
		if (write(told, &c, 1) != 1 || read(go, &c, 1) != 1)
			break;
		c = *cpuid_check(guest, 0, &table, &rules, 1) ? 'n' : 'y';
	} while (1);
	_exit(0);
}

struct vmm {
	pid_t pid;
	int told[2], go[2];
};

static bool start_vmm(struct vmm *vmm)
{
	char c = 'n';

	if (pipe2(vmm->told, O_CLOEXEC) || pipe2(vmm->go, O_CLOEXEC))
		return false;
	vmm->pid = fork();
	if (!vmm->pid) {
		close(vmm->go[1]);
		run_vmm(vmm->told[1], vmm->go[0]);
	}
	return vmm->pid > 0 && read(vmm->told[0], &c, 1) == 1 && c == 'y';
}

static bool check_vmm(struct vmm *vmm)
{
	char c = 'c';

	return write(vmm->go[1], &c, 1) == 1 && read(vmm->told[0], &c, 1) == 1 &&
	       c == 'y';
}

static void end_vmm(struct vmm *vmm)
{
	kill(vmm->pid, SIGKILL);
	waitpid(vmm->pid, NULL, 0);
	close(vmm->told[0]);
	close(vmm->told[1]);
	close(vmm->go[0]);
	close(vmm->go[1]);
}

TEST_F_TIMEOUT(hook, not_without_tracing, LIMIT)
{
	static struct cpuid_table table;
	static struct cpuid_rules rules;
	struct tinykvm *guest = cpuid_guest(1);
	int fd;

	ASSERT_NE(NULL, guest);
	fd = tinykvm_vm_fd(guest);
	ASSERT_EQ(0, wait_write(FTRACE, "0"));
	EXPECT_EQ(EOPNOTSUPP, cpuid_support(&self->nl, self->reason,
					    sizeof(self->reason)));
	EXPECT_NE(NULL, strstr(self->reason, "set kernel.ftrace_enabled=1")) {
		TH_LOG("'%s'", self->reason);
	}
	/* What KVM would answer can be told all the same. */
	EXPECT_EQ(0, cpuid_read(&self->nl, fd, &table, &self->result));
	cpuid_freeze(&table, &rules);
	EXPECT_EQ(EOPNOTSUPP, cpuid_set(&self->nl, "t", fd, &rules,
					&self->result));
	EXPECT_STREQ(self->reason, self->result.text);
	EXPECT_EQ(0, cpuid_count_filters(&self->nl));
	EXPECT_EQ(0, write_file(FTRACE, "1"));
	EXPECT_EQ(0, cpuid_support(&self->nl, self->reason,
				   sizeof(self->reason)));
	EXPECT_EQ(0, cpuid_set(&self->nl, "t", fd, &rules, &self->result));
	EXPECT_STREQ("", cpuid_check(guest, 0, &table, &rules, 1));
	EXPECT_EQ(0, tinykvm_destroy(guest));
}

TEST_F_TIMEOUT(hook, tracing_cannot_be_switched_off, LIMIT)
{
	struct vmm vmm;

	ASSERT_TRUE(start_vmm(&vmm));
	EXPECT_EQ(-1, write_file(FTRACE, "0"));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_TRUE(check_vmm(&vmm));
	end_vmm(&vmm);
	EXPECT_EQ(0, wait_write(FTRACE, "0"));
	EXPECT_EQ(0, write_file(FTRACE, "1"));
}

/* A tracer on the same function neither sees an endless loop nor breaks it. */
TEST_F_TIMEOUT(hook, goes_with_a_tracer, LIMIT)
{
	static const char tracing[] = "/sys/kernel/tracing/";
	static const struct {
		const char *file, *text;
	} on[] = {
		{ "set_ftrace_filter", "kvm_cpuid" },
		{ "set_graph_function", "kvm_cpuid" },
		{ "current_tracer", "function" },
		{ "current_tracer", "function_graph" },
		{ "current_tracer", "nop" },
		{ "set_ftrace_filter", "" },
		{ "set_graph_function", "" },
	};
	char path[128];
	struct vmm vmm;
	size_t i;

	if (access("/sys/kernel/tracing/current_tracer", W_OK) &&
	    mount("tracefs", tracing, "tracefs", 0, NULL))
		SKIP(return, "no tracefs");
	ASSERT_TRUE(start_vmm(&vmm));
	for (i = 0; i < ARRAY_SIZE(on); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s%s", tracing, on[i].file);
		/* An empty write clears a filter. */
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (fd >= 0 && *on[i].text &&
		    write(fd, on[i].text, strlen(on[i].text)) < 0)
			TH_LOG("%s: %s: %s", path, on[i].text, strerror(errno));
		close(fd);
		EXPECT_TRUE(check_vmm(&vmm));
	}
	end_vmm(&vmm);
}

static int run(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The hook holds KVM until it is gone. */
static int wait_no_kvm(void)
{
	unsigned int steps = WAIT_STEPS;

	while (references("kvm") >= 0 && run("rmmod kvm 2>/dev/null") && --steps)
		poll(NULL, 0, STEP_MS);
	return steps ? 0 : -1;
}

TEST_F_TIMEOUT(hook, not_without_kvm, LIMIT)
{
	if (run("modprobe -r kvm_amd 2>/dev/null || modprobe -r kvm_intel 2>/dev/null"))
		SKIP(return, "KVM cannot be unloaded");
	EXPECT_EQ(0, wait_no_kvm());
	EXPECT_EQ(EOPNOTSUPP, cpuid_support(&self->nl, self->reason,
					    sizeof(self->reason)));
	EXPECT_NE(NULL, strstr(self->reason, "KVM is not loaded")) {
		TH_LOG("'%s'", self->reason);
	}
	EXPECT_EQ(0, run("modprobe kvm_amd 2>/dev/null || modprobe kvm_intel"));
	EXPECT_EQ(0, cpuid_support(&self->nl, self->reason,
				   sizeof(self->reason)));
}

static int unload(void)
{
	return syscall(SYS_delete_module, "vmig", O_NONBLOCK);
}

static int load(void)
{
	const char *module = getenv("VMIG_MODULE");
	struct utsname name;
	char path[512];
	int fd, err;

	uname(&name);
	snprintf(path, sizeof(path), "%s/build/%s/vmig.ko",
		 getenv("VMIG_TOP") ?: "../../..", name.release);
	fd = open(module ?: path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	err = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return err;
}

/* Mount options of vmigfs on MOUNTPOINT; "" if it is not there. */
static void find_mount(char *options, size_t size)
{
	char line[512], where[256], opts[256];
	FILE *file = fopen("/proc/mounts", "re");

	*options = '\0';
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "vmig %255s vmigfs %255s", where, opts) == 2 &&
		    !strcmp(where, MOUNTPOINT))
			snprintf(options, size, "%s", opts);
	if (file)
		fclose(file);
}

TEST_F_TIMEOUT(hook, keeps_the_module, LIMIT)
{
	char options[256];
	struct vmm vmm;
	int kvm;

	find_mount(options, sizeof(options));
	if (*options)
		ASSERT_EQ(0, umount(MOUNTPOINT));
	ASSERT_EQ(0, wait_references("vmig", 0));
	ASSERT_TRUE(start_vmm(&vmm));
	EXPECT_EQ(1, references("vmig"));
	kvm = references("kvm");
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_TRUE(check_vmm(&vmm));
	end_vmm(&vmm);
	EXPECT_EQ(0, wait_references("vmig", 0));
	/* The module does not go without the hook. */
	EXPECT_EQ(0, unload());
	EXPECT_GT(kvm, references("kvm"));
	ASSERT_EQ(0, load());
	if (*options)
		ASSERT_EQ(0, mount("vmig", MOUNTPOINT, "vmigfs", 0, NULL));
	nl_close(&self->nl);
	ASSERT_EQ(0, nl_open(&self->nl));
	EXPECT_EQ(0, cpuid_support(&self->nl, self->reason,
				   sizeof(self->reason)));
}

TEST_HARNESS_MAIN
