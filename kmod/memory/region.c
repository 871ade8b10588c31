// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: the folios of guest memory.
 *
 * A region is page cache that is never written back and never reclaimed: every
 * folio is dirty from its birth on, which keeps drop_caches away, and the
 * mapping is unevictable. A chunk is one folio of order 9, or small folios and
 * holes. Memory goes only when it is punched, or with the file.
 *
 * Locking: who adds a folio holds the mapping's invalidate lock shared, who
 * removes some holds it exclusively. A folio whose lock is held, and which is
 * still in the mapping, stays there.
 */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "compat/compat.h"
#include "memory/internal.h"

void vmig_region_init(struct vmig_region *region, struct inode *inode)
{
	region->inode = inode;
	spin_lock_init(&region->lock);
	INIT_LIST_HEAD(&region->waiters);
	INIT_LIST_HEAD(&region->users);
	/* Devices reach all of it, so no zone is too high; it need not move. */
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER);
	mapping_set_unevictable(inode->i_mapping);
	/* Without this a later open() for writing drops huge folios. */
	mapping_set_large_folios(inode->i_mapping);
}

static struct vmig_mount *mount_of(struct vmig_region *region)
{
	return vmig_mount(region->inode->i_sb);
}

/* Take @npages off what size= leaves. */
static int charge(struct vmig_region *region, long npages)
{
	struct vmig_mount *mount = mount_of(region);
	s64 used = atomic64_read(&mount->used);

	/* What fails takes nothing, not even for a moment: see add_last_folio(). */
	do {
		if (mount->limit && used + npages > mount->limit)
			return -ENOSPC;
	} while (!atomic64_try_cmpxchg(&mount->used, &used, used + npages));
	atomic64_add(npages, &region->pages);
	return 0;
}

static void uncharge(struct vmig_region *region, long npages)
{
	atomic64_sub(npages, &region->pages);
	atomic64_sub(npages, &mount_of(region)->used);
}

void vmig_region_evict(struct vmig_region *region)
{
	truncate_inode_pages_final(region->inode->i_mapping);
	uncharge(region, atomic64_read(&region->pages));
	vmig_remap_forget_users(region);
	mem_cgroup_put(region->memcg);
	region->memcg = NULL;
}

/* The first to map pays for what kernel threads allocate. */
void vmig_region_note_user(struct vmig_region *region)
{
	struct mem_cgroup *memcg;

	vmig_remap_note_user(region);
	if (READ_ONCE(region->memcg))
		return;
	memcg = get_mem_cgroup_from_mm(current->mm);
	if (cmpxchg(&region->memcg, NULL, memcg))
		mem_cgroup_put(memcg);
}

static int add_to_cache(struct vmig_region *region, struct folio *folio,
			pgoff_t index, gfp_t gfp)
{
	struct mem_cgroup *old;
	int err;

	if (current->mm || !region->memcg)
		return filemap_add_folio(region->inode->i_mapping, folio, index,
					 gfp);
	old = set_active_memcg(region->memcg);
	err = filemap_add_folio(region->inode->i_mapping, folio, index, gfp);
	set_active_memcg(old);
	return err;
}

static gfp_t gfp_of(struct vmig_region *region, unsigned int order)
{
	gfp_t gfp = mapping_gfp_mask(region->inode->i_mapping);

	/* A huge folio is worth compacting for, but nobody is killed for it. */
	return order ? gfp | __GFP_NORETRY | __GFP_NOWARN : gfp;
}

/* Let others see a folio, whose contents are right. */
static int show_folio(struct vmig_region *region, struct folio *folio,
		      pgoff_t index)
{
	int err = add_to_cache(region, folio, index,
			       gfp_of(region, folio_order(folio)));

	if (err)
		return err;
	folio_set_dirty(folio);
	vmig_track_add(region, index, folio_nr_pages(folio));
	folio_mark_uptodate(folio);
	folio_unlock(folio);
	return 0;
}

/* Return: a new folio of zeroes, or an error. */
static struct folio *add_folio(struct vmig_region *region, pgoff_t index,
			       unsigned int order)
{
	struct folio *folio;
	int err;

	err = charge(region, 1L << order);
	if (err)
		return ERR_PTR(err);
	err = -ENOMEM;
	folio = filemap_alloc_folio(gfp_of(region, order) | __GFP_ZERO, order);
	if (!folio)
		goto err_uncharge;
	err = show_folio(region, folio, index);
	if (err)
		goto err_put;
	return folio;

err_put:
	folio_put(folio);
err_uncharge:
	uncharge(region, 1L << order);
	return ERR_PTR(err);
}

/* Return: bytes of the pages that it is mapped with if aligned and untracked. */
unsigned long vmig_region_page_size(struct vmig_region *region)
{
	return mount_of(region)->huge && VMIG_CHUNK_PAGES == HPAGE_PMD_NR ?
	       VMIG_CHUNK_SIZE : PAGE_SIZE;
}

static bool may_be_huge(struct vmig_region *region, pgoff_t index)
{
	loff_t end = (loff_t)(vmig_chunk_of(index) + 1) << VMIG_CHUNK_SHIFT;

	return mount_of(region)->huge && end <= i_size_read(region->inode) &&
	       VMIG_CHUNK_PAGES == HPAGE_PMD_NR;
}

static struct folio *add_best_folio(struct vmig_region *region, pgoff_t index,
				    bool huge)
{
	struct address_space *mapping = region->inode->i_mapping;
	struct folio *folio = ERR_PTR(-EEXIST);

	filemap_invalidate_lock_shared(mapping);
	/* No memory, no room, or small neighbours: all leave the small page. */
	if (huge && may_be_huge(region, index))
		folio = add_folio(region, round_down(index, VMIG_CHUNK_PAGES),
				  HPAGE_PMD_ORDER);
	if (IS_ERR(folio))
		folio = add_folio(region, index, 0);
	filemap_invalidate_unlock_shared(mapping);
	return folio;
}

/*
 * There is no room left for a page. Who has taken the last of it may have done
 * so for the same page, which then is no failure, or for a folio that he does
 * not get in the end: look again when nobody adds to the region.
 */
static struct folio *add_last_folio(struct vmig_region *region, pgoff_t index)
{
	struct address_space *mapping = region->inode->i_mapping;
	struct folio *folio = ERR_PTR(-EEXIST);

	filemap_invalidate_lock(mapping);
	if (!xa_load(&mapping->i_pages, index))
		folio = add_folio(region, index, 0);
	filemap_invalidate_unlock(mapping);
	return folio;
}

/**
 * vmig_region_find_folio() - Find the folio that holds a page.
 * @region: the region
 * @index: of the page
 *
 * Context: Any, does not sleep.
 * Return: The folio with a reference for folio_put(), or NULL for a hole. It is
 * not locked and may be punched any time.
 */
struct folio *vmig_region_find_folio(struct vmig_region *region, pgoff_t index)
{
	struct folio *folio;

	folio = filemap_get_folio(region->inode->i_mapping, index);
	return IS_ERR_OR_NULL(folio) ? NULL : folio;
}

static struct folio *alloc_folio(struct vmig_region *region, pgoff_t index,
				 bool huge)
{
	struct folio *folio;

	might_sleep();
	if (index >= i_size_read(region->inode) >> PAGE_SHIFT)
		return ERR_PTR(-EINVAL);
	do {
		folio = vmig_region_find_folio(region, index);
		if (folio && !folio_test_uptodate(folio)) {
			/* Somebody else is just adding it. */
			folio_lock(folio);
			folio_unlock(folio);
		}
		if (!folio)
			folio = add_best_folio(region, index, huge);
		if (folio == ERR_PTR(-ENOSPC))
			folio = add_last_folio(region, index);
	} while (folio == ERR_PTR(-EEXIST));
	return folio;
}

/**
 * vmig_region_alloc_folio() - Find the folio that holds a page, or make one of
 *	zeroes.
 * @region: the region
 * @index: of the page
 *
 * Context: Process context, may sleep; no folio lock and no invalidate lock is
 * held. Charges the current task's memory cgroup, or that of the region's first
 * user in a kernel thread.
 * Return: The folio with a reference for folio_put(); -EINVAL beyond the end of
 * the region, -ENOSPC if the mount's size= is used up, -ENOMEM.
 */
struct folio *vmig_region_alloc_folio(struct vmig_region *region,
				      pgoff_t index)
{
	return alloc_folio(region, index, true);
}

/**
 * vmig_region_alloc_page() - Find the folio that holds a page, or make one of
 *	zeroes that holds nothing else, so that holes around it stay holes.
 * @region: the region
 * @index: of the page
 *
 * Context, Return: as vmig_region_alloc_folio().
 */
struct folio *vmig_region_alloc_page(struct vmig_region *region, pgoff_t index)
{
	return alloc_folio(region, index, false);
}

/**
 * vmig_region_new_chunk() - Make a huge folio for a chunk that is a hole.
 * @region: the region
 * @index: first page of the chunk
 * @zero: zero it; else it holds anything
 *
 * Nobody sees it until vmig_region_add_chunk(): the caller may take all time to
 * fill it.
 *
 * Context: Process context, may sleep.
 * Return: The folio with a reference for folio_put(), or NULL if the chunk has
 * something already, is not to be huge, or there is no such folio to be had.
 */
struct folio *vmig_region_new_chunk(struct vmig_region *region, pgoff_t index,
				    bool zero)
{
	const gfp_t gfp = gfp_of(region, HPAGE_PMD_ORDER);
	loff_t start = (loff_t)index << PAGE_SHIFT;
	struct folio *folio;

	if (!may_be_huge(region, index) ||
	    filemap_range_has_page(region->inode->i_mapping, start,
				   start + VMIG_CHUNK_SIZE - 1))
		return NULL;
	folio = filemap_alloc_folio(zero ? gfp | __GFP_ZERO : gfp,
				    HPAGE_PMD_ORDER);
	/* Where it will be, so that its pages can be told apart before. */
	if (folio)
		folio->index = index;
	return folio;
}

/**
 * vmig_region_add_chunk() - Let others see a folio that was filled.
 * @region: the region
 * @folio: from vmig_region_new_chunk(); the reference stays the caller's
 * @index: first page of the chunk
 *
 * Context: as vmig_region_alloc_folio().
 * Return: 0; -EEXIST if somebody has touched the chunk meanwhile, -ENOSPC or
 * -ENOMEM if there is no room: @folio is nobody else's then.
 */
int vmig_region_add_chunk(struct vmig_region *region, struct folio *folio,
			  pgoff_t index)
{
	struct address_space *mapping = region->inode->i_mapping;
	int err;

	err = charge(region, folio_nr_pages(folio));
	if (err)
		return err;
	filemap_invalidate_lock_shared(mapping);
	err = show_folio(region, folio, index);
	filemap_invalidate_unlock_shared(mapping);
	if (err)
		uncharge(region, folio_nr_pages(folio));
	return err;
}

/*
 * A task that waits for a folio's lock has a reference to the folio. On the
 * list it stands for exactly one, until the lock is its own.
 */
struct waiter {
	struct list_head node;
	struct folio *folio;
};

static void lock_folio(struct vmig_region *region, struct folio *folio)
{
	struct waiter waiter = { .folio = folio };

	if (folio_trylock(folio))
		return;
	spin_lock(&region->lock);
	list_add(&waiter.node, &region->waiters);
	spin_unlock(&region->lock);
	folio_lock(folio);
	spin_lock(&region->lock);
	list_del(&waiter.node);
	spin_unlock(&region->lock);
}

/*
 * How many tasks wait for the lock of @folio, which the caller holds: none of
 * them can have dropped its reference before the caller unlocks.
 */
unsigned int vmig_region_waiters(struct vmig_region *region,
				 struct folio *folio)
{
	struct waiter *waiter;
	unsigned int n = 0;

	spin_lock(&region->lock);
	list_for_each_entry(waiter, &region->waiters, node)
		n += waiter->folio == folio;
	spin_unlock(&region->lock);
	return n;
}

/*
 * Lock a folio, of which the caller has a reference. Return: false, and it is
 * not locked, if it does not hold page @index of the region any more.
 */
bool vmig_region_lock_this(struct vmig_region *region, struct folio *folio,
			   pgoff_t index)
{
	lock_folio(region, folio);
	if (folio->mapping == region->inode->i_mapping &&
	    folio_contains(folio, index))
		return true;
	folio_unlock(folio);
	return false;
}

/* Return: the folio that holds a page, locked and referenced; NULL for a hole. */
struct folio *vmig_region_lock_folio(struct vmig_region *region, pgoff_t index)
{
	struct folio *folio;

	for (;;) {
		folio = vmig_region_find_folio(region, index);
		if (!folio || vmig_region_lock_this(region, folio, index))
			return folio;
		folio_put(folio);
	}
}

/* Note which pages of [@start, @end), within a chunk, are no holes. */
static void note_allocated(struct vmig_region *region, loff_t start, loff_t end,
			   unsigned long *pages)
{
	struct xarray *xa = &region->inode->i_mapping->i_pages;
	pgoff_t index = start >> PAGE_SHIFT;
	pgoff_t base = round_down(index, VMIG_CHUNK_PAGES);

	for (; index < DIV_ROUND_UP_ULL(end, PAGE_SIZE); index++)
		if (xa_load(xa, index))
			__set_bit(index - base, pages);
}

/* Punch [@start, @end), which is within one chunk. */
static void punch_chunk(struct vmig_region *region, loff_t start, loff_t end)
{
	struct address_space *mapping = region->inode->i_mapping;
	DECLARE_BITMAP(pages, VMIG_CHUNK_PAGES);
	unsigned long freed = mapping->nrpages;

	/*
	 * Pages are marked after they are gone: marked before, a harvest could
	 * take the mark and still read what they held.
	 */
	bitmap_zero(pages, VMIG_CHUNK_PAGES);
	if (vmig_track_begun(region, start >> PAGE_SHIFT))
		note_allocated(region, start, end, pages);
	truncate_pagecache_range(region->inode, start, end - 1);
	freed -= mapping->nrpages;
	uncharge(region, freed);
	vmig_track_punched(region, start >> VMIG_CHUNK_SHIFT, pages, freed);
}

/*
 * Free the whole pages of a range, and zero what it has of others. A huge folio
 * is split for it, or, while somebody holds on to it, zeroed.
 */
int vmig_region_punch_bytes(struct vmig_region *region, loff_t start,
			    loff_t end)
{
	struct inode *inode = region->inode;

	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	end = min(end, i_size_read(inode));
	while (start < end) {
		loff_t next = min_t(loff_t, end,
				    round_down(start, VMIG_CHUNK_SIZE) +
				    VMIG_CHUNK_SIZE);

		punch_chunk(region, start, next);
		start = next;
		cond_resched();
	}
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);
	return 0;
}

/**
 * vmig_region_punch() - Make pages holes.
 * @region: the region
 * @index: first page
 * @npages: how many; what is beyond the end of the region is ignored
 *
 * Context: Process context, takes the inode lock and the invalidate lock.
 * Return: 0. The pages read as zeroes afterwards, also where a page could not
 * be freed because it is in use.
 */
int vmig_region_punch(struct vmig_region *region, pgoff_t index,
		      unsigned long npages)
{
	return vmig_region_punch_bytes(region, (loff_t)index << PAGE_SHIFT,
				       (loff_t)(index + npages) << PAGE_SHIFT);
}
