/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: VMs are directories of vmigfs, regions are the files in them.
 *
 * Lock order, outermost first:
 *   mmap_lock
 *   vm->lock		regions of a VM, claim, start and stop of tracking
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
#include <linux/types.h>
#include <linux/vmig.h>

/* Unit of tracking, of striping over channels, and of a huge folio. */
#define VMIG_CHUNK_SHIFT	21
#define VMIG_CHUNK_SIZE		(1UL << VMIG_CHUNK_SHIFT)
#define VMIG_CHUNK_PAGES	(VMIG_CHUNK_SIZE >> PAGE_SHIFT)
#define VMIG_REGIONS_MAX	16

struct net;
struct vmig_region;
struct vmig_track;

/**
 * struct vmig_vm - a directory of vmigfs
 * @ref: one for the directory's inode, one a vmig_vm_find() or claim
 * @net: the node it belongs to; set at creation, never changes. The super
 *	block holds the reference.
 * @name: set at creation, never changes
 * @lock: protects the fields below and the size of every region
 * @regions: in the order of their names, compared bytewise; @nregions of them.
 *	Owned by the inodes of the files. Neither list nor sizes change
 *	while the VM is claimed, so that a claimant reads them without @lock.
 * @claim: id of the migration that claims the VM, or 0
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
};

/**
 * struct vmig_region - a file of vmigfs
 * @track: dirty page tracking, NULL while none runs. Written under vm->lock
 *	and @inode's invalidate lock; see track.c for the readers' side.
 * @pages: allocated 4 KiB pages
 */
struct vmig_region {
	struct vmig_vm *vm;
	struct inode *inode;
	char name[VMIG_NAME_MAX + 1];
	loff_t size;
	atomic64_t pages;
	struct vmig_track __rcu *track;
	struct mem_cgroup *memcg;
};

/* fs.c APIs: */
int vmig_fs_init(void);
void vmig_fs_exit(void);

/* region.c APIs: */
struct vmig_vm *vmig_vm_find(struct net *net, const char *name);
void vmig_vm_put(struct vmig_vm *vm);
int vmig_vm_for_each(struct net *net,
		     int (*fn)(struct vmig_vm *vm, void *arg), void *arg);
int vmig_vm_claim(struct vmig_vm *vm, u32 id, struct netlink_ext_ack *extack);
void vmig_vm_release(struct vmig_vm *vm);

struct folio *vmig_region_find_folio(struct vmig_region *region, pgoff_t index);
struct folio *vmig_region_alloc_folio(struct vmig_region *region,
				      pgoff_t index, bool zero);
int vmig_region_punch(struct vmig_region *region, pgoff_t index,
		      unsigned long npages);

/* track.c APIs: */
struct vmig_track_stats {
	u64 remaining;	/* pages: dirty, or in chunks not begun */
	u64 faults;	/* first writes to a page after write-protection */
	u64 sticky;	/* pages harvested and left dirty: DMA may be in flight */
	u64 bytes;	/* memory that tracking uses */
};

int vmig_track_start(struct vmig_vm *vm, struct netlink_ext_ack *extack);
void vmig_track_stop(struct vmig_vm *vm);
unsigned int vmig_track_harvest(struct vmig_region *region, unsigned long chunk,
				unsigned long *pages, bool final);
unsigned long vmig_track_next(struct vmig_region *region, unsigned long chunk,
			      unsigned int first, unsigned int stride);
void vmig_track_redirty(struct vmig_region *region, unsigned long chunk,
			const unsigned long *pages);
void vmig_track_stats(struct vmig_vm *vm, struct vmig_track_stats *stats);

/* throttle.c APIs: */
void vmig_throttle_set(struct vmig_vm *vm, u64 pages_per_second);
u64 vmig_throttle_waited_us(struct vmig_vm *vm);

#endif /* _VMIG_MEMORY_H */
