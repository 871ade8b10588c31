// SPDX-License-Identifier: GPL-2.0
/*
 * Files of vmigfs: how VMMs, and everybody else, get at a region.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "compat/compat.h"
#include "compat/fs.h"
#include "memory/internal.h"

static int touch_entry(pte_t *pte, unsigned long address, void *data)
{
	return 0;
}

/*
 * Keep core mm from mapping a huge folio as such while its chunk is tracked: it
 * does so over an empty slot only, so fill the slot with a page table. The
 * folio is locked, and stays so until it is mapped.
 */
static int keep_small(struct vm_fault *vmf, struct vmig_region *region,
		      struct folio *folio)
{
	if (!folio_test_large(folio) || !pmd_none(*vmf->pmd) ||
	    !vmig_track_begun(region, vmf->pgoff))
		return 0;
	return apply_to_page_range(vmf->vma->vm_mm, vmf->address & PAGE_MASK,
				   PAGE_SIZE, touch_entry, NULL);
}

static vm_fault_t fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct vmig_region *region = vmig_region_of(inode);
	struct folio *folio;

	for (;;) {
		folio = vmig_region_alloc_folio(region, vmf->pgoff);
		if (folio == ERR_PTR(-ENOMEM))
			return VM_FAULT_OOM;
		if (IS_ERR(folio))
			return VM_FAULT_SIGBUS;
		if (vmig_region_lock_this(region, folio, vmf->pgoff))
			break;
		folio_put(folio);
	}
	if (keep_small(vmf, region, folio)) {
		folio_unlock(folio);
		folio_put(folio);
		return VM_FAULT_OOM;
	}
	vmf->page = folio_file_page(folio, vmf->pgoff);
	return VM_FAULT_LOCKED;
}

/*
 * The first write to a page since it was mapped or write-protected. Returns
 * with the folio locked; core mm unlocks it when the entry is writable.
 */
static vm_fault_t page_mkwrite(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct vmig_region *region = vmig_region_of(inode);
	struct folio *folio = page_folio(vmf->page);

	if (vmig_track_begun(region, vmf->pgoff))
		vmig_throttle_wait(region, vmf->vma->vm_mm);
	if (!vmig_region_lock_this(region, folio, vmf->pgoff))
		return VM_FAULT_NOPAGE;
	/* The lock was not held since fault(): a chunk may have begun. */
	if (keep_small(vmf, region, folio)) {
		folio_unlock(folio);
		return VM_FAULT_OOM;
	}
	vmig_track_write(region, vmf->pgoff);
	return VM_FAULT_LOCKED;
}

/* No map_pages: what it maps ahead would have to be tracked as well. */
static const struct vm_operations_struct vm_ops = {
	.fault = fault,
	.page_mkwrite = page_mkwrite,
};

/*
 * Only shared mappings that could write, even if they do not. A private one
 * would copy guest memory unseen. And a single one that cannot write makes
 * wp_shared_mapping_range() skip all mappings that come after it.
 */
static int file_mmap(struct file *file, struct vm_area_struct *vma)
{
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) !=
	    (VM_SHARED | VM_MAYWRITE))
		return -EACCES;
	vma->vm_ops = &vm_ops;
	if (vmig_remap_is_current()) {
		vmig_remap_finish(vma);
		return 0;
	}
	vmig_region_note_user(vmig_region_of(file_inode(file)));
	file_accessed(file);
	return 0;
}

static unsigned long find_area(struct file *file, unsigned long addr,
			       unsigned long len, unsigned long pgoff,
			       unsigned long flags)
{
	if (vmig_remap_is_current())
		return vmig_remap_check(file, addr, len, pgoff);
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}

/* Copy up to @n bytes of one page, all of it if the user's memory is there. */
static size_t read_page(struct vmig_region *region, loff_t pos, size_t n,
			struct iov_iter *to)
{
	struct folio *folio;
	struct page *page;
	size_t copied = 0;

	folio = vmig_region_find_folio(region, pos >> PAGE_SHIFT);
	if (!folio)
		return iov_iter_zero(n, to);
	if (!folio_test_uptodate(folio)) {
		folio_lock(folio);
		folio_unlock(folio);
	}
	page = folio_file_page(folio, pos >> PAGE_SHIFT);
	if (!PageHWPoison(page))
		copied = copy_page_to_iter(page, offset_in_page(pos), n, to);
	folio_put(folio);
	return copied;
}

/* Unlike the generic one, this leaves a hole a hole. */
static ssize_t read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t size = i_size_read(inode);
	ssize_t total = 0;

	while (iov_iter_count(to) && iocb->ki_pos < size) {
		size_t n = PAGE_SIZE - offset_in_page(iocb->ki_pos);
		size_t copied;

		n = min_t(loff_t, min(n, iov_iter_count(to)),
			  size - iocb->ki_pos);
		copied = read_page(vmig_region_of(inode), iocb->ki_pos, n, to);
		iocb->ki_pos += copied;
		total += copied;
		if (copied < n)
			return total ?: -EFAULT;
		if (fatal_signal_pending(current))
			return total ?: -EINTR;
		cond_resched();
	}
	file_accessed(iocb->ki_filp);
	return total;
}

/* Return: how much of @n bytes of one page was written, or an error. */
static ssize_t write_page(struct vmig_region *region, loff_t pos, size_t n,
			  struct iov_iter *from)
{
	pgoff_t index = pos >> PAGE_SHIFT;
	struct folio *folio;
	size_t copied;

	/* With the folio locked a fault on the same one would never end. */
	if (fault_in_iov_iter_readable(from, n) == n)
		return -EFAULT;
	folio = vmig_region_alloc_folio(region, index);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	if (!vmig_region_lock_this(region, folio, index)) {
		folio_put(folio);
		return 0;
	}
	copied = copy_page_from_iter_atomic(folio_file_page(folio, index),
					    offset_in_page(pos), n, from);
	if (copied)
		vmig_track_write(region, index);
	folio_unlock(folio);
	folio_put(folio);
	return copied;
}

static ssize_t write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t err, total = 0;
	loff_t left;

	inode_lock(inode);
	err = generic_write_checks(iocb, from);
	left = i_size_read(inode) - iocb->ki_pos;
	/* Only ftruncate() makes a region larger. */
	if (err > 0 && left <= 0)
		err = -EFBIG;
	if (err > 0)
		iov_iter_truncate(from, left);
	while (err >= 0 && iov_iter_count(from)) {
		size_t n = PAGE_SIZE - offset_in_page(iocb->ki_pos);

		err = fatal_signal_pending(current) ? -EINTR :
		      write_page(vmig_region_of(inode), iocb->ki_pos,
				 min(n, iov_iter_count(from)), from);
		if (err > 0) {
			iocb->ki_pos += err;
			total += err;
		}
		cond_resched();
	}
	inode_unlock(inode);
	return total ?: err;
}

static bool is_hole(struct address_space *mapping, pgoff_t index)
{
	return !xa_load(&mapping->i_pages, index);
}

/* Return: the first position from @pos on that is, or is not, in a hole. */
static loff_t seek_data_hole(struct inode *inode, loff_t pos, bool data)
{
	struct address_space *mapping = inode->i_mapping;
	loff_t size = i_size_read(inode);
	unsigned long index = pos >> PAGE_SHIFT;

	if (pos < 0 || pos >= size)
		return -ENXIO;
	if (is_hole(mapping, index) != data)
		return pos;
	if (data && !xa_find(&mapping->i_pages, &index, ULONG_MAX, XA_PRESENT))
		return -ENXIO;
	while (!data && (loff_t)index << PAGE_SHIFT < size &&
	       !is_hole(mapping, index)) {
		index++;
		cond_resched();
	}
	return clamp_t(loff_t, (loff_t)index << PAGE_SHIFT, pos, size);
}

static loff_t llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, offset, whence);
	inode_lock(inode);
	offset = seek_data_hole(inode, offset, whence == SEEK_DATA);
	if (offset >= 0)
		offset = vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
	inode_unlock(inode);
	return offset;
}

/* What a balloon and free page reporting give back. */
static long file_fallocate(struct file *file, int mode, loff_t offset,
			   loff_t len)
{
	if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	return vmig_region_punch_bytes(vmig_region_of(file_inode(file)), offset,
				       offset + len);
}

const struct file_operations vmig_file_operations = {
	.llseek = llseek,
	.read_iter = read_iter,
	.write_iter = write_iter,
	.mmap = file_mmap,
	.fsync = noop_fsync,
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
	.fallocate = file_fallocate,
	.get_unmapped_area = find_area,
};

/*
 * Called for writers that page_mkwrite() has seen, and for some that hold the
 * page and write it past the page tables. May be in atomic context.
 */
static bool dirty_folio(struct address_space *mapping, struct folio *folio)
{
	if (!folio_test_large(folio))
		vmig_track_write(vmig_region_of(mapping->host), folio->index);
	return noop_dirty_folio(mapping, folio);
}

const struct address_space_operations vmig_file_aops = {
	.dirty_folio = dirty_folio,
	.migrate_folio = filemap_migrate_folio,
};
