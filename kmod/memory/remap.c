// SPDX-License-Identifier: GPL-2.0
/*
 * Back to huge mappings once tracking has stopped.
 *
 * A chunk that was tracked is mapped through a page table, and core mm maps a
 * huge folio over an empty slot only. What frees a page table under a mapping
 * is not exported, but unmapping is, and so is mapping over what is there: both
 * in one step under the mmap_lock, so that nobody sees the hole between. This
 * does to a VMM's memory, chunk by chunk, what the VMM could do by calling
 *
 *	mmap(chunk, 2 MiB, same protection, MAP_SHARED | MAP_FIXED, same file)
 *
 * What mmap() cannot ask for, as madvise(MADV_DONTFORK), is carried over by
 * vmig_remap_finish(). That the place still holds what was seen there is
 * checked by vmig_remap_check(): core mm calls it, as ->get_unmapped_area(),
 * with the mmap_lock held for writing and before it unmaps. An area that has
 * anything that neither could keep stays as it is, and its mappings small.
 *
 * It costs as much as unmapping and faulting in, takes its time, and is not
 * worth it for a VM that has moved away. Tracking may start again meanwhile: to
 * it, this is a VMM that maps.
 */
#include <linux/kthread.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat/mm.h"
#include "memory/internal.h"

/* Flags of an area that a new mapping has by itself, and that it is given. */
#define BASIC_FLAGS	(VM_READ | VM_WRITE | VM_SHARED | VM_MAYREAD | \
			 VM_MAYWRITE | VM_MAYSHARE | VM_SOFTDIRTY)
#define KEPT_FLAGS	(VM_DONTCOPY | VM_DONTDUMP | VM_HUGEPAGE | \
			 VM_NOHUGEPAGE | VM_MERGEABLE | VM_NORESERVE | \
			 VM_SEQ_READ | VM_RAND_READ)

/* An address space that has mapped a region: one mmgrab(). */
struct mapper {
	struct list_head node;
	struct mm_struct *mm;
};

/**
 * struct remap - the chunks of one region that shall be huge again
 * @region: one reference to its inode, and an active one to the super block
 * @chunks: bitmap; owned
 * @nchunks: bits of @chunks
 * @file: what the thread is mapping just now
 * @addr: where
 * @prot: what the area there allowed when it was found
 * @flags: of the area there, set by vmig_remap_check()
 */
struct remap {
	struct vmig_region *region;
	unsigned long *chunks;
	unsigned long nchunks;
	struct file *file;
	unsigned long addr;
	unsigned long prot;
	unsigned long flags;
};

static int remap_thread(void *data);

/* Return: what this thread is remapping, or NULL if it is any other task. */
static struct remap *current_remap(void)
{
	if (!(current->flags & PF_KTHREAD) ||
	    kthread_func(current) != remap_thread)
		return NULL;
	return kthread_data(current);
}

bool vmig_remap_is_current(void)
{
	return current_remap();
}

static bool is_fit(struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_SHARED && !vma_policy(vma) &&
	       !(vma->vm_flags & ~(BASIC_FLAGS | KEPT_FLAGS)) &&
	       !(vma->vm_mm->def_flags & VM_LOCKED);
}

static unsigned long prot_of(struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_READ ? PROT_READ : 0) |
	       (vma->vm_flags & VM_WRITE ? PROT_WRITE : 0);
}

/* Return: @addr if it may be mapped over, or an error instead. */
unsigned long vmig_remap_check(struct file *file, unsigned long addr,
			       unsigned long len, unsigned long pgoff)
{
	struct vm_area_struct *vma = find_vma(current->mm, addr);
	struct remap *remap = current_remap();

	if (!vma || vma->vm_start > addr || vma->vm_end < addr + len ||
	    vma->vm_file != file || addr != remap->addr || !is_fit(vma) ||
	    linear_page_index(vma, addr) != pgoff ||
	    prot_of(vma) != remap->prot)
		return -EAGAIN;
	remap->flags = vma->vm_flags;
	return addr;
}

/* Make the new mapping what the old one was. */
void vmig_remap_finish(struct vm_area_struct *vma)
{
	vm_flags_set(vma, current_remap()->flags & KEPT_FLAGS);
}

/*
 * Remember who maps a region. Without memory for it, that one's mappings stay
 * small after tracking. The mmap_lock is held.
 */
void vmig_remap_note_user(struct vmig_region *region)
{
	struct mapper *new = kmalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	struct mm_struct *gone = NULL;
	struct mapper *user;

	spin_lock(&region->lock);
	list_for_each_entry(user, &region->users, node) {
		if (user->mm == current->mm)
			goto out;
		if (!atomic_read(&user->mm->mm_users)) {
			gone = user->mm;
			break;
		}
	}
	if (!gone) {
		if (!new)
			goto out;
		user = new;
		new = NULL;
		list_add_tail(&user->node, &region->users);
	}
	mmgrab(current->mm);
	user->mm = current->mm;
out:
	spin_unlock(&region->lock);
	if (gone)
		mmdrop(gone);
	kfree(new);
}

void vmig_remap_forget_users(struct vmig_region *region)
{
	struct mapper *user, *next;

	list_for_each_entry_safe(user, next, &region->users, node) {
		mmdrop(user->mm);
		kfree(user);
	}
	INIT_LIST_HEAD(&region->users);
}

/* Return: the @n-th user's address space, kept alive, or NULL. */
static struct mm_struct *get_user_mm(struct vmig_region *region, unsigned int n,
				     bool *last)
{
	struct mm_struct *mm = NULL;
	struct mapper *user;

	*last = true;
	spin_lock(&region->lock);
	list_for_each_entry(user, &region->users, node) {
		if (n--)
			continue;
		*last = false;
		if (mmget_not_zero(user->mm))
			mm = user->mm;
		break;
	}
	spin_unlock(&region->lock);
	return mm;
}

/* Return: the first address in @vma from @addr on where a chunk to map lies. */
static unsigned long find_in_area(struct remap *remap,
				  struct vm_area_struct *vma,
				  unsigned long addr)
{
	addr = round_up(max(addr, vma->vm_start), VMIG_CHUNK_SIZE);
	for (; addr < vma->vm_end && vma->vm_end - addr >= VMIG_CHUNK_SIZE;
	     addr += VMIG_CHUNK_SIZE) {
		pgoff_t index = linear_page_index(vma, addr);

		/* Nothing huge fits an area that is out of step with the file. */
		if (index % VMIG_CHUNK_PAGES)
			break;
		if (vmig_chunk_of(index) < remap->nchunks &&
		    test_bit(vmig_chunk_of(index), remap->chunks))
			return addr;
	}
	return 0;
}

/*
 * Find the next chunk to map from @addr on, and what it takes to map it. Return:
 * its address, with remap->prot, and remap->file is referenced; or 0.
 */
static unsigned long find_chunk(struct remap *remap, unsigned long addr,
				pgoff_t *index)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long found = 0;

	mmap_read_lock(mm);
	for (vma = find_vma(mm, addr); vma && !found;
	     vma = find_vma(mm, vma->vm_end)) {
		if (!vma->vm_file || !is_fit(vma) ||
		    file_inode(vma->vm_file) != remap->region->inode)
			continue;
		found = find_in_area(remap, vma, addr);
		if (!found)
			continue;
		remap->file = get_file(vma->vm_file);
		*index = linear_page_index(vma, found);
		remap->prot = prot_of(vma);
	}
	mmap_read_unlock(mm);
	return found;
}

/* A small folio gains nothing from it. */
static bool is_huge(struct remap *remap, pgoff_t index)
{
	struct folio *folio = vmig_region_find_folio(remap->region, index);
	bool huge = folio && folio_test_large(folio);

	if (folio)
		folio_put(folio);
	return huge;
}

/* Whatever is refused leaves what is there: small mappings. */
static void map_over(struct remap *remap, pgoff_t index)
{
	unsigned long addr;

	addr = vm_mmap(remap->file, remap->addr, VMIG_CHUNK_SIZE, remap->prot,
		       MAP_SHARED | MAP_FIXED, index << PAGE_SHIFT);
	if (IS_ERR_VALUE(addr))
		pr_debug("vmig: a chunk of %s stays small: %ld\n",
			 remap->region->name, (long)addr);
}

/* Nobody but this thread keeps the super block, or the address space. */
static bool is_abandoned(struct remap *remap)
{
	return atomic_read(&remap->region->inode->i_sb->s_active) == 1 ||
	       atomic_read(&current->mm->mm_users) == 1;
}

static void remap_mm(struct remap *remap)
{
	unsigned long addr = 0;
	unsigned int noreclaim;
	pgoff_t index;

	/* Out of memory between unmapping and mapping would leave a gap. */
	noreclaim = memalloc_noreclaim_save();
	while (!is_abandoned(remap) &&
	       (addr = find_chunk(remap, addr, &index))) {
		remap->addr = addr;
		if (is_huge(remap, index))
			map_over(remap, index);
		fput(remap->file);
		addr += VMIG_CHUNK_SIZE;
		cond_resched();
	}
	memalloc_noreclaim_restore(noreclaim);
}

static int remap_thread(void *data)
{
	struct remap *remap = data;
	struct inode *inode = remap->region->inode;
	struct super_block *sb = inode->i_sb;
	unsigned int n = 0;
	bool last;

	do {
		struct mm_struct *mm = get_user_mm(remap->region, n++, &last);

		if (!mm)
			continue;
		kthread_use_mm(mm);
		remap_mm(remap);
		kthread_unuse_mm(mm);
		mmput(mm);
	} while (!last);

	kvfree(remap->chunks);
	kfree(remap);
	iput(inode);
	deactivate_super(sb);
	module_put_and_kthread_exit(0);
}

/*
 * Map @chunks of a region huge again, where they are huge folios. Takes over
 * the bitmap, and returns at once; what is left to do does not depend on the
 * claim, which the caller has. Without memory for it, mappings stay small.
 */
void vmig_remap_region(struct vmig_region *region, unsigned long *chunks,
		       unsigned long nchunks)
{
	struct remap *remap = kzalloc(sizeof(*remap), GFP_KERNEL);
	struct task_struct *thread;

	if (!remap)
		goto err_free_chunks;
	remap->region = region;
	remap->chunks = chunks;
	remap->nchunks = nchunks;
	thread = kthread_create(remap_thread, remap, "vmig-remap");
	if (IS_ERR(thread))
		goto err_free_remap;
	__module_get(THIS_MODULE);
	ihold(region->inode);
	atomic_inc(&region->inode->i_sb->s_active);
	wake_up_process(thread);
	return;

err_free_remap:
	kfree(remap);
err_free_chunks:
	kvfree(chunks);
}
