// SPDX-License-Identifier: GPL-2.0
/*
 * The source's side of a chunk: announce it, get keys, write the pages, say so.
 *
 * The queue pair carries out its work in order, so that only the message behind
 * the writes needs a completion, and the peer that has it has the pages.
 *
 * vmig_rdma_send_pages() leaves its chunk announced, so that the peer registers it
 * while the one before is written. The next call writes it, or the second frame
 * behind it, or the first that wants an answer.
 */
#include <linux/mm.h>

#include "rdma/rdma.h"

static int bad_grant(struct vmig_rdma_link *rl, const char *why)
{
	vmig_rdma_break(rl, -EPROTO, "what came is wrong: %s", why);
	return READ_ONCE(rl->err);
}

static void note_round_trip(struct vmig_rdma_link *rl, ktime_t began,
			    ktime_t ended)
{
	u32 us = clamp_t(s64, ktime_us_delta(ended, began), 1, U32_MAX);

	if (began && (!rl->round_trip_us || us < rl->round_trip_us))
		WRITE_ONCE(rl->round_trip_us, us);
}

/*
 * Wait for the keys of a chunk.
 * Return: 0 with @keys and @nkeys filled in. -EPIPE if a frame came instead:
 * that can only be an ABORT.
 */
static int await_grant(struct vmig_rdma_link *rl,
		       const struct vmig_rdma_outgoing *chunk,
		       struct vmig_rdma_key *keys, unsigned int *nkeys)
{
	struct vmig_rdma_buffer *buffer;
	struct vmig_rdma_patience p;
	unsigned int i, key_len;
	size_t sum = 0;
	int err;

	/* All frames are whole: who is to stop need not wait for keys. */
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_RECEIVING);
	/* The peer hears of the chunk behind the pages of the one before. */
	if (rl->nwritten)
		vmig_rdma_await_pages(&p);
	err = vmig_rdma_wait(rl, &p, vmig_rdma_has_received);
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
	note_round_trip(rl, chunk->since, buffer->came);
	vmig_rdma_consume(rl, buffer);
	for (i = 0; i < *nkeys; i++) {
		key_len = le32_to_cpu(keys[i].len);
		if (!key_len || !PAGE_ALIGNED(key_len))
			return bad_grant(rl, "a key for other than whole pages");
		sum += key_len;
	}
	return sum == chunk->len ? 0 :
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

/* Of the ring; 0 is the oldest. */
static struct vmig_rdma_outgoing *nth_chunk(struct vmig_rdma_link *rl,
					    unsigned int n)
{
	return &rl->out[(rl->oldest + n) % VMIG_RDMA_CHUNKS];
}

/* Map the pages of one key for the device. */
static int prepare_write(struct vmig_rdma_link *rl,
			 struct vmig_rdma_outgoing *chunk,
			 struct vmig_rdma_cursor *cursor,
			 const struct vmig_rdma_key *key,
			 struct scatterlist *sg)
{
	struct vmig_rdma_write *write = &chunk->writes[chunk->nwrites];
	int err;

	write->sg = sg;
	write->nents = vmig_rdma_pages_cut(cursor, le32_to_cpu(key->len),
					   rl->limits.piece, sg);
	err = rdma_rw_ctx_init(&write->rw, rl->id->qp, rl->id->port_num, sg,
			       write->nents, 0, le64_to_cpu(key->address),
			       le32_to_cpu(key->key), DMA_TO_DEVICE);
	if (err < 0) {
		vmig_rdma_be_unable(rl,
				    "pages cannot be mapped for RDMA device %s (error %d)",
				    dev_name(&rl->id->device->dev), -err);
		return err;
	}
	chunk->nwrites++;
	return 0;
}

/*
 * Chain the writes of all keys.
 * Return: the first of the chain; its last is @last.
 */
static struct ib_send_wr *chain_writes(struct vmig_rdma_link *rl,
				       struct vmig_rdma_outgoing *chunk,
				       struct ib_send_wr **last)
{
	struct ib_send_wr *first = NULL, *wr;
	unsigned int i;

	for (i = 0; i < chunk->nwrites; i++) {
		wr = rdma_rw_ctx_wrs(&chunk->writes[i].rw, rl->id->qp,
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

static int write_pages(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p,
		       struct vmig_rdma_outgoing *chunk,
		       const struct vmig_rdma_key *keys, unsigned int nkeys)
{
	struct vmig_rdma_cursor cursor = {
		.page = chunk->pages,
		.left = chunk->nr,
	};
	struct ib_send_wr *first, *last = NULL;
	struct scatterlist *sg = chunk->sg;
	unsigned int i;
	int err;

	rl->key_cqe.done = write_done;
	for (i = 0; i < nkeys; i++) {
		err = prepare_write(rl, chunk, &cursor, &keys[i], sg);
		if (err)
			return err;
		sg += chunk->writes[i].nents;
	}
	first = chain_writes(rl, chunk, &last);
	err = vmig_rdma_send_message(rl, p, VMIG_RDMA_PLACED, NULL, first,
				     last);
	/* Only this thread sends: nothing came in between. */
	chunk->last = rl->posted;
	return err;
}

/*
 * Write the chunk that is only announced, if there is one.
 * Return: 0 if nothing is left to be posted, -EPIPE if a frame came instead of
 * keys, or as vmig_rdma_wait().
 */
static int write_out(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p)
{
	struct vmig_rdma_key keys[VMIG_RDMA_GRANT_KEYS];
	struct vmig_rdma_outgoing *chunk;
	unsigned int nkeys;
	int err;

	if (rl->nwritten == rl->nout)
		return 0;
	chunk = nth_chunk(rl, rl->nwritten);
	/* It failed once: the device may have what was prepared. */
	if (WARN_ON_ONCE(chunk->nwrites))
		return -EIO;
	err = await_grant(rl, chunk, keys, &nkeys) ?:
	      write_pages(rl, p, chunk, keys, nkeys);
	/* After an error the device may still read: the release waits for it. */
	if (!err)
		rl->nwritten++;
	return err;
}

static bool is_oldest_written(struct vmig_rdma_link *rl)
{
	return (s32)(READ_ONCE(rl->sent) - nth_chunk(rl, 0)->last) >= 0;
}

/* The device is through with the oldest chunk, or its queue pair is gone. */
static void retire(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_outgoing *chunk = nth_chunk(rl, 0);
	unsigned int i;

	while (chunk->nwrites) {
		struct vmig_rdma_write *write = &chunk->writes[--chunk->nwrites];

		rdma_rw_ctx_destroy(&write->rw, rl->id->qp, rl->id->port_num,
				    write->sg, write->nents, DMA_TO_DEVICE);
	}
	for (i = 0; i < chunk->nr; i++)
		put_page(chunk->pages[i].bv_page);
	rl->oldest = (rl->oldest + 1) % VMIG_RDMA_CHUNKS;
	rl->nout--;
}

static int await_oldest(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p)
{
	int err;

	vmig_rdma_await_pages(p);
	err = vmig_rdma_wait(rl, p, is_oldest_written);
	if (err)
		return err;
	retire(rl);
	rl->nwritten--;
	return 0;
}

/**
 * vmig_rdma_write_settle() - Wait until the writes under way are carried out.
 * @rl: the link, in use
 * @p: of the call that this is for
 *
 * What is only announced stays so: whatever has an answer has written it.
 *
 * Return: 0 when the device is through with them, or as vmig_rdma_wait().
 */
int vmig_rdma_write_settle(struct vmig_rdma_link *rl,
			   struct vmig_rdma_patience *p)
{
	int err = 0;

	while (!err && rl->nwritten)
		err = await_oldest(rl, p);
	return err;
}

/* The queue pair is gone, and with it whatever was announced or under way. */
void vmig_rdma_write_release(struct vmig_rdma_link *rl)
{
	while (rl->nout)
		retire(rl);
	rl->nwritten = 0;
}

static int announce(struct vmig_rdma_link *rl, const struct bio_vec *pages,
		    unsigned int nr, size_t len)
{
	struct vmig_rdma_outgoing *chunk = nth_chunk(rl, rl->nout);
	unsigned int i;

	/* A queue pair that is gone would not let go of them. */
	if (vmig_rdma_is_broken(rl))
		return READ_ONCE(rl->err);
	if (WARN_ON_ONCE(nr > ARRAY_SIZE(chunk->pages)))
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		chunk->pages[i] = pages[i];
		get_page(pages[i].bv_page);
	}
	chunk->nr = nr;
	chunk->len = len;
	chunk->since = rl->began;
	rl->nout++;
	rl->overtaken = false;
	WRITE_ONCE(rl->link.sent, rl->link.sent + len);
	return 0;
}

int vmig_rdma_send_pages(struct vmig_link *link, const struct bio_vec *pages,
			 unsigned int nr, size_t len, bool more)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct vmig_rdma_patience p;
	int err;

	mutex_lock(&rl->use);
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_SENDING);
	err = write_out(rl, &p);
	if (!err && rl->nout == VMIG_RDMA_CHUNKS)
		err = await_oldest(rl, &p);
	if (!err)
		err = announce(rl, pages, nr, len);
	if (!err && !more)
		err = write_out(rl, &p);
	mutex_unlock(&rl->use);
	return err == -ENODATA ? -EPIPE : err;
}

int vmig_rdma_ready(struct vmig_link *link, bool more)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct vmig_rdma_patience p;
	int err = 0;

	mutex_lock(&rl->use);
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_SENDING);
	/* One frame, of a chunk, may overtake the pages of the one before. */
	if (!more || rl->overtaken)
		err = write_out(rl, &p);
	rl->overtaken = true;
	rl->began = rl->nout ? 0 : ktime_get();
	mutex_unlock(&rl->use);
	return err == -ENODATA ? -EPIPE : err;
}
