/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of kmod/memory share among themselves.
 */
#ifndef _VMIG_MEMORY_INTERNAL_H
#define _VMIG_MEMORY_INTERNAL_H

#include "memory/memory.h"

/**
 * struct vmig_mount - a mounted vmigfs
 * @net: the node, one reference
 * @limit: pages that may be allocated (size=), 0 for no limit
 * @used: pages that are
 * @huge: huge=always
 */
struct vmig_mount {
	struct net *net;
	u64 limit;
	atomic64_t used;
	bool huge;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

/**
 * struct vmig_inode - the root, a VM or a region
 * @vm: of a directory, one reference; NULL in the root
 * @region: of a file
 */
struct vmig_inode {
	struct inode inode;
	struct vmig_vm *vm;
	struct vmig_region region;
};

static inline struct vmig_inode *vmig_inode(struct inode *inode)
{
	return container_of(inode, struct vmig_inode, inode);
}

static inline struct vmig_region *vmig_region_of(struct inode *inode)
{
	return &vmig_inode(inode)->region;
}

static inline struct vmig_mount *vmig_mount(struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline unsigned long vmig_chunk_of(pgoff_t index)
{
	return index / VMIG_CHUNK_PAGES;
}

/* vm.c APIs: */
struct vmig_vm *vmig_vm_create(struct super_block *sb, const char *name);
int vmig_vm_remove(struct vmig_vm *vm, bool force);
int vmig_vm_add_region(struct vmig_vm *vm, struct vmig_region *region);
int vmig_vm_remove_region(struct vmig_region *region, bool force);
int vmig_vm_resize_region(struct vmig_region *region, loff_t size);

/* region.c APIs: */
void vmig_region_init(struct vmig_region *region, struct inode *inode);
void vmig_region_evict(struct vmig_region *region);
void vmig_region_note_user(struct vmig_region *region);
struct folio *vmig_region_lock_folio(struct vmig_region *region, pgoff_t index);
bool vmig_region_lock_this(struct vmig_region *region, struct folio *folio,
			   pgoff_t index);
unsigned int vmig_region_waiters(struct vmig_region *region,
				 struct folio *folio);
int vmig_region_punch_bytes(struct vmig_region *region, loff_t start,
			    loff_t end);

/* file.c APIs: */
extern const struct file_operations vmig_file_operations;
extern const struct address_space_operations vmig_file_aops;

/* track.c APIs: */
bool vmig_track_begun(struct vmig_region *region, pgoff_t index);
void vmig_track_write(struct vmig_region *region, pgoff_t index);
void vmig_track_add(struct vmig_region *region, pgoff_t index,
		    unsigned long npages);
void vmig_track_punched(struct vmig_region *region, unsigned long chunk,
			const unsigned long *pages, unsigned long freed);

/* remap.c APIs: */
void vmig_remap_note_user(struct vmig_region *region);
void vmig_remap_forget_users(struct vmig_region *region);
void vmig_remap_region(struct vmig_region *region, unsigned long *chunks,
		       unsigned long nchunks);
bool vmig_remap_is_current(void);
unsigned long vmig_remap_check(struct file *file, unsigned long addr,
			       unsigned long len, unsigned long pgoff);
void vmig_remap_finish(struct vm_area_struct *vma);

/* throttle.c APIs: */
void vmig_throttle_init(struct vmig_throttle *throttle);
void vmig_throttle_wait(struct vmig_region *region, struct mm_struct *mm);

/* debug.c APIs: */
#ifdef CONFIG_DEBUG_FS
void vmig_debug_init(void);
void vmig_debug_exit(void);
void vmig_debug_add(struct vmig_vm *vm);
void vmig_debug_remove(struct vmig_vm *vm);
#else
static inline void vmig_debug_init(void) { }
static inline void vmig_debug_exit(void) { }
static inline void vmig_debug_add(struct vmig_vm *vm) { }
static inline void vmig_debug_remove(struct vmig_vm *vm) { }
#endif

#endif /* _VMIG_MEMORY_INTERNAL_H */
