// SPDX-License-Identifier: GPL-2.0
/*
 * What kernel TLS costs: the time in which the same memory moves between two
 * nodes of one host, by plain channels and by encrypted ones.
 *
 *   ktls [-r ROUNDS] [-m MIB] [-c CHANNELS]
 *
 * In each round both, every other round the other way round, each in a process
 * of its own. The host encrypts and decrypts at once, which two hosts share.
 * Figures are medians over the rounds, in parentheses the least and the most;
 * ratios are of the same round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "pair.h"

#define ROUNDS_MAX	200

static unsigned int rounds = 5, channels = 2;
static size_t size = 32UL << 20;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Pages that neither compress nor are zero. */
static void fill(struct side *side)
{
	uint32_t *word = (uint32_t *)side->mem, value = 1;
	size_t i;

	for (i = 0; i < side->size / sizeof(*word); i++) {
		value = value * 1664525 + 1013904223;
		word[i] = value;
	}
}

/* From the start to where the VM could stop: all memory went through once. */
static double move(void)
{
	const struct plan plan = { .channels = channels };
	struct pair *pair = pair_open("huge=always");
	double began;

	if (!pair || pair_make_vm(pair, size))
		return 0;
	fill(&pair->a);
	if (pair_new(pair, &plan) ||
	    side_call(&pair->b, VMIG_CMD_MIGRATION_START))
		return 0;
	began = now();
	if (side_call(&pair->a, VMIG_CMD_MIGRATION_START) ||
	    side_wait_converged(&pair->a) || pair_stop_copy(pair))
		return 0;
	began = now() - began;
	return pair_finish(pair) ? 0 : began;
}

static double measure(bool tls, double *seconds)
{
	int status;
	pid_t child;

	*seconds = 0;
	fflush(stdout);
	child = fork();
	if (!child) {
		if (tls)
			setenv("VMIG_TLS", "1", 1);
		*seconds = move();
		_exit(*seconds <= 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status) {
		fprintf(stderr, "a migration did not end well\n");
		exit(1);
	}
	return *seconds;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print(const char *what, double *figures, const char *unit)
{
	qsort(figures, rounds, sizeof(*figures), compare);
	printf("%-28s %8.2f (%.2f to %.2f) %s\n", what, figures[rounds / 2],
	       figures[0], figures[rounds - 1], unit);
}

int main(int argc, char **argv)
{
	static double plain[ROUNDS_MAX], secured[ROUNDS_MAX], ratio[ROUNDS_MAX];
	double *shared, mib, first, second;
	unsigned int i;
	int c;

	while ((c = getopt(argc, argv, "r:m:c:")) != -1) {
		if (c == 'r')
			rounds = strtoul(optarg, NULL, 10);
		else if (c == 'm')
			size = strtoul(optarg, NULL, 10) << 20;
		else if (c == 'c')
			channels = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (!rounds || rounds > ROUNDS_MAX || !size || !channels ||
	    channels > PAIR_CHANNELS)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mib = size >> 20;
	for (i = 0; i < rounds; i++) {
		first = measure(i % 2, shared);
		second = measure(!(i % 2), shared);
		plain[i] = mib / (i % 2 ? second : first);
		secured[i] = mib / (i % 2 ? first : second);
		ratio[i] = 100 * secured[i] / plain[i];
	}
	printf("%u rounds of %.0f MiB on %u channels\n", rounds, mib, channels);
	print("plain", plain, "MiB/s");
	print("kernel TLS, AES-256-GCM", secured, "MiB/s");
	print("of plain", ratio, "%");
	return 0;
}
