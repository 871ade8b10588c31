// SPDX-License-Identifier: GPL-2.0
/*
 * The destination's side of a chunk: register exactly its data pages, grant the
 * source their keys, and take them back when it says that it has written. One
 * chunk more is registered and granted meanwhile.
 *
 * Nothing is acknowledged, and nobody looks at a page, before its key is invalid:
 * the source is not trusted, and could change pages that were checked. A key
 * lives until its chunk is written, so that memory pinned does not grow with the
 * VM, and none lives when the VM resumes.
 *
 * After an error the keys stay valid until the queue pair is gone. The pages are
 * referenced until then.
 */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "rdma/rdma.h"

/* Addresses of a region begin here: not the pages', which are nobody's business. */
#define REGION_SHIFT	21

/* A registration that fails; one that succeeds is silent. */
static void registered(struct ib_cq *cq, struct ib_wc *wc)
{
	struct vmig_rdma_link *rl =
		container_of(wc->wr_cqe, struct vmig_rdma_link, key_cqe);

	if (wc->status != IB_WC_SUCCESS)
		vmig_rdma_break_wc(rl, wc, "registering pages");
}

/* The last key of a chunk is invalid, and the others were before. */
static void invalidated(struct ib_cq *cq, struct ib_wc *wc)
{
	struct vmig_rdma_link *rl =
		container_of(wc->wr_cqe, struct vmig_rdma_link, inv_cqe);
	unsigned long flags;

	if (wc->status != IB_WC_SUCCESS) {
		vmig_rdma_break_wc(rl, wc, "invalidating a key");
		return;
	}
	spin_lock_irqsave(&rl->lock, flags);
	rl->invalidated = true;
	rl->moves++;
	spin_unlock_irqrestore(&rl->lock, flags);
	wake_up_all(&rl->wait);
}

/**
 * vmig_rdma_region_create() - Allocate the regions of a destination.
 * @rl: the link, which has its protection domain
 *
 * Return: 0, or a negative errno; vmig_rdma_region_destroy() follows in any
 * case.
 */
int vmig_rdma_region_create(struct vmig_rdma_link *rl)
{
	const unsigned int keys = rl->limits.keys;
	struct ib_mr *mr;
	unsigned int i;

	rl->key_cqe.done = registered;
	rl->inv_cqe.done = invalidated;
	for (i = 0; i < VMIG_RDMA_CHUNKS * keys; i++) {
		mr = ib_alloc_mr(rl->pd, IB_MR_TYPE_MEM_REG,
				 rl->limits.key_pages);
		if (IS_ERR(mr))
			return PTR_ERR(mr);
		rl->in[i / keys].regions[i % keys].mr = mr;
	}
	return 0;
}

/* The pages of a chunk's regions are not the device's any more. */
static void let_go(struct vmig_rdma_link *rl, struct vmig_rdma_incoming *chunk)
{
	while (chunk->nregions) {
		struct vmig_rdma_region *region =
			&chunk->regions[--chunk->nregions];

		ib_dma_unmap_sg(rl->pd->device, region->sg, region->nents,
				DMA_FROM_DEVICE);
		vmig_rdma_pages_put(region->sg, region->nents);
	}
}

static void destroy_regions(struct vmig_rdma_link *rl,
			    struct vmig_rdma_incoming *chunk)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(chunk->regions); i++) {
		if (chunk->regions[i].mr)
			ib_dereg_mr(chunk->regions[i].mr);
		chunk->regions[i].mr = NULL;
	}
	let_go(rl, chunk);
}

/* After the queue pair is drained: nobody writes any more. */
void vmig_rdma_region_destroy(struct vmig_rdma_link *rl)
{
	unsigned int i;

	for (i = 0; i < VMIG_RDMA_CHUNKS; i++)
		destroy_regions(rl, &rl->in[i]);
	rl->nin = 0;
}

/* Fill in what registers @region, and what takes that back. */
static void prepare_wrs(struct vmig_rdma_link *rl,
			struct vmig_rdma_region *region)
{
	struct ib_mr *mr = region->mr;

	ib_update_fast_reg_key(mr, ib_inc_rkey(mr->rkey));
	mr->iova = ++rl->serial << REGION_SHIFT;
	region->reg = (struct ib_reg_wr){
		.wr = {
			.opcode = IB_WR_REG_MR,
			.wr_cqe = &rl->key_cqe,
		},
		.mr = mr,
		.key = mr->rkey,
		.access = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE,
	};
	region->inv = (struct ib_send_wr){
		.opcode = IB_WR_LOCAL_INV,
		.wr_cqe = &rl->inv_cqe,
		.ex.invalidate_rkey = mr->rkey,
	};
}

static int map_region(struct vmig_rdma_link *rl,
		      struct vmig_rdma_incoming *chunk,
		      struct vmig_rdma_cursor *cursor, size_t len,
		      struct scatterlist *sg)
{
	struct vmig_rdma_region *region = &chunk->regions[chunk->nregions];
	struct ib_device *device = rl->pd->device;
	int mapped, err;

	region->sg = sg;
	region->bytes = min_t(size_t, len, rl->limits.key_pages << PAGE_SHIFT);
	region->nents = vmig_rdma_pages_cut(cursor, region->bytes,
					    rl->limits.piece, sg);
	vmig_rdma_pages_get(sg, region->nents);
	mapped = ib_dma_map_sg(device, sg, region->nents, DMA_FROM_DEVICE);
	if (!mapped) {
		err = -ENOMEM;
		goto err_put;
	}
	err = ib_map_mr_sg(region->mr, sg, mapped, NULL, PAGE_SIZE);
	if (err >= 0)
		err = err == mapped && region->mr->length == region->bytes ?
		      0 : -EIO;
	if (err)
		goto err_unmap;
	prepare_wrs(rl, region);
	chunk->nregions++;
	return 0;

err_unmap:
	ib_dma_unmap_sg(device, sg, region->nents, DMA_FROM_DEVICE);
err_put:
	vmig_rdma_pages_put(sg, region->nents);
	return err;
}

/* Map all of a chunk's pages; none has a key yet. */
static int map_regions(struct vmig_rdma_link *rl,
		       struct vmig_rdma_incoming *chunk,
		       struct vmig_rdma_cursor *cursor, size_t len)
{
	struct scatterlist *sg = chunk->sg;
	int err;

	while (len) {
		err = map_region(rl, chunk, cursor, len, sg);
		if (err) {
			let_go(rl, chunk);
			vmig_rdma_be_unable(rl,
					    "memory cannot be registered with RDMA device %s (error %d)",
					    dev_name(&rl->pd->device->dev),
					    -err);
			return err;
		}
		sg += chunk->regions[chunk->nregions - 1].nents;
		len -= chunk->regions[chunk->nregions - 1].bytes;
	}
	return 0;
}

/* Register what is mapped, and tell the source the keys behind it. */
static int grant(struct vmig_rdma_link *rl, struct vmig_rdma_incoming *chunk)
{
	struct vmig_rdma_key keys[VMIG_RDMA_GRANT_KEYS];
	struct vmig_rdma_patience p;
	struct iov_iter iter;
	struct kvec vec;
	unsigned int i;

	for (i = 0; i < chunk->nregions; i++) {
		struct vmig_rdma_region *region = &chunk->regions[i];

		keys[i].address = cpu_to_le64(region->mr->iova);
		keys[i].key = cpu_to_le32(region->mr->rkey);
		keys[i].len = cpu_to_le32(region->bytes);
		if (i)
			chunk->regions[i - 1].reg.wr.next = &region->reg.wr;
	}
	vec.iov_base = keys;
	vec.iov_len = chunk->nregions * sizeof(keys[0]);
	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, vec.iov_len);
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_SENDING);
	return vmig_rdma_send_message(rl, &p, VMIG_RDMA_GRANT, &iter,
				      &chunk->regions[0].reg.wr,
				      &chunk->regions[i - 1].reg.wr);
}

/* What comes before the keys are told cannot be about them. */
static int check_notes(struct vmig_rdma_link *rl)
{
	if (READ_ONCE(rl->nnotes) > rl->nin)
		vmig_rdma_break(rl, -EPROTO,
				"what came is wrong: a PLACED before there were keys");
	return vmig_rdma_is_broken(rl) ? READ_ONCE(rl->err) : 0;
}

static int offer_pages(struct vmig_rdma_link *rl,
		       struct vmig_rdma_cursor *cursor, size_t len)
{
	struct vmig_rdma_incoming *chunk =
		&rl->in[(rl->oldest + rl->nin) % VMIG_RDMA_CHUNKS];
	int err;

	if (WARN_ON_ONCE(rl->nin == VMIG_RDMA_CHUNKS))
		return -EINVAL;
	err = check_notes(rl) ?: map_regions(rl, chunk, cursor, len);
	if (err)
		return err;
	/* If this fails the keys may be live all the same. */
	rl->nin++;
	return grant(rl, chunk);
}

int vmig_rdma_offer_pages(struct vmig_link *link, const struct bio_vec *pages,
			  unsigned int nr, size_t len)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct vmig_rdma_cursor cursor = { .page = pages, .left = nr };
	int err;

	mutex_lock(&rl->use);
	err = offer_pages(rl, &cursor, len);
	mutex_unlock(&rl->use);
	return err;
}

/* Return: whether the peer has nothing more to say. */
static bool is_closed(struct vmig_rdma_link *rl)
{
	const struct vmig_rdma_buffer *buffer = vmig_rdma_peek(rl, &rl->stream);

	return buffer && buffer->type == VMIG_RDMA_CLOSE;
}

/* Return: -ENOMSG if a frame came instead. */
static int await_placed(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_buffer *buffer;
	struct vmig_rdma_patience p;
	int err;

	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_PLACING);
	err = vmig_rdma_wait(rl, &p, vmig_rdma_has_received);
	if (err)
		return err;
	buffer = vmig_rdma_peek(rl, &rl->notes);
	if (!buffer)
		return is_closed(rl) ? -EPIPE : -ENOMSG;
	if (buffer->type != VMIG_RDMA_PLACED) {
		vmig_rdma_break(rl, -EPROTO,
				"what came is wrong: a GRANT, which only a destination may say");
		return READ_ONCE(rl->err);
	}
	vmig_rdma_consume(rl, buffer);
	return 0;
}

static bool is_invalidated(struct vmig_rdma_link *rl)
{
	return READ_ONCE(rl->invalidated);
}

static int invalidate(struct vmig_rdma_link *rl,
		      struct vmig_rdma_incoming *chunk)
{
	struct vmig_rdma_patience p;
	unsigned int i;
	int err;

	for (i = 1; i < chunk->nregions; i++)
		chunk->regions[i - 1].inv.next = &chunk->regions[i].inv;
	chunk->regions[i - 1].inv.send_flags = IB_SEND_SIGNALED;
	WRITE_ONCE(rl->invalidated, false);
	err = ib_post_send(rl->id->qp, &chunk->regions[0].inv, NULL);
	if (err) {
		vmig_rdma_break(rl, err, "keys cannot be invalidated (error %d)",
				-err);
		return err;
	}
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_RECEIVING);
	return vmig_rdma_wait(rl, &p, is_invalidated);
}

static int recv_pages(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_incoming *chunk = &rl->in[rl->oldest];
	int err;

	/* What the device had is gone with its queue pair. */
	if (vmig_rdma_is_broken(rl))
		return READ_ONCE(rl->err);
	err = await_placed(rl) ?: invalidate(rl, chunk);
	if (err)
		return err;
	let_go(rl, chunk);
	rl->oldest = (rl->oldest + 1) % VMIG_RDMA_CHUNKS;
	rl->nin--;
	return 0;
}

int vmig_rdma_recv_pages(struct vmig_link *link, const struct bio_vec *pages,
			 unsigned int nr, size_t len)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	int err;

	mutex_lock(&rl->use);
	err = recv_pages(rl);
	if (!err)
		WRITE_ONCE(link->received, link->received + len);
	mutex_unlock(&rl->use);
	return err;
}
