// SPDX-License-Identifier: GPL-2.0
/*
 * What a CPUID filter costs: the time of one CPUID of a tiny guest, exit and
 * entry included.
 *
 *   cpuid [-r ROUNDS] [-n CPUIDS] [-v VMS]
 *
 * In each round a guest without filter is measured where no VM has one; a guest
 * with a filter, and the one without beside it; and a guest with a filter beside
 * VMS others with one each. Every other round goes the other way round. A filter
 * goes with its VMM, so that each of these is a process. Machines that
 * do this have neighbours, who only ever slow it down: a measurement is the
 * quickest of some. Figures are medians over the rounds, in parentheses the
 * least and the most; ratios are of the same round.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cpuid.h"

#define ROUNDS_MAX	200
#define CPUIDS_MAX	100000
#define VMS_MAX		1024
#define LEAVES		8
#define SAMPLES		20
#define STEP_MS		20
#define WAIT_STEPS	1000

/* Leaves at both ends of the filter's table and in the middle. */
static const uint32_t leaves[LEAVES] = {
	0x0, 0x1, 0x7, 0xd, 0x40000000, 0x80000001, 0x80000008, 0x80000021,
};

enum figure { NO_HOOK, FILTER, HOOK, MANY, FIGURES };

static unsigned int rounds = 20, cpuids = 8000, vms = 383;
static double ns[FIGURES][ROUNDS_MAX];

static void die(const char *what)
{
	fprintf(stderr, "cpuid: %s: %s\n", what, strerror(errno));
	exit(1);
}

struct guest {
	struct tinykvm *guest;
	struct cpuid_table table;
	struct cpuid_rules rules;
};

static double sample(struct tinykvm *guest)
{
	struct tinykvm_args args = {
		.count = LEAVES, .value = cpuids / SAMPLES / LEAVES,
	};
	struct tinykvm_result r;

	if (tinykvm_run_cmd(guest, 0, TINYKVM_CPUID_CHECK, &args, &r)) {
		fprintf(stderr, "cpuid: %s\n", tinykvm_error(guest));
		exit(1);
	}
	if (r.bad || r.writes != (uint64_t)args.value * LEAVES) {
		fprintf(stderr, "cpuid: %u wrong answers of %llu\n", r.bad,
			(unsigned long long)r.writes);
		exit(1);
	}
	return r.elapsed_us * 1000.0 / r.writes;
}

/* Return: ns a CPUID of a guest, which sees what its table and @rules say. */
static double measure(struct guest *g, const struct cpuid_rules *rules)
{
	struct tinykvm_cpuid *q = tinykvm_mem(g->guest);
	double time, least = 0;
	unsigned int i;

	for (i = 0; i < LEAVES; i++) {
		uint32_t reg[4];

		cpuid_expect(&g->table, rules, leaves[i], 0, reg);
		q[i] = (struct tinykvm_cpuid){ leaves[i], 0, reg[EAX], reg[EBX],
					       reg[ECX], reg[EDX] };
	}
	for (i = 0; i < SAMPLES; i++) {
		time = sample(g->guest);
		if (!i || time < least)
			least = time;
	}
	return least;
}

static void make_guest(struct nl *nl, struct guest *g)
{
	struct nl_result result;

	g->guest = cpuid_guest(1);
	if (!g->guest)
		die("a guest");
	if (cpuid_read(nl, tinykvm_vm_fd(g->guest), &g->table, &result)) {
		fprintf(stderr, "cpuid: %s\n", result.text);
		exit(1);
	}
	cpuid_freeze(&g->table, &g->rules);
}

static void set_filter(struct nl *nl, struct guest *g, unsigned int i)
{
	struct nl_result result;
	char name[32];

	snprintf(name, sizeof(name), "bench-%u", i);
	if (cpuid_set(nl, name, tinykvm_vm_fd(g->guest), &g->rules, &result)) {
		fprintf(stderr, "cpuid: %s\n", result.text);
		exit(1);
	}
}

/*
 * @n VMs with filters, or one without, in a process that tells the time of the
 * last one.
 */
static pid_t start_vmm(unsigned int n, int tell)
{
	static struct guest g;
	struct nl nl;
	double time;
	unsigned int i;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	if (nl_open(&nl))
		die("netlink");
	for (i = 0; i < n; i++) {
		make_guest(&nl, &g);
		set_filter(&nl, &g, i);
	}
	if (!n)
		make_guest(&nl, &g);
	time = measure(&g, &g.rules);
	if (write(tell, &time, sizeof(time)) != sizeof(time))
		die("pipe");
	pause();
	_exit(0);
}

static void end_vmm(pid_t pid)
{
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		die("waitpid");
}

/* Tracing can be switched off when the hook is gone. */
static void wait_no_hook(void)
{
	static const char path[] = "/proc/sys/kernel/ftrace_enabled";
	unsigned int steps = WAIT_STEPS;
	FILE *file;
	int err;

	do {
		file = fopen(path, "we");
		if (!file)
			die(path);
		fputs("0", file);
		err = fclose(file);
		if (err)
			poll(NULL, 0, STEP_MS);
	} while (err && --steps);
	file = fopen(path, "we");
	if (err || !file || fputs("1", file) < 0 || fclose(file))
		die("the hook stays");
}

static double hear(int fd)
{
	double time;

	if (read(fd, &time, sizeof(time)) != sizeof(time)) {
		fprintf(stderr, "cpuid: a VMM failed\n");
		exit(1);
	}
	return time;
}

static void run_plain(unsigned int round)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends))
		die("pipe");
	pid = start_vmm(0, ends[1]);
	ns[NO_HOOK][round] = hear(ends[0]);
	end_vmm(pid);
	close(ends[0]);
	close(ends[1]);
}

static void run_filter(unsigned int round, struct guest *plain)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends))
		die("pipe");
	pid = start_vmm(1, ends[1]);
	ns[FILTER][round] = hear(ends[0]);
	ns[HOOK][round] = measure(plain, &plain->rules);
	end_vmm(pid);
	close(ends[0]);
	close(ends[1]);
}

static void run_many(unsigned int round)
{
	int ends[2];
	pid_t pid;

	if (!vms)
		return;
	if (pipe(ends))
		die("pipe");
	pid = start_vmm(vms + 1, ends[1]);
	ns[MANY][round] = hear(ends[0]);
	end_vmm(pid);
	close(ends[0]);
	close(ends[1]);
}

static void run_round(unsigned int round, struct guest *plain)
{
	/* Filters go some time after their VMMs. */
	wait_no_hook();
	if (round % 2)
		run_many(round);
	else
		run_plain(round);
	wait_no_hook();
	run_filter(round, plain);
	wait_no_hook();
	if (round % 2)
		run_plain(round);
	else
		run_many(round);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print(const char *what, const char *format, double *values)
{
	char line[128];

	qsort(values, rounds, sizeof(*values), compare);
	snprintf(line, sizeof(line), "%%-44s %s (%s to %s)\n", format, format,
		 format);
	printf(line, what, values[rounds / 2], values[0], values[rounds - 1]);
}

static void print_ratio(const char *what, enum figure a, enum figure b)
{
	double ratios[ROUNDS_MAX];
	unsigned int i;

	for (i = 0; i < rounds; i++)
		ratios[i] = ns[a][i] / ns[b][i];
	print(what, "%.3f", ratios);
}

static unsigned int number(const char *text, unsigned int min, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n < min || n > max) {
		fprintf(stderr, "cpuid: %s is no number from %u to %u\n", text,
			min, max);
		exit(2);
	}
	return n;
}

static void read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:n:v:")) != -1) {
		switch (option) {
		case 'r':
			rounds = number(optarg, 1, ROUNDS_MAX);
			break;
		case 'n':
			cpuids = number(optarg, SAMPLES * LEAVES, CPUIDS_MAX);
			break;
		case 'v':
			vms = number(optarg, 0, VMS_MAX);
			break;
		default:
			fprintf(stderr, "usage: cpuid [-r ROUNDS] [-n CPUIDS] [-v VMS]\n");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = { 8192, 8192 };
	static struct guest plain;
	unsigned int round;
	char many[64];
	struct nl nl;

	read_options(argc, argv);
	setrlimit(RLIMIT_NOFILE, &files);
	if (nl_open(&nl))
		die("no family vmig, is the module loaded");
	make_guest(&nl, &plain);
	for (round = 0; round < rounds; round++)
		run_round(round, &plain);

	printf("%u rounds of %u CPUIDs\n", rounds, cpuids);
	print_ratio("with a filter / without any", FILTER, NO_HOOK);
	print_ratio("without, beside one with a filter / any", HOOK, NO_HOOK);
	snprintf(many, sizeof(many), "one of %u with filters / the only one",
		 vms + 1);
	if (vms)
		print_ratio(many, MANY, FILTER);
	print("ns a CPUID, no filter on the host", "%.0f", ns[NO_HOOK]);
	print("ns a CPUID, with a filter", "%.0f", ns[FILTER]);
	if (vms)
		print("ns a CPUID, with one of many filters", "%.0f", ns[MANY]);
	return 0;
}
