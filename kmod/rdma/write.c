// SPDX-License-Identifier: GPL-2.0
/*
 * The source's side of a chunk: wait for keys, write the pages, say so.
 *
 * The queue pair carries out its work in order, so that only the message behind
 * the writes needs a completion, and the peer that has it has the pages.
 *
 * Nobody waits for that here: the thread goes on to the next chunk meanwhile. The
 * pages of this one are referenced until the next is to be written, or until the
 * thread wants an answer to what it sent; both wait for the completion.
 */
#include <linux/bvec.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "rdma/rdma.h"

static int bad_grant(struct vmig_rdma_link *rl, const char *why)
{
	vmig_rdma_break(rl, -EPROTO, "what came is wrong: %s", why);
	return READ_ONCE(rl->err);
}

/*
 * Wait for the keys that are for @len bytes.
 * Return: 0 with @keys and @nkeys filled in. -EPIPE if a frame came instead:
 * that can only be an ABORT.
 */
static int await_grant(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p,
		       size_t len, struct vmig_rdma_key *keys,
		       unsigned int *nkeys)
{
	struct vmig_rdma_buffer *buffer;
	unsigned int i, key_len;
	size_t sum = 0;
	int err;

	err = vmig_rdma_wait(rl, p, vmig_rdma_has_received);
	if (err)
		return err;
	buffer = vmig_rdma_peek(rl, &rl->notes);
	if (!buffer)
		return -EPIPE;
	if (buffer->type != VMIG_RDMA_GRANT)
		return bad_grant(rl, "a PLACED, which only a source may say");
	/* The length is checked: this many keys fit. */
	*nkeys = buffer->len / sizeof(*keys);
	memcpy(keys, buffer->data + sizeof(struct vmig_rdma_header),
	       buffer->len);
	vmig_rdma_consume(rl, buffer);
	for (i = 0; i < *nkeys; i++) {
		key_len = le32_to_cpu(keys[i].len);
		if (!key_len || !PAGE_ALIGNED(key_len))
			return bad_grant(rl, "a key for other than whole pages");
		sum += key_len;
	}
	return sum == len ? 0 :
	       bad_grant(rl, "keys for another number of pages than announced");
}

/* A write that fails; one that succeeds is silent. */
static void write_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct vmig_rdma_link *rl =
		container_of(wc->wr_cqe, struct vmig_rdma_link, key_cqe);

	if (wc->status != IB_WC_SUCCESS)
		vmig_rdma_break_wc(rl, wc, "writing pages");
}

/* Map the pages of one key for the device. */
static int prepare_write(struct vmig_rdma_link *rl,
			 struct vmig_rdma_cursor *cursor,
			 const struct vmig_rdma_key *key,
			 struct scatterlist *sg)
{
	struct vmig_rdma_write *write = &rl->writes[rl->nwrites];
	int err;

	write->sg = sg;
	write->nents = vmig_rdma_pages_cut(cursor, le32_to_cpu(key->len),
					   rl->limits.piece, sg);
	err = rdma_rw_ctx_init(&write->rw, rl->id->qp, rl->id->port_num, sg,
			       write->nents, 0, le64_to_cpu(key->address),
			       le32_to_cpu(key->key), DMA_TO_DEVICE);
	if (err < 0) {
		vmig_rdma_pages_put(sg, write->nents);
		vmig_rdma_be_unable(rl,
				    "pages cannot be mapped for RDMA device %s (error %d)",
				    dev_name(&rl->id->device->dev), -err);
		return err;
	}
	rl->nwrites++;
	return 0;
}

/*
 * Chain the writes of all keys.
 * Return: the first of the chain; its last is @last.
 */
static struct ib_send_wr *chain_writes(struct vmig_rdma_link *rl,
				       struct ib_send_wr **last)
{
	struct ib_send_wr *first = NULL, *wr;
	unsigned int i;

	for (i = 0; i < rl->nwrites; i++) {
		wr = rdma_rw_ctx_wrs(&rl->writes[i].rw, rl->id->qp,
				     rl->id->port_num, &rl->key_cqe, NULL);
		if (first)
			(*last)->next = wr;
		else
			first = wr;
		for (;; wr = wr->next) {
			/* rdma_rw names no one to tell but for the last. */
			if (!wr->wr_cqe)
				wr->wr_cqe = &rl->key_cqe;
			if (!wr->next)
				break;
		}
		wr->send_flags &= ~IB_SEND_SIGNALED;
		*last = wr;
	}
	return first;
}

/* The device is through with the pages, or its queue pair is gone. */
void vmig_rdma_write_release(struct vmig_rdma_link *rl)
{
	while (rl->nwrites) {
		struct vmig_rdma_write *write = &rl->writes[--rl->nwrites];

		rdma_rw_ctx_destroy(&write->rw, rl->id->qp, rl->id->port_num,
				    write->sg, write->nents, DMA_TO_DEVICE);
		vmig_rdma_pages_put(write->sg, write->nents);
	}
}

static int write_pages(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p,
		       struct vmig_rdma_cursor *cursor,
		       const struct vmig_rdma_key *keys, unsigned int nkeys)
{
	struct ib_send_wr *first, *last = NULL;
	struct scatterlist *sg = rl->sg;
	unsigned int i;
	int err;

	rl->key_cqe.done = write_done;
	for (i = 0; i < nkeys; i++) {
		err = prepare_write(rl, cursor, &keys[i], sg);
		if (err)
			return err;
		sg += rl->writes[i].nents;
	}
	first = chain_writes(rl, &last);
	return vmig_rdma_send_message(rl, p, VMIG_RDMA_PLACED, NULL, first,
				      last);
}

/**
 * vmig_rdma_write_settle() - Wait until the pages under way are written.
 * @rl: the link, in use
 * @p: of the call that this is for
 *
 * Return: 0 when the device is through with them, or as vmig_rdma_wait().
 */
int vmig_rdma_write_settle(struct vmig_rdma_link *rl,
			   struct vmig_rdma_patience *p)
{
	int err = 0;

	if (rl->nwrites) {
		vmig_rdma_await_pages(p);
		err = vmig_rdma_wait(rl, p, vmig_rdma_is_all_sent);
	}
	if (!err)
		vmig_rdma_write_release(rl);
	return err;
}

static void note_round_trip(struct vmig_rdma_link *rl, ktime_t began)
{
	u32 us = clamp_t(s64, ktime_us_delta(ktime_get(), began), 1, U32_MAX);

	if (!rl->round_trip_us || us < rl->round_trip_us)
		WRITE_ONCE(rl->round_trip_us, us);
}

int vmig_rdma_send_pages(struct vmig_link *link, const struct bio_vec *pages,
			 unsigned int nr, size_t len, bool more)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct vmig_rdma_cursor cursor = { .page = pages, .left = nr };
	struct vmig_rdma_key keys[VMIG_RDMA_GRANT_KEYS];
	struct vmig_rdma_patience p;
	ktime_t began = ktime_get();
	unsigned int nkeys;
	int err;

	mutex_lock(&rl->use);
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_SENDING);
	err = await_grant(rl, &p, len, keys, &nkeys);
	if (!err) {
		note_round_trip(rl, began);
		err = vmig_rdma_write_settle(rl, &p) ?:
		      write_pages(rl, &p, &cursor, keys, nkeys);
	}
	/* After an error the device may still read: the release waits for it. */
	if (!err)
		WRITE_ONCE(link->sent, link->sent + len);
	mutex_unlock(&rl->use);
	return err == -ENODATA ? -EPIPE : err;
}
