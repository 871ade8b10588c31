/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs: pages of a chunk that follow each other and are of one kind.
 *
 * Pure: also compiled into the user-space tests.
 */
#ifndef _VMIG_RUNS_H
#define _VMIG_RUNS_H

#include <linux/types.h>

#include "migrate/wire.h"

/**
 * struct vmig_runs - the table of a chunk, filled page by page
 * @pages: how many pages of each kind
 * @nruns: used of @run
 * @run: ascending
 */
struct vmig_runs {
	unsigned int nruns;
	unsigned int pages[VMIG_RUN_KINDS];
	struct vmig_run run[VMIG_WIRE_CHUNK_PAGES];
};

void vmig_runs_init(struct vmig_runs *runs);
void vmig_runs_add(struct vmig_runs *runs, unsigned int first,
		   unsigned int npages, enum vmig_run_kind kind);
bool vmig_runs_page_is_zero(const void *page);

#endif /* _VMIG_RUNS_H */
