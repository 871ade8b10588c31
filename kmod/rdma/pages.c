// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of a chunk as a device takes them: in pieces, of which a key or a write
 * has some.
 *
 * The device may use them until its queue pair is in the error state, whatever
 * the channel's thread has come to meanwhile: so long each piece is referenced.
 */
#include <linux/bvec.h>
#include <linux/mm.h>

#include "rdma/rdma.h"

/**
 * vmig_rdma_pages_cut() - Cut the next pages into pieces.
 * @cursor: where to go on; moved behind what is cut
 * @len: bytes, of whole pages, of which there are as many
 * @piece: most bytes of a piece, whole pages
 * @sg: filled in; has VMIG_RDMA_PIECES entries left, or one for each page
 *
 * Return: how many pieces.
 */
unsigned int vmig_rdma_pages_cut(struct vmig_rdma_cursor *cursor, size_t len,
				 u32 piece, struct scatterlist *sg)
{
	unsigned int nents = 0;

	while (len && cursor->left) {
		const struct bio_vec *page = cursor->page;
		size_t part = min3(len, (size_t)page->bv_len - cursor->at,
				   (size_t)piece);

		sg_init_table(&sg[nents], 1);
		sg_unmark_end(&sg[nents]);
		sg_set_page(&sg[nents],
			    nth_page(page->bv_page, cursor->at >> PAGE_SHIFT),
			    part, 0);
		nents++;
		len -= part;
		cursor->at += part;
		if (cursor->at == page->bv_len) {
			cursor->page++;
			cursor->left--;
			cursor->at = 0;
		}
	}
	if (nents)
		sg_mark_end(&sg[nents - 1]);
	return nents;
}

void vmig_rdma_pages_get(struct scatterlist *sg, unsigned int nents)
{
	unsigned int i;

	for (i = 0; i < nents; i++)
		get_page(sg_page(&sg[i]));
}

void vmig_rdma_pages_put(struct scatterlist *sg, unsigned int nents)
{
	unsigned int i;

	for (i = 0; i < nents; i++)
		put_page(sg_page(&sg[i]));
}
