/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of tracking, which track.c keeps and harvest.c takes from.
 */
#ifndef _VMIG_MEMORY_TRACK_H
#define _VMIG_MEMORY_TRACK_H

#include "memory/memory.h"

/**
 * struct vmig_track - the tracking of one region
 * @region: which has it as its track
 * @nchunks: of @region, the last may be a part of one
 * @dirty: a bit a page, valid in begun chunks
 * @begun: a bit a chunk; set under the invalidate lock and, if the chunk is one
 *	folio, its lock
 * @pending: a bit a chunk: it may have something to send. Set after the bit in
 *	@dirty, cleared before that is looked at.
 * @ndirty: bits set in @dirty
 * @nunbegun: allocated pages in chunks not begun
 * @faults: for struct vmig_track_stats
 * @sticky: see @faults
 */
struct vmig_track {
	struct vmig_region *region;
	unsigned long nchunks;
	unsigned long *dirty;
	unsigned long *begun;
	unsigned long *pending;
	atomic64_t ndirty;
	atomic64_t nunbegun;
	atomic64_t faults;
	atomic64_t sticky;
};

/* The tracking of a region, for who has claimed its VM. */
static inline struct vmig_track *
vmig_track_of_claimant(struct vmig_region *region)
{
	return rcu_dereference_protected(region->track, region->vm->claim);
}

bool vmig_track_mark(struct vmig_track *track, pgoff_t index);
bool vmig_track_unmark(struct vmig_track *track, pgoff_t index);

#endif /* _VMIG_MEMORY_TRACK_H */
