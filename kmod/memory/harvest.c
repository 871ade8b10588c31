// SPDX-License-Identifier: GPL-2.0
/*
 * Harvest: takes the dirty pages of a chunk, and write-protects them, so that
 * the rule of track.c holds before, after, and for whoever looks in between.
 *
 * Locking: a bit is cleared, and the page's entries are protected, under the
 * lock of its folio. Of small folios, those of a run are locked together, in
 * ascending order.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/rmap.h>

#include "compat/compat.h"
#include "compat/mm.h"
#include "memory/internal.h"
#include "memory/track.h"

/* Up to so many pages, rmap walks of a folio each beat walks of a range. */
#define FEW_PAGES	4

/* Mark what is allocated of a chunk that is about to begin. */
static void mark_allocated(struct vmig_track *track, unsigned long chunk)
{
	struct xarray *xa = &track->region->inode->i_mapping->i_pages;
	pgoff_t index = chunk * VMIG_CHUNK_PAGES;
	pgoff_t end = index + VMIG_CHUNK_PAGES;
	long found = 0;

	for (; index < end; index++) {
		if (!xa_load(xa, index))
			continue;
		vmig_track_mark(track, index);
		found++;
	}
	atomic64_sub(found, &track->nunbegun);
}

/*
 * Switch a chunk to tracking. A huge folio is unmapped once, under its lock:
 * whoever maps it again sees the chunk begun and takes 4 KiB entries. Small
 * folios stay mapped; their bits are set, which is all that the rule asks for.
 */
static void begin(struct vmig_track *track, unsigned long chunk)
{
	struct vmig_region *region = track->region;
	struct address_space *mapping = region->inode->i_mapping;
	struct folio *folio;

	filemap_invalidate_lock(mapping);
	folio = vmig_region_lock_folio(region, chunk * VMIG_CHUNK_PAGES);
	mark_allocated(track, chunk);
	set_bit(chunk, track->begun);
	if (folio) {
		if (folio_test_large(folio))
			unmap_mapping_range(mapping,
					    (loff_t)chunk << VMIG_CHUNK_SHIFT,
					    VMIG_CHUNK_SIZE, 0);
		folio_unlock(folio);
		folio_put(folio);
	}
	filemap_invalidate_unlock(mapping);
}

/*
 * Make the entries of @npages pages read-only and clean; the folios are locked.
 * It must be both: core mm makes a dirty entry writable without asking. An
 * entry can go from dirty to writable between the two walks that do it, but a
 * pair of walks that changes nothing has seen none that could.
 */
static void protect_range(struct vmig_track *track, pgoff_t index,
			  unsigned long npages)
{
	struct address_space *mapping = track->region->inode->i_mapping;

	while (vmig_compat_protect_range(mapping, index, npages))
		;
}

static bool prefer_range(unsigned int npages)
{
	return VMIG_COMPAT_PROTECT_RANGE && npages > FEW_PAGES;
}

/*
 * Does somebody hold a folio who may write it past the page tables? The folio
 * is locked, protected, and referenced once by the caller.
 *
 * What explains references is counted so that a race can only leave one
 * unexplained: waiters before the references, as one that comes may not count;
 * mappings after them, as one that goes must not. None comes while the folio is
 * locked. A small folio that is fresh sits in a per-CPU batch, which holds a
 * reference, on its way to the LRU; leaving that, it gets a flag first.
 */
static bool has_other_users(struct vmig_track *track, struct folio *folio)
{
	int explained = folio_nr_pages(folio) + 1;
	int refs;

	explained += vmig_region_waiters(track->region, folio);
	/* Waiters and the write-protection come before the references. */
	smp_mb();
	refs = folio_ref_count(folio);
	/* References come before mappings. */
	smp_rmb();
	explained += vmig_compat_folio_mapcount(folio);
	if (!folio_test_large(folio) && !folio_test_lru(folio) &&
	    !folio_test_unevictable(folio))
		explained++;
	return refs > explained;
}

/**
 * struct harvest - one call of vmig_track_harvest()
 * @track: of the region
 * @base: first page of the chunk
 * @pages: what it found
 * @final: leave nothing behind
 */
struct harvest {
	struct vmig_track *track;
	pgoff_t base;
	unsigned long *pages;
	bool final;
};

static void leave_dirty(struct harvest *h, unsigned int i)
{
	vmig_track_mark(h->track, h->base + i);
	atomic64_inc(&h->track->sticky);
}

/* Take the bits of a chunk that is one folio, which is locked. */
static void harvest_huge(struct harvest *h, struct folio *folio)
{
	DECLARE_BITMAP(taken, VMIG_CHUNK_PAGES);
	unsigned int i, first, last, n;

	bitmap_zero(taken, VMIG_CHUNK_PAGES);
	for (i = 0; i < VMIG_CHUNK_PAGES; i++) {
		i = find_next_bit(h->track->dirty + BIT_WORD(h->base),
				  VMIG_CHUNK_PAGES, i);
		if (i < VMIG_CHUNK_PAGES && vmig_track_unmark(h->track, h->base + i))
			__set_bit(i, taken);
	}
	n = bitmap_weight(taken, VMIG_CHUNK_PAGES);
	if (!n)
		return;

	first = find_first_bit(taken, VMIG_CHUNK_PAGES);
	last = find_last_bit(taken, VMIG_CHUNK_PAGES);
	if (prefer_range(n))
		protect_range(h->track, h->base + first, last - first + 1);
	else
		folio_mkclean(folio);
	bitmap_or(h->pages, h->pages, taken, VMIG_CHUNK_PAGES);
	if (!h->final && has_other_users(h->track, folio))
		for_each_set_bit(i, taken, VMIG_CHUNK_PAGES)
			leave_dirty(h, i);
}

/*
 * A dirty page that is a hole was punched. It may get a folio while its bit is
 * cleared, and be mapped writable on the strength of that bit.
 */
static void harvest_hole(struct harvest *h, unsigned int i)
{
	struct folio *folio;

	if (!vmig_track_unmark(h->track, h->base + i))
		return;
	__set_bit(i, h->pages);
	/* Who added a folio before this saw the bit; who adds one later marks. */
	smp_mb();
	folio = vmig_region_find_folio(h->track->region, h->base + i);
	if (folio) {
		vmig_track_mark(h->track, h->base + i);
		folio_put(folio);
	}
}

/* Small folios of consecutive pages, locked and referenced. */
struct run {
	unsigned int first;
	unsigned int n;
	struct folio *folios[BITS_PER_LONG];
};

static void finish_run(struct harvest *h, struct run *run)
{
	unsigned int i;

	for (i = 0; i < run->n; i++)
		vmig_track_unmark(h->track, h->base + run->first + i);
	if (prefer_range(run->n))
		protect_range(h->track, h->base + run->first, run->n);
	for (i = 0; i < run->n; i++) {
		struct folio *folio = run->folios[i];

		if (!prefer_range(run->n))
			folio_mkclean(folio);
		__set_bit(run->first + i, h->pages);
		if (!h->final && has_other_users(h->track, folio))
			leave_dirty(h, run->first + i);
		folio_unlock(folio);
		folio_put(folio);
	}
	run->n = 0;
}

/*
 * Take the bits of a chunk of small folios and holes. Return: false if the
 * chunk has become one folio, and it is not finished.
 */
static bool harvest_small(struct harvest *h)
{
	struct run run = { .n = 0 };
	struct folio *folio = NULL;
	unsigned int i;

	for (i = 0; i < VMIG_CHUNK_PAGES; i++) {
		bool dirty = test_bit(h->base + i, h->track->dirty);

		folio = dirty ? vmig_region_lock_folio(h->track->region,
						       h->base + i) : NULL;
		if (folio && folio_test_large(folio))
			break;
		if (run.n && (!folio || run.n == ARRAY_SIZE(run.folios)))
			finish_run(h, &run);
		if (folio) {
			if (!run.n)
				run.first = i;
			run.folios[run.n++] = folio;
		} else if (dirty) {
			harvest_hole(h, i);
		}
	}
	if (run.n)
		finish_run(h, &run);
	if (i == VMIG_CHUNK_PAGES)
		return true;
	folio_unlock(folio);
	folio_put(folio);
	return false;
}

/**
 * vmig_track_harvest() - Take the dirty pages of a chunk.
 * @region: of a VM that is being tracked
 * @chunk: number within the region
 * @pages: bitmap of VMIG_CHUNK_PAGES bits, overwritten: the pages to send, as
 *	they are by now or later. One that is a hole was punched. The first
 *	harvest of a chunk finds every allocated page, and no hole.
 * @final: the VM is stopped and has no I/O in flight: also take what something
 *	still holds a reference to, instead of leaving it dirty as well
 *
 * Context: Process context of the VM's claimant, one call a chunk at a time.
 * Takes the invalidate lock and folio locks, and does not keep them.
 * Return: The number of bits set in @pages.
 */
unsigned int vmig_track_harvest(struct vmig_region *region, unsigned long chunk,
				unsigned long *pages, bool final)
{
	struct harvest h = {
		.track = vmig_track_of_claimant(region),
		.base = chunk * VMIG_CHUNK_PAGES,
		.pages = pages,
		.final = final,
	};
	struct folio *folio;
	bool done = false;

	bitmap_zero(pages, VMIG_CHUNK_PAGES);
	if (!test_bit(chunk, h.track->begun))
		begin(h.track, chunk);
	clear_bit(chunk, h.track->pending);
	/* The summary is cleared before the bits are looked at: see @pending. */
	smp_mb__after_atomic();
	while (!done) {
		folio = vmig_region_lock_folio(region, h.base);
		if (folio && folio_test_large(folio)) {
			harvest_huge(&h, folio);
			done = true;
		}
		if (folio) {
			folio_unlock(folio);
			folio_put(folio);
		}
		if (!done)
			done = harvest_small(&h);
	}
	return bitmap_weight(pages, VMIG_CHUNK_PAGES);
}
