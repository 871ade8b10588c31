/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_COMPAT_MM_H
#define _VMIG_COMPAT_MM_H

#include <linux/mm.h>
#include <linux/version.h>

/*
 * How many page table entries map @folio, which is locked and not anonymous.
 * folio_mapcount() is exported, or inline, since Linux 6.9.
 */
static inline int vmig_compat_folio_mapcount(struct folio *folio)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	return folio_mapcount(folio);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return folio_total_mapcount(folio);
#else
	long i, nr = folio_nr_pages(folio);
	int entire, count = 0;

	for (i = 0; i < nr; i++)
		count += atomic_read(&folio_page(folio, i)->_mapcount) + 1;
	if (!folio_test_large(folio))
		return count;
	/* A huge mapping of a file counts in every page, and once more. */
	entire = folio_entire_mapcount(folio);
	return count + entire - entire * nr;
#endif
}

/* Flags of a mapping got accessors in Linux 6.3. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}
#endif

#ifdef CONFIG_MAPPING_DIRTY_HELPERS
#define VMIG_COMPAT_PROTECT_RANGE	1

/*
 * Write-protect, then clean, all page table entries of @npages pages from
 * @index on, at most VMIG_COMPAT_PROTECT_MAX of them. Return: how many changed.
 */
#define VMIG_COMPAT_PROTECT_MAX		512
static inline unsigned long
vmig_compat_protect_range(struct address_space *mapping, pgoff_t index,
			  unsigned long npages)
{
	DECLARE_BITMAP(cleaned, VMIG_COMPAT_PROTECT_MAX) = { };
	pgoff_t start = 0, end = 0;

	return wp_shared_mapping_range(mapping, index, npages) +
	       clean_record_shared_mapping_range(mapping, index, npages, index,
						 cleaned, &start, &end);
}
#else
#define VMIG_COMPAT_PROTECT_RANGE	0

static inline unsigned long
vmig_compat_protect_range(struct address_space *mapping, pgoff_t index,
			  unsigned long npages)
{
	return 0;
}
#endif /* CONFIG_MAPPING_DIRTY_HELPERS */

#endif /* _VMIG_COMPAT_MM_H */
