// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking: which pages of a region were written since they were harvested.
 *
 * One bit a page, and one summary bit a chunk. A chunk is begun by its first
 * harvest; until then all of it counts as dirty and nothing about it is noted.
 * From then on this holds for each of its pages:
 *
 *	An entry of a page table that is writable, or dirty (which core mm may
 *	make writable by itself, for mprotect() or a NUMA hinting fault), means
 *	that the page's bit is set.
 *
 * page_mkwrite() sets the bit under the folio lock, which core mm holds until
 * the entry is writable. A harvest clears the bit and write-protects under the
 * same lock, so it cannot get between the two.
 *
 * DMA, and whoever else got the page by get_user_pages(), writes past page
 * tables and may do so after the copy. Such a writer holds a reference from the
 * time when the entry was writable on: a harvest that finds a reference it
 * cannot explain leaves the bit set. ->dirty_folio() comes on top for small
 * folios only. For a huge one it would tell nothing but that each write fault,
 * too, ends in marking all of the folio.
 *
 * Lifetime: @region->track is freed a grace period after it was unhooked;
 * harvests come from the claimant, who does not stop tracking meanwhile.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat/compat.h"
#include "compat/mm.h"
#include "memory/internal.h"

/* Up to so many pages, rmap walks of a folio each beat walks of a range. */
#define FEW_PAGES	4

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

static struct vmig_track *claimants_track(struct vmig_region *region)
{
	return rcu_dereference_protected(region->track, region->vm->claim);
}

static void set_pending(struct vmig_track *track, unsigned long chunk)
{
	if (!test_bit(chunk, track->pending))
		set_bit(chunk, track->pending);
}

/* Return: whether the page was clean. Its chunk is begun, or about to be. */
static bool mark(struct vmig_track *track, pgoff_t index)
{
	bool was_clean;

	/* For a page without lock: what made it dirty comes before the bit. */
	smp_mb__before_atomic();
	was_clean = !test_and_set_bit(index, track->dirty);
	if (was_clean)
		atomic64_inc(&track->ndirty);
	/* The bit comes before the summary that leads a harvest to it. */
	smp_mb__after_atomic();
	set_pending(track, vmig_chunk_of(index));
	return was_clean;
}

static bool unmark(struct vmig_track *track, pgoff_t index)
{
	if (!test_and_clear_bit(index, track->dirty))
		return false;
	atomic64_dec(&track->ndirty);
	return true;
}

/*
 * Is the chunk of page @index begun? The caller holds the folio's lock, or the
 * invalidate lock, if it needs the answer to stay.
 */
bool vmig_track_begun(struct vmig_region *region, pgoff_t index)
{
	struct vmig_track *track;
	bool begun;

	rcu_read_lock();
	track = rcu_dereference(region->track);
	begun = track && test_bit(vmig_chunk_of(index), track->begun);
	rcu_read_unlock();
	return begun;
}

/*
 * Somebody writes page @index. Takes any context; if the writer goes through a
 * page table, the folio lock is held until it is written.
 */
void vmig_track_write(struct vmig_region *region, pgoff_t index)
{
	struct vmig_track *track;

	rcu_read_lock();
	track = rcu_dereference(region->track);
	if (track && test_bit(vmig_chunk_of(index), track->begun) &&
	    mark(track, index))
		atomic64_inc(&track->faults);
	rcu_read_unlock();
}

/*
 * Pages were added, all zeroes, within one chunk. The caller holds the
 * invalidate lock. In a begun chunk they are no news: the other side has a hole
 * there, or gets one, and the first write marks.
 */
void vmig_track_add(struct vmig_region *region, pgoff_t index,
		    unsigned long npages)
{
	unsigned long chunk = vmig_chunk_of(index);
	struct vmig_track *track;

	rcu_read_lock();
	track = rcu_dereference(region->track);
	if (track && !test_bit(chunk, track->begun)) {
		atomic64_add(npages, &track->nunbegun);
		/* The pages come before the summary that tells of them. */
		smp_mb__after_atomic();
		set_pending(track, chunk);
	}
	rcu_read_unlock();
}

/*
 * @pages of a chunk were punched, and @freed of them are holes now. The caller
 * holds the invalidate lock exclusively.
 */
void vmig_track_punched(struct vmig_region *region, unsigned long chunk,
			const unsigned long *pages, unsigned long freed)
{
	struct vmig_track *track;
	unsigned int i;

	rcu_read_lock();
	track = rcu_dereference(region->track);
	if (track && test_bit(chunk, track->begun))
		for_each_set_bit(i, pages, VMIG_CHUNK_PAGES)
			mark(track, chunk * VMIG_CHUNK_PAGES + i);
	else if (track)
		atomic64_sub(freed, &track->nunbegun);
	rcu_read_unlock();
}

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
		mark(track, index);
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
	mark(h->track, h->base + i);
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
		if (i < VMIG_CHUNK_PAGES && unmark(h->track, h->base + i))
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

	if (!unmark(h->track, h->base + i))
		return;
	__set_bit(i, h->pages);
	/* Who added a folio before this saw the bit; who adds one later marks. */
	smp_mb();
	folio = vmig_region_find_folio(h->track->region, h->base + i);
	if (folio) {
		mark(h->track, h->base + i);
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
		unmark(h->track, h->base + run->first + i);
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
		.track = claimants_track(region),
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

/* A chunk that is not begun has nothing to send while all of it is a hole. */
static bool is_hole(struct vmig_track *track, unsigned long chunk)
{
	struct xarray *xa = &track->region->inode->i_mapping->i_pages;
	unsigned long index = chunk * VMIG_CHUNK_PAGES;

	return !test_bit(chunk, track->begun) &&
	       !xa_find(xa, &index, index + VMIG_CHUNK_PAGES - 1, XA_PRESENT);
}

/**
 * vmig_track_next() - Find a chunk that has something to send.
 * @region: of a VM that is being tracked
 * @chunk: where to begin
 * @first: of all chunks of the region, only @first, @first + @stride, ...
 * @stride: see @first
 *
 * Skips chunks that were never begun and are holes; a chunk found may still
 * turn out to be clean when it is harvested.
 *
 * Context: Process context of the VM's claimant.
 * Return: The smallest such chunk from @chunk on, or ULONG_MAX.
 */
unsigned long vmig_track_next(struct vmig_region *region, unsigned long chunk,
			      unsigned int first, unsigned int stride)
{
	struct vmig_track *track = claimants_track(region);

	for (;; chunk++) {
		chunk += (first + stride - chunk % stride) % stride;
		if (chunk >= track->nchunks)
			return ULONG_MAX;
		if (!test_bit(chunk, track->pending)) {
			chunk = find_next_bit(track->pending, track->nchunks,
					      chunk) - 1;
			continue;
		}
		if (!is_hole(track, chunk))
			return chunk;
		clear_bit(chunk, track->pending);
		/* As in vmig_track_harvest(). */
		smp_mb__after_atomic();
		if (!is_hole(track, chunk)) {
			set_pending(track, chunk);
			return chunk;
		}
	}
}

/**
 * vmig_track_redirty() - Put back what a harvest took.
 * @region: of a VM that is being tracked
 * @chunk: that was harvested
 * @pages: bitmap of VMIG_CHUNK_PAGES bits
 *
 * Context: Process context of the VM's claimant.
 */
void vmig_track_redirty(struct vmig_region *region, unsigned long chunk,
			const unsigned long *pages)
{
	struct vmig_track *track = claimants_track(region);
	unsigned int i;

	for_each_set_bit(i, pages, VMIG_CHUNK_PAGES)
		mark(track, chunk * VMIG_CHUNK_PAGES + i);
}

static void free_track(struct vmig_track *track)
{
	if (!track)
		return;
	kvfree(track->dirty);
	kvfree(track->begun);
	kvfree(track->pending);
	kfree(track);
}

/*
 * It may be a gigabyte: fail rather than have a VM killed for memory. With that
 * wish kvmalloc() would try hard to get it in one piece.
 */
static unsigned long *alloc_bits(unsigned long n)
{
	size_t size = BITS_TO_LONGS(n) * sizeof(long);
	gfp_t gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;

	return size > PAGE_SIZE ? __vmalloc(size, gfp | __GFP_ZERO) :
				  kzalloc(size, gfp);
}

static struct vmig_track *alloc_track(struct vmig_region *region)
{
	struct vmig_track *track = kzalloc(sizeof(*track), GFP_KERNEL);

	if (!track)
		return NULL;
	track->region = region;
	track->nchunks = DIV_ROUND_UP_ULL(region->size, VMIG_CHUNK_SIZE);
	track->dirty = alloc_bits(track->nchunks * VMIG_CHUNK_PAGES);
	track->begun = alloc_bits(track->nchunks);
	track->pending = alloc_bits(track->nchunks);
	if (!track->dirty || !track->begun || !track->pending) {
		free_track(track);
		return NULL;
	}
	bitmap_set(track->pending, 0, track->nchunks);
	return track;
}

static void hook_track(struct vmig_region *region, struct vmig_track *track)
{
	struct address_space *mapping = region->inode->i_mapping;

	filemap_invalidate_lock(mapping);
	if (track)
		atomic64_set(&track->nunbegun, mapping->nrpages);
	rcu_assign_pointer(region->track, track);
	filemap_invalidate_unlock(mapping);
}

/**
 * vmig_track_start() - Begin to track which pages of a VM are written.
 * @vm: a VM that the caller has claimed
 * @extack: filled in on every failure
 *
 * The guest does not notice: each chunk switches to tracking when it is first
 * harvested.
 *
 * Context: Process context, takes vm->lock and invalidate locks.
 * Return: 0, -EBUSY if it is being tracked, -ENOMEM.
 */
int vmig_track_start(struct vmig_vm *vm, struct netlink_ext_ack *extack)
{
	struct vmig_track *tracks[VMIG_REGIONS_MAX] = { };
	unsigned int i;
	int err = 0;

	mutex_lock(&vm->lock);
	for (i = 0; i < vm->nregions && !err; i++) {
		if (rcu_access_pointer(vm->regions[i]->track)) {
			NL_SET_ERR_MSG_FMT(extack, "VM %s is tracked already",
					   vm->name);
			err = -EBUSY;
			break;
		}
		tracks[i] = alloc_track(vm->regions[i]);
		if (!tracks[i]) {
			NL_SET_ERR_MSG_FMT(extack,
					   "No memory to track region %s of VM %s, which takes %lld KiB: free some",
					   vm->regions[i]->name, vm->name,
					   vm->regions[i]->size >> 25);
			err = -ENOMEM;
		}
	}
	for (i = 0; i < vm->nregions; i++)
		if (err)
			free_track(tracks[i]);
		else
			hook_track(vm->regions[i], tracks[i]);
	mutex_unlock(&vm->lock);
	return err;
}

/**
 * vmig_track_stop() - Stop tracking and forget what is dirty.
 * @vm: a VM that the caller has claimed, and no longer harvests
 * @stays: it will run here: what is small only because it was tracked is mapped
 *	huge again, by and by, see remap.c
 *
 * Context: Process context, takes vm->lock and invalidate locks, sleeps.
 */
void vmig_track_stop(struct vmig_vm *vm, bool stays)
{
	struct vmig_track *tracks[VMIG_REGIONS_MAX] = { };
	unsigned int i;

	mutex_lock(&vm->lock);
	for (i = 0; i < vm->nregions; i++) {
		tracks[i] = rcu_dereference_protected(vm->regions[i]->track,
						      lockdep_is_held(&vm->lock));
		if (tracks[i])
			hook_track(vm->regions[i], NULL);
	}
	mutex_unlock(&vm->lock);
	synchronize_rcu();
	for (i = 0; i < ARRAY_SIZE(tracks); i++) {
		if (!tracks[i])
			continue;
		if (stays) {
			vmig_remap_region(tracks[i]->region, tracks[i]->begun,
					  tracks[i]->nchunks);
			tracks[i]->begun = NULL;
		}
		free_track(tracks[i]);
	}
}

/**
 * vmig_track_stats() - Add up the counters of a VM's regions.
 * @vm: a VM; all counters are 0 while it is not tracked
 * @stats: overwritten
 *
 * Context: Process context, takes vm->lock.
 */
void vmig_track_stats(struct vmig_vm *vm, struct vmig_track_stats *stats)
{
	unsigned int i;

	memset(stats, 0, sizeof(*stats));
	mutex_lock(&vm->lock);
	for (i = 0; i < vm->nregions; i++) {
		struct vmig_track *track;

		track = rcu_dereference_protected(vm->regions[i]->track,
						  lockdep_is_held(&vm->lock));
		if (!track)
			continue;
		/* A bit may be cleared before who has set it has counted it. */
		stats->remaining += max(atomic64_read(&track->ndirty), 0LL) +
				    atomic64_read(&track->nunbegun);
		stats->faults += atomic64_read(&track->faults);
		stats->sticky += atomic64_read(&track->sticky);
		stats->bytes += sizeof(*track) + sizeof(long) *
			(BITS_TO_LONGS(track->nchunks * VMIG_CHUNK_PAGES) +
			 2 * BITS_TO_LONGS(track->nchunks));
	}
	mutex_unlock(&vm->lock);
}
