/* SPDX-License-Identifier: GPL-2.0 */
/* The memory under test: pages whose every word is known beforehand. */
#ifndef VMIG_GUEST_PAGES_H
#define VMIG_GUEST_PAGES_H

#include <stdatomic.h>
#include <stdint.h>

#define PAGES_SIZE	4096
#define PAGES_WORDS	(PAGES_SIZE / sizeof(uint64_t))

/**
 * struct pages - Memory under test and the private table that describes it.
 *
 * One thread writes and checks; others read the counters only.
 *
 * @base: the memory, page aligned
 * @gen: generation last written to each page, 0 if never written
 * @nr: number of pages
 * @writes: pages written since the last reset
 * @checks: pages read back since the last reset
 * @bad_bytes: bytes that were not what the table says
 * @bad_pages: checks that found at least one bad byte
 */
struct pages {
	uint64_t *base;
	uint32_t *gen;
	uint64_t nr;
	_Atomic uint64_t writes;
	_Atomic uint64_t checks;
	_Atomic uint64_t bad_bytes;
	_Atomic uint64_t bad_pages;
};

int pages_alloc(struct pages *p, uint64_t bytes);
void pages_write(struct pages *p, uint64_t page);
unsigned int pages_check(struct pages *p, uint64_t page);
void pages_corrupt(struct pages *p, uint64_t page);
void pages_reset(struct pages *p);

#endif
