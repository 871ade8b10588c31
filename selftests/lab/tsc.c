// SPDX-License-Identifier: GPL-2.0
/*
 * Print how many kHz this machine's TSC has. Emulated hosts have the same one,
 * and when the machine is busy they measure it wrong, by two thirds once.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SPAN_NS	200000000ULL
#define TRIES	50

struct moment {
	uint64_t ns;
	uint64_t ticks;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Both clocks at once, as nearly as a few tries can be. */
static struct moment look(void)
{
	struct moment best = {};
	uint64_t least = UINT64_MAX;
	int i;

	for (i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc(), ns = now_ns();
		uint64_t took = __rdtsc() - before;

		if (took >= least)
			continue;
		least = took;
		best.ns = ns;
		best.ticks = before + took / 2;
	}
	return best;
}

int main(void)
{
	struct moment begin = look(), end;

	do {
		end = look();
	} while (end.ns - begin.ns < SPAN_NS);
	printf("%.0f\n", (end.ticks - begin.ticks) * 1e6 /
	       (end.ns - begin.ns));
	return 0;
}
