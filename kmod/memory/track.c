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
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat/compat.h"
#include "memory/internal.h"
#include "memory/track.h"

static void set_pending(struct vmig_track *track, unsigned long chunk)
{
	if (!test_bit(chunk, track->pending))
		set_bit(chunk, track->pending);
}

/* Return: whether the page was clean. Its chunk is begun, or about to be. */
bool vmig_track_mark(struct vmig_track *track, pgoff_t index)
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

bool vmig_track_unmark(struct vmig_track *track, pgoff_t index)
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
	    vmig_track_mark(track, index))
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
			vmig_track_mark(track, chunk * VMIG_CHUNK_PAGES + i);
	else if (track)
		atomic64_sub(freed, &track->nunbegun);
	rcu_read_unlock();
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
	struct vmig_track *track = vmig_track_of_claimant(region);

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
	struct vmig_track *track = vmig_track_of_claimant(region);
	unsigned int i;

	for_each_set_bit(i, pages, VMIG_CHUNK_PAGES)
		vmig_track_mark(track, chunk * VMIG_CHUNK_PAGES + i);
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
