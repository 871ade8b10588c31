// SPDX-License-Identifier: GPL-2.0
/*
 * Runs of pages of one kind, and what a page of zeroes is.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "migrate/runs.h"

void vmig_runs_init(struct vmig_runs *runs)
{
	runs->nruns = 0;
	memset(runs->pages, 0, sizeof(runs->pages));
}

/**
 * vmig_runs_add() - Add pages behind all that were added before.
 * @runs: the table
 * @first: the first page, within the chunk
 * @npages: how many
 * @kind: of all of them
 *
 * The table has room for as many runs as a chunk has pages, so that it cannot
 * overflow as long as @first ascends.
 */
void vmig_runs_add(struct vmig_runs *runs, unsigned int first,
		   unsigned int npages, enum vmig_run_kind kind)
{
	struct vmig_run *last = NULL;

	if (runs->nruns)
		last = &runs->run[runs->nruns - 1];
	if (last && last->kind == kind && last->first + last->npages == first) {
		last->npages += npages;
	} else {
		runs->run[runs->nruns++] = (struct vmig_run){
			.first = first,
			.npages = npages,
			.kind = kind,
		};
	}
	runs->pages[kind] += npages;
}

/**
 * vmig_runs_page_is_zero() - Tell whether a page reads as zeroes.
 * @page: aligned to 8 bytes
 *
 * Nearly every page that is not zero says so in its first, middle or last
 * word. For the others eight words a step let the compiler and the processor
 * overlap the loads.
 */
bool vmig_runs_page_is_zero(const void *page)
{
	const u64 *word = page;
	const u64 *end = word + VMIG_WIRE_PAGE_SIZE / sizeof(*word);

	if (word[0] | word[VMIG_WIRE_PAGE_SIZE / sizeof(*word) / 2] | end[-1])
		return false;
	for (; word < end; word += 8) {
		if (word[0] | word[1] | word[2] | word[3] |
		    word[4] | word[5] | word[6] | word[7])
			return false;
	}
	return true;
}
