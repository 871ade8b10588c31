// SPDX-License-Identifier: GPL-2.0
/*
 * Eight vCPUs of four VMs ask for nothing but CPUID, while filters of other VMs
 * come and go, with and without an orderly end of their VMMs. Every answer is
 * compared in the guest.
 *
 * CPUID_ANSWERS=N in the environment is how many answers are to be right; without
 * it a million, on the debug kernel a tenth of that.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "cpuid.h"
#include "node.h"

#define VMS		4
#define VCPUS		2
#define ANSWERS		1000000
#define LIMIT		2400
#define STEP_MS		100
/* No answer for so long is no progress. */
#define STALL_STEPS	600

#define BRAND		0x80000002

/*
 * Each VM is told something else, and by every leaf something else than KVM
 * would tell it.
 */
static void mark(struct cpuid_rules *rules, unsigned int vm)
{
	unsigned int reg;

	cpuid_thin(rules);
	for (reg = EAX; reg <= EDX; reg++)
		cpuid_rule(rules, BRAND, 0, reg)->value = 0x01010101 * (vm + 1);
	if (vm % 2)
		cpuid_thin(rules);
}

/* A VMM's whole life; with @filter or without. Ends in a way of its own. */
static void live(unsigned int life, bool filter)
{
	static struct cpuid_table table;
	static struct cpuid_rules rules;
	struct nl_result result = {};
	struct tinykvm *guest = cpuid_guest(1);
	const char *wrong = "no guest";
	char name[32];
	struct nl nl;

	if (!guest || nl_open(&nl) ||
	    cpuid_read(&nl, tinykvm_vm_fd(guest), &table, &result))
		goto out;
	cpuid_freeze(&table, &rules);
	snprintf(name, sizeof(name), "short-%u", life);
	mark(&rules, life);
	if (filter)
		wrong = cpuid_set(&nl, name, tinykvm_vm_fd(guest), &rules, &result) ?
			result.text : cpuid_check(guest, 0, &table, &rules, 1);
	else
		wrong = cpuid_read(&nl, tinykvm_vm_fd(guest), &table, &result) ?
			result.text : "";
	if (!*wrong && life % 3 == 0)
		raise(SIGKILL);
	if (!*wrong && life % 3 == 1 && tinykvm_destroy(guest))
		wrong = "guest is stuck";
out:
	if (*wrong)
		fprintf(stderr, "# life %u: %s %s\n", life, wrong, result.text);
	_exit(*wrong ? 1 : 0);
}

/* VMMs live and die until @stop closes. Exit status 1 if one saw wrong answers. */
static void churn(int stop, int report)
{
	struct pollfd poll_fd = { .fd = stop, .events = POLLIN };
	unsigned int lives = 0;
	int status;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		pid = fork();
		if (!pid)
			live(lives, lives % 4 != 3);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			_exit(1);
		if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL :
		    WEXITSTATUS(status))
			_exit(1);
		lives++;
	} while (!poll(&poll_fd, 1, 0));
	if (write(report, &lives, sizeof(lives)) != sizeof(lives))
		_exit(1);
	_exit(0);
}

FIXTURE(hammer)
{
	struct tinykvm *guests[VMS];
	struct cpuid_rules rules[VMS];
	struct cpuid_table table;
	struct nl nl;
	int stop[2], report[2];
	pid_t churn;
};

/* The churning process is made first: what it forks has one thread. */
FIXTURE_SETUP(hammer)
{
	struct nl_result result;
	unsigned int vm;
	char name[16];

	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, node_enter());
	ASSERT_EQ(0, pipe(self->stop));
	ASSERT_EQ(0, pipe(self->report));
	self->churn = fork();
	if (!self->churn) {
		close(self->stop[1]);
		churn(self->stop[0], self->report[1]);
	}
	ASSERT_LT(0, self->churn);
	ASSERT_EQ(0, nl_open(&self->nl));
	for (vm = 0; vm < VMS; vm++) {
		self->guests[vm] = cpuid_guest(VCPUS);
		ASSERT_NE(NULL, self->guests[vm]);
		ASSERT_EQ(0, cpuid_read(&self->nl,
					tinykvm_vm_fd(self->guests[vm]),
					&self->table, &result));
		cpuid_freeze(&self->table, &self->rules[vm]);
		mark(&self->rules[vm], vm);
		snprintf(name, sizeof(name), "hammer-%u", vm);
		ASSERT_EQ(0, cpuid_set(&self->nl, name,
				       tinykvm_vm_fd(self->guests[vm]),
				       &self->rules[vm], &result)) {
			TH_LOG("%s", result.text);
		}
	}
}

FIXTURE_TEARDOWN(hammer)
{
	unsigned int vm;

	for (vm = 0; vm < VMS; vm++)
		if (self->guests[vm])
			EXPECT_EQ(0, tinykvm_destroy(self->guests[vm]));
	if (self->churn > 0)
		kill(self->churn, SIGKILL);
	nl_close(&self->nl);
}

static uint64_t sum_answers(struct tinykvm *const *guests)
{
	unsigned int vm, vcpu;
	uint64_t sum = 0;

	for (vm = 0; vm < VMS; vm++)
		for (vcpu = 0; vcpu < VCPUS; vcpu++)
			sum += tinykvm_writes(guests[vm], vcpu);
	return sum;
}

/* Return: how many answers there were when it was enough, or no more came. */
static uint64_t wait_answers(struct tinykvm *const *guests, uint64_t wanted)
{
	unsigned int stall = 0;
	uint64_t now = 0, before;

	do {
		poll(NULL, 0, STEP_MS);
		before = now;
		now = sum_answers(guests);
		stall = now == before ? stall + 1 : 0;
	} while (now < wanted && stall < STALL_STEPS);
	return now;
}

static uint64_t wanted_answers(void)
{
	const char *option = getenv("CPUID_ANSWERS");
	const char *kernel = getenv("VMIG_KERNEL");

	if (option)
		return strtoull(option, NULL, 0);
	return kernel && !strcmp(kernel, "debug") ? ANSWERS / 10 : ANSWERS;
}

TEST_F_TIMEOUT(hammer, every_answer_is_right, LIMIT)
{
	uint64_t wanted = wanted_answers();
	unsigned int vm, vcpu, lives = 0;
	struct tinykvm_args args = { 0 };
	struct tinykvm_result r;
	uint64_t answers = 0;
	int status;

	for (vm = 0; vm < VMS; vm++) {
		struct tinykvm_cpuid *q = tinykvm_mem(self->guests[vm]);

		args.count = cpuid_questions(&self->table, &self->rules[vm], q);
		args.count = cpuid_telling(&self->table, q, args.count);
		ASSERT_LT(20, args.count);
		for (vcpu = 0; vcpu < VCPUS; vcpu++)
			ASSERT_EQ(0, tinykvm_start_async(self->guests[vm], vcpu,
							 TINYKVM_CPUID_CHECK,
							 &args));
	}
	wait_answers(self->guests, wanted);
	for (vm = 0; vm < VMS; vm++)
		for (vcpu = 0; vcpu < VCPUS; vcpu++) {
			ASSERT_EQ(0, tinykvm_stop(self->guests[vm], vcpu, &r));
			EXPECT_EQ(0, r.bad);
			EXPECT_LT(0, r.writes);
			answers += r.writes;
		}
	EXPECT_LE(wanted, answers);
	close(self->stop[1]);
	ASSERT_EQ(self->churn, waitpid(self->churn, &status, 0));
	self->churn = 0;
	EXPECT_EQ(0, status);
	EXPECT_EQ(sizeof(lives), read(self->report[0], &lives, sizeof(lives)));
	EXPECT_LE(3, lives);
	TH_LOG("%llu answers, %u other VMMs", (unsigned long long)answers, lives);
	EXPECT_EQ(VMS, cpuid_wait_filters(&self->nl, VMS));
}

TEST_HARNESS_MAIN
