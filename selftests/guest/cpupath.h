/* SPDX-License-Identifier: GPL-2.0 */
/* A sum that is computed in as many ways as processors offer. */
#ifndef VMIG_GUEST_CPUPATH_H
#define VMIG_GUEST_CPUPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct cpupath - one way to compute it
 * @offered: does CPUID say that it can be taken?
 */
struct cpupath {
	const char *name;
	bool (*offered)(void);
	uint64_t (*sum)(const uint32_t *words, size_t n);
};

/* The fastest first; the last needs nothing. Ended by one without a name. */
extern const struct cpupath cpupaths[];

#endif
