// SPDX-License-Identifier: GPL-2.0
/*
 * cpucheck [PORT] - what the guest sees of its processor, and whether that is
 * true: it computes in the way that CPUID offers, all the time, and compares
 * with the way that needs nothing.
 *
 * One connection gets, as text, every answer of CPUID that is another than that
 * for the subleaf before, /proc/cpuinfo, and how often which way was taken. SIGILL kills it, which the
 * guest's init tells.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpupath.h"

#define WORDS		1024
#define PATHS_MAX	8
#define ROUND_MS	20
/* Beyond what any leaf of today's processors has. */
#define LEAVES		0x30
#define SUBLEAVES	16

static uint64_t taken[PATHS_MAX];
static uint64_t wrong;

static void work(void)
{
	static uint32_t words[WORDS];
	static uint32_t seed = 1;
	unsigned int path = 0, i;
	uint64_t plain;

	for (i = 0; i < WORDS; i++)
		words[i] = seed = seed * 1664525 + 1013904223;
	while (!cpupaths[path].offered())
		path++;
	taken[path]++;
	for (i = path; cpupaths[i + 1].name; i++)
		;
	plain = cpupaths[i].sum(words, WORDS);
	if (cpupaths[path].sum(words, WORDS) != plain)
		wrong++;
}

static void dump_leaf(FILE *out, unsigned int cpu, uint32_t leaf)
{
	uint32_t now[4], before[4] = {};
	unsigned int subleaf;

	for (subleaf = 0; subleaf < SUBLEAVES; subleaf++) {
		__cpuid_count(leaf, subleaf, now[0], now[1], now[2], now[3]);
		/* Most leaves have no subleaves: one line for all is enough. */
		if (memcmp(now, before, sizeof(now)))
			fprintf(out, "cpuid %u: %08x %02x: %08x %08x %08x %08x\n",
				cpu, leaf, subleaf, now[0], now[1], now[2],
				now[3]);
		memcpy(before, now, sizeof(now));
	}
}

static void dump_cpu(FILE *out, unsigned int cpu)
{
	/* The last two are nobody's: they tell what is answered beyond all. */
	static const uint32_t ranges[] = {
		0, 0x40000000, 0x80000000, 0xc0000000, 0x20000000,
	};
	unsigned int i, leaf;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (leaf = 0; leaf < LEAVES; leaf++)
			dump_leaf(out, cpu, ranges[i] + leaf);
}

/* On each processor in turn: some answers are its own. */
static void dump(FILE *out)
{
	cpu_set_t all, one;
	unsigned int cpu;

	sched_getaffinity(0, sizeof(all), &all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (!sched_setaffinity(0, sizeof(one), &one))
			dump_cpu(out, cpu);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

static void copy_cpuinfo(FILE *out)
{
	FILE *in = fopen("/proc/cpuinfo", "re");
	char line[4096];

	if (!in)
		return;
	while (fgets(line, sizeof(line), in))
		fprintf(out, "info %s", line);
	fclose(in);
}

static void tell(int fd)
{
	FILE *out = fdopen(fd, "w");
	unsigned int i;

	if (!out) {
		close(fd);
		return;
	}
	dump(out);
	copy_cpuinfo(out);
	for (i = 0; cpupaths[i].name; i++)
		fprintf(out, "path %s %llu\n", cpupaths[i].name,
			(unsigned long long)taken[i]);
	fprintf(out, "wrong %llu\n", (unsigned long long)wrong);
	fclose(out);
}

static int listen_on(unsigned short port)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(port),
	};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    listen(fd, 4)) {
		perror("cpucheck");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd poll_fd = { .events = POLLIN };
	int fd;

	/* Who asks may go without hearing it all. */
	signal(SIGPIPE, SIG_IGN);
	poll_fd.fd = listen_on(argc > 1 ? atoi(argv[1]) : 7002);
	for (;;) {
		work();
		if (poll(&poll_fd, 1, ROUND_MS) <= 0)
			continue;
		fd = accept4(poll_fd.fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			tell(fd);
	}
}
