/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: VMs are directories of vmigfs, regions are the files in them.
 *
 * Lock order, outermost first:
 *   mmap_lock, or the inode lock of a directory or region
 *   vm->lock		regions of a VM, claim, start and stop of tracking
 *   invalidate lock	of a region's mapping. Shared: adding a folio.
 *			Exclusive: punching, first harvest of a chunk, start
 *			and stop of tracking
 *   folio lock		several of one region in ascending order only
 *   mapping->i_mmap_rwsem and below
 */
#ifndef _VMIG_MEMORY_H
#define _VMIG_MEMORY_H

#include <linux/bitmap.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/pagemap.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/vmig.h>

/* Unit of tracking, of striping over channels, and of a huge folio. */
#define VMIG_CHUNK_SHIFT	21
#define VMIG_CHUNK_SIZE		(1UL << VMIG_CHUNK_SHIFT)
#define VMIG_CHUNK_PAGES	(VMIG_CHUNK_SIZE >> PAGE_SHIFT)
#define VMIG_REGIONS_MAX	16

/* Claim of somebody who is no migration: the tests' door, see debug.c. */
#define VMIG_CLAIM_DEBUG	U32_MAX

struct net;
struct vmig_region;
struct vmig_track;

/**
 * struct vmig_throttle - how fast a VM may write to clean pages
 * @lock: protects @next
 * @rate: pages a second, 0 for no limit
 * @next: when the next write is due, ns of CLOCK_MONOTONIC
 * @waited_ns: what writers have waited in all
 */
struct vmig_throttle {
	spinlock_t lock;
	u64 rate;
	u64 next;
	atomic64_t waited_ns;
};

/**
 * struct vmig_vm - a directory of vmigfs
 * @ref: one for the directory's inode, one a region, one a vmig_vm_find() or
 *	claim
 * @net: the node it belongs to; set at creation, never changes. The super
 *	block holds the reference.
 * @node: in the list of all VMs until the directory is removed
 * @sb: super block of the directory; NULL once that is removed
 * @name: set at creation, never changes
 * @lock: protects @sb, @regions, @nregions, @claim and the size of every region
 * @regions: in the order of their names, compared bytewise; @nregions of them.
 *	Owned by the inodes of the files. Neither list nor sizes change
 *	while the VM is claimed, so that a claimant reads them without @lock.
 * @claim: id of the migration that claims the VM, or 0
 * @throttle: see throttle.c
 * @debug: its file in debugfs, owned by the directory's inode
 */
struct vmig_vm {
	struct kref ref;
	struct net *net;
	struct list_head node;
	struct super_block *sb;
	char name[VMIG_NAME_MAX + 1];

	struct mutex lock;
	struct vmig_region *regions[VMIG_REGIONS_MAX];
	unsigned int nregions;
	u32 claim;

	struct vmig_throttle throttle;
	struct dentry *debug;
};

/**
 * struct vmig_region - a file of vmigfs
 * @vm: its VM, one reference
 * @inode: its inode, which it is part of
 * @name: set at creation, never changes
 * @size: bytes, a multiple of the page size
 * @pages: allocated 4 KiB pages, as they are charged to the size= of the mount
 * @track: dirty page tracking, NULL while none runs. Written under vm->lock
 *	and @inode's invalidate lock, read under RCU or by the claimant.
 * @memcg: who pays for what kernel threads allocate: the memory cgroup of the
 *	task that mapped the region first. Set once, one reference.
 * @lock: protects @waiters and @users
 * @waiters: tasks that wait for the lock of a folio with a reference to it
 * @users: address spaces that have mapped it; see remap.c
 */
struct vmig_region {
	struct vmig_vm *vm;
	struct inode *inode;
	char name[VMIG_NAME_MAX + 1];
	loff_t size;
	atomic64_t pages;
	struct vmig_track __rcu *track;
	struct mem_cgroup *memcg;
	spinlock_t lock;
	struct list_head waiters;
	struct list_head users;
};

/* fs.c APIs: */
int vmig_fs_init(void);
void vmig_fs_exit(void);

/* vm.c APIs: */
struct vmig_vm *vmig_vm_find(struct net *net, const char *name);
void vmig_vm_put(struct vmig_vm *vm);
int vmig_vm_for_each(struct net *net,
		     int (*fn)(struct vmig_vm *vm, void *arg), void *arg);
int vmig_vm_claim(struct vmig_vm *vm, u32 id, struct netlink_ext_ack *extack);
void vmig_vm_release(struct vmig_vm *vm);

/* region.c APIs: */
struct folio *vmig_region_find_folio(struct vmig_region *region, pgoff_t index);
struct folio *vmig_region_alloc_folio(struct vmig_region *region,
				      pgoff_t index);
struct folio *vmig_region_alloc_page(struct vmig_region *region, pgoff_t index);
struct folio *vmig_region_new_chunk(struct vmig_region *region, pgoff_t index,
				    bool zero);
int vmig_region_add_chunk(struct vmig_region *region, struct folio *folio,
			  pgoff_t index);
unsigned long vmig_region_page_size(struct vmig_region *region);
int vmig_region_punch(struct vmig_region *region, pgoff_t index,
		      unsigned long npages);

/* track.c APIs: */
struct vmig_track_stats {
	u64 remaining;	/* pages: dirty, or allocated in chunks not begun */
	u64 faults;	/* first writes to a page after write-protection */
	u64 sticky;	/* pages harvested and left dirty: DMA may be in flight */
	u64 bytes;	/* memory that tracking uses */
};

int vmig_track_start(struct vmig_vm *vm, struct netlink_ext_ack *extack);
void vmig_track_stop(struct vmig_vm *vm, bool stays);
unsigned long vmig_track_next(struct vmig_region *region, unsigned long chunk,
			      unsigned int first, unsigned int stride);
void vmig_track_redirty(struct vmig_region *region, unsigned long chunk,
			const unsigned long *pages);
void vmig_track_stats(struct vmig_vm *vm, struct vmig_track_stats *stats);

/* harvest.c APIs: */
unsigned int vmig_track_harvest(struct vmig_region *region, unsigned long chunk,
				unsigned long *pages, bool final);

/* throttle.c APIs: */
void vmig_throttle_set(struct vmig_vm *vm, u64 pages_per_second);
u64 vmig_throttle_waited_us(struct vmig_vm *vm);

#endif /* _VMIG_MEMORY_H */
