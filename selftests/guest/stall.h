/* SPDX-License-Identifier: GPL-2.0 */
/* How long this machine stood still, measured from inside. */
#ifndef VMIG_GUEST_STALL_H
#define VMIG_GUEST_STALL_H

#include <stdint.h>

/**
 * struct stall - What the sampler saw.
 * @recent_us: longest stall since the last call of stall_read_recent()
 * @longest_us: longest stall since the last reset
 * @longest_at_us: CLOCK_MONOTONIC when the longest stall ended
 * @total_us: sum of all stalls of 10 ms and more
 * @over_100ms: number of stalls of 100 ms and more
 */
struct stall {
	uint64_t recent_us;
	uint64_t longest_us;
	uint64_t longest_at_us;
	uint64_t total_us;
	uint64_t over_100ms;
};

uint64_t stall_now_us(void);
int stall_start(unsigned int interval_us);
struct stall stall_read(void);
uint64_t stall_read_recent(void);
void stall_reset(void);

#endif
