// SPDX-License-Identifier: GPL-2.0
/*
 * Messages, the credits they need, and the stream of bytes that frames are in.
 *
 * A receive buffer is the peer's to fill again as soon as it is consumed, or
 * copied: small messages that nobody waits for yet are copied, because both ends
 * may say for minutes that they live while they look at all of the VM's memory
 * and listen to nobody.
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "rdma/rdma.h"

/* Longest payload that is copied, and how many are: 4096 is an hour of PINGs. */
#define COPY_BYTES	256U
#define COPIES_MAX	4096U

/**
 * vmig_rdma_post_rx() - Give a buffer to the device, to receive into.
 * @rl: the link
 * @buffer: of @rl->rx
 *
 * Context: Any.
 * Return: 0, or what the device fails with; the link is broken then.
 */
int vmig_rdma_post_rx(struct vmig_rdma_link *rl,
		      struct vmig_rdma_buffer *buffer)
{
	struct ib_sge sge = {
		.addr = buffer->dma,
		.length = VMIG_RDMA_MESSAGE_MAX,
		.lkey = rl->pd->local_dma_lkey,
	};
	struct ib_recv_wr wr = {
		.wr_cqe = &buffer->cqe,
		.sg_list = &sge,
		.num_sge = 1,
	};
	int err;

	ib_dma_sync_single_for_device(rl->pd->device, buffer->dma,
				      VMIG_RDMA_MESSAGE_MAX, DMA_FROM_DEVICE);
	err = ib_post_recv(rl->id->qp, &wr, NULL);
	if (err)
		vmig_rdma_break(rl, err,
				"a receive buffer cannot be posted (error %d)",
				-err);
	return err;
}

static void free_again(struct vmig_rdma_link *rl,
		       struct vmig_rdma_buffer *buffer)
{
	unsigned long flags;

	if (vmig_rdma_is_broken(rl) || vmig_rdma_post_rx(rl, buffer))
		return;
	spin_lock_irqsave(&rl->lock, flags);
	rl->owed++;
	spin_unlock_irqrestore(&rl->lock, flags);
}

/* Return: a copy of a small message that has to wait, or NULL. */
static struct vmig_rdma_buffer *copy_buffer(struct vmig_rdma_link *rl,
					    const struct vmig_rdma_buffer *buffer)
{
	const size_t size = sizeof(struct vmig_rdma_header) + buffer->len;
	struct vmig_rdma_buffer *copy;

	lockdep_assert_held(&rl->lock);
	if (buffer->type != VMIG_RDMA_DATA || buffer->len > COPY_BYTES ||
	    list_empty(&rl->stream) || rl->ncopies >= COPIES_MAX)
		return NULL;
	copy = kmalloc(sizeof(*copy) + size, GFP_ATOMIC | __GFP_NOWARN);
	if (!copy)
		return NULL;
	*copy = *buffer;
	copy->data = copy + 1;
	copy->copied = true;
	memcpy(copy->data, buffer->data, size);
	rl->ncopies++;
	return copy;
}

/* Return: whether the buffer can be used again at once. */
static bool file_buffer(struct vmig_rdma_link *rl,
			struct vmig_rdma_buffer *buffer)
{
	struct vmig_rdma_buffer *copy;

	lockdep_assert_held(&rl->lock);
	switch (buffer->type) {
	case VMIG_RDMA_DATA:
	case VMIG_RDMA_CLOSE:
		copy = copy_buffer(rl, buffer);
		list_add_tail(copy ? &copy->entry : &buffer->entry,
			      &rl->stream);
		return copy;
	case VMIG_RDMA_GRANT:
	case VMIG_RDMA_PLACED:
		list_add_tail(&buffer->entry, &rl->notes);
		rl->nnotes++;
		return false;
	case VMIG_RDMA_CREDIT:
		break;
	}
	return true;
}

/* A message has come. */
void vmig_rdma_received(struct ib_cq *cq, struct ib_wc *wc)
{
	struct vmig_rdma_buffer *buffer =
		container_of(wc->wr_cqe, struct vmig_rdma_buffer, cqe);
	struct vmig_rdma_link *rl = buffer->rl;
	struct vmig_rdma_message message;
	unsigned long flags;
	const char *bad;
	bool again;

	if (wc->status != IB_WC_SUCCESS) {
		vmig_rdma_break_wc(rl, wc, "receiving");
		return;
	}
	/* A write with immediate data takes a buffer, and leaves it as it was. */
	if (wc->opcode != IB_WC_RECV) {
		vmig_rdma_break(rl, -EPROTO, "what came is wrong: no message");
		return;
	}
	ib_dma_sync_single_for_cpu(rl->pd->device, buffer->dma,
				   VMIG_RDMA_MESSAGE_MAX, DMA_FROM_DEVICE);
	bad = vmig_rdma_message_decode(buffer->data, wc->byte_len, &message);

	spin_lock_irqsave(&rl->lock, flags);
	if (!bad && message.credits > VMIG_RDMA_CREDITS_MAX - rl->credits)
		bad = "it says it has more buffers than anybody may";
	if (bad) {
		spin_unlock_irqrestore(&rl->lock, flags);
		vmig_rdma_break(rl, -EPROTO, "what came is wrong: %s", bad);
		return;
	}
	rl->credits += message.credits;
	buffer->type = message.type;
	buffer->len = message.len;
	buffer->at = 0;
	buffer->came = ktime_get();
	again = file_buffer(rl, buffer);
	rl->moves++;
	spin_unlock_irqrestore(&rl->lock, flags);
	if (again)
		free_again(rl, buffer);
	wake_up_all(&rl->wait);
}

/* A message has reached the peer's buffer. */
void vmig_rdma_sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct vmig_rdma_buffer *buffer =
		container_of(wc->wr_cqe, struct vmig_rdma_buffer, cqe);
	struct vmig_rdma_link *rl = buffer->rl;
	unsigned long flags;

	if (wc->status != IB_WC_SUCCESS) {
		vmig_rdma_break_wc(rl, wc, "sending");
		return;
	}
	spin_lock_irqsave(&rl->lock, flags);
	list_add_tail(&buffer->entry, &rl->tx_free);
	rl->sent++;
	rl->moves++;
	spin_unlock_irqrestore(&rl->lock, flags);
	wake_up_all(&rl->wait);
}

bool vmig_rdma_is_all_sent(struct vmig_rdma_link *rl)
{
	return READ_ONCE(rl->sent) == READ_ONCE(rl->posted);
}

static bool may_send(struct vmig_rdma_link *rl)
{
	return READ_ONCE(rl->posted) - READ_ONCE(rl->sent) < VMIG_RDMA_TX &&
	       READ_ONCE(rl->credits) > 1;
}

/* Take a buffer and a credit, of which the last is for a CREDIT. */
static struct vmig_rdma_buffer *take_tx(struct vmig_rdma_link *rl,
					enum vmig_rdma_type type,
					unsigned int *owed)
{
	const unsigned int kept = type == VMIG_RDMA_CREDIT ? 0 : 1;
	struct vmig_rdma_buffer *buffer = NULL;
	unsigned long flags;

	spin_lock_irqsave(&rl->lock, flags);
	if (rl->credits > kept && !list_empty(&rl->tx_free)) {
		buffer = list_first_entry(&rl->tx_free,
					  struct vmig_rdma_buffer, entry);
		list_del(&buffer->entry);
		rl->posted++;
		rl->credits--;
		*owed = rl->owed;
		rl->owed = 0;
	}
	spin_unlock_irqrestore(&rl->lock, flags);
	return buffer;
}

/* Post a message, and behind @first to @last if there are such. */
static int post_tx(struct vmig_rdma_link *rl, struct vmig_rdma_buffer *buffer,
		   unsigned int len, struct ib_send_wr *first,
		   struct ib_send_wr *last)
{
	struct ib_sge sge = {
		.addr = buffer->dma,
		.length = sizeof(struct vmig_rdma_header) + len,
		.lkey = rl->pd->local_dma_lkey,
	};
	struct ib_send_wr wr = {
		.wr_cqe = &buffer->cqe,
		.opcode = IB_WR_SEND,
		.send_flags = IB_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
	};
	int err;

	if (last)
		last->next = &wr;
	ib_dma_sync_single_for_device(rl->pd->device, buffer->dma, sge.length,
				      DMA_TO_DEVICE);
	err = ib_post_send(rl->id->qp, first ?: &wr, NULL);
	if (last)
		last->next = NULL;
	if (err)
		vmig_rdma_break(rl, err, "a message cannot be posted (error %d)",
				-err);
	else
		WRITE_ONCE(rl->link.sent, rl->link.sent + sge.length);
	return err;
}

/**
 * vmig_rdma_send_message() - Send a message, waiting for a buffer and a credit.
 * @rl: the link, in use and not broken
 * @p: of the call that this is for
 * @type: of the message
 * @payload: its payload, consumed as far as it fits; NULL for none
 * @first: work requests to be carried out before it, or NULL
 * @last: the last of them
 *
 * Return: 0 if it is under way, or as vmig_rdma_wait().
 */
int vmig_rdma_send_message(struct vmig_rdma_link *rl,
			   struct vmig_rdma_patience *p,
			   enum vmig_rdma_type type, struct iov_iter *payload,
			   struct ib_send_wr *first, struct ib_send_wr *last)
{
	struct vmig_rdma_message message = { .type = type };
	struct vmig_rdma_buffer *buffer;
	int err;

	err = vmig_rdma_wait(rl, p, may_send);
	if (!err && vmig_rdma_is_broken(rl))
		err = READ_ONCE(rl->err);
	if (err)
		return err;
	/* Nobody else takes any, so that what was there still is. */
	buffer = take_tx(rl, type, &message.credits);
	if (WARN_ON_ONCE(!buffer))
		return -EIO;
	if (payload)
		message.len = min_t(size_t, iov_iter_count(payload),
				    VMIG_RDMA_PAYLOAD_MAX);
	ib_dma_sync_single_for_cpu(rl->pd->device, buffer->dma,
				   VMIG_RDMA_MESSAGE_MAX, DMA_TO_DEVICE);
	vmig_rdma_message_encode(&message, buffer->data);
	/* It is in the kernel's memory, whose copy cannot fail. */
	if (message.len &&
	    WARN_ON_ONCE(!copy_from_iter_full(buffer->data +
					      sizeof(struct vmig_rdma_header),
					      message.len, payload)))
		return -EFAULT;
	return post_tx(rl, buffer, message.len, first, last);
}

/* Tell the peer what it may use again, if nothing else did for a while. */
static void give_credit(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_message message = { .type = VMIG_RDMA_CREDIT };
	struct vmig_rdma_buffer *buffer;

	if (READ_ONCE(rl->owed) < VMIG_RDMA_RX / 2 || vmig_rdma_is_broken(rl))
		return;
	buffer = take_tx(rl, message.type, &message.credits);
	/* Without one the next message tells it, or the next that is consumed. */
	if (!buffer)
		return;
	ib_dma_sync_single_for_cpu(rl->pd->device, buffer->dma,
				   VMIG_RDMA_MESSAGE_MAX, DMA_TO_DEVICE);
	vmig_rdma_message_encode(&message, buffer->data);
	post_tx(rl, buffer, 0, NULL, NULL);
}

/**
 * vmig_rdma_peek() - Look at the oldest message of a list.
 * @rl: the link
 * @list: its stream or its notes
 *
 * Return: the message, which stays there until it is consumed, or NULL.
 */
struct vmig_rdma_buffer *vmig_rdma_peek(struct vmig_rdma_link *rl,
					struct list_head *list)
{
	struct vmig_rdma_buffer *buffer;
	unsigned long flags;

	spin_lock_irqsave(&rl->lock, flags);
	buffer = list_first_entry_or_null(list, struct vmig_rdma_buffer, entry);
	spin_unlock_irqrestore(&rl->lock, flags);
	return buffer;
}

/* Done with a message; the peer may send another. */
void vmig_rdma_consume(struct vmig_rdma_link *rl,
		       struct vmig_rdma_buffer *buffer)
{
	unsigned long flags;

	spin_lock_irqsave(&rl->lock, flags);
	list_del(&buffer->entry);
	if (buffer->copied)
		rl->ncopies--;
	if (buffer->type == VMIG_RDMA_GRANT || buffer->type == VMIG_RDMA_PLACED)
		rl->nnotes--;
	spin_unlock_irqrestore(&rl->lock, flags);
	if (buffer->copied)
		kfree(buffer);
	else
		free_again(rl, buffer);
	give_credit(rl);
}

static int send_iter(struct vmig_rdma_link *rl, struct iov_iter *iter)
{
	struct vmig_rdma_patience p;
	int err = 0;

	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_SENDING);
	while (!err && iov_iter_count(iter))
		err = vmig_rdma_send_message(rl, &p, VMIG_RDMA_DATA, iter,
					     NULL, NULL);
	/* To a sender, a peer that closed is one that does not listen. */
	return err == -ENODATA ? -EPIPE : err;
}

int vmig_rdma_send(struct vmig_link *link, const void *head, size_t head_len,
		   const void *body, size_t body_len, bool more)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct kvec vec[2] = {
		{ .iov_base = (void *)head, .iov_len = head_len },
		{ .iov_base = (void *)body, .iov_len = body_len },
	};
	struct iov_iter iter;
	int err;

	iov_iter_kvec(&iter, ITER_SOURCE, vec, 2, head_len + body_len);
	mutex_lock(&rl->use);
	err = send_iter(rl, &iter);
	mutex_unlock(&rl->use);
	return err;
}

bool vmig_rdma_has_received(struct vmig_rdma_link *rl)
{
	return !list_empty_careful(&rl->stream) ||
	       !list_empty_careful(&rl->notes);
}

/* Messages that somebody waits for: what was offered, or only announced. */
static unsigned int notes_due(const struct vmig_rdma_link *rl)
{
	return rl->nin + rl->nout - rl->nwritten;
}

static bool has_stream(struct vmig_rdma_link *rl)
{
	return !list_empty_careful(&rl->stream) ||
	       (READ_ONCE(rl->nnotes) > notes_due(rl) &&
		!vmig_rdma_is_broken(rl));
}

/*
 * As vmig_rdma_wait() for what is received. That the connection is broken is
 * told by another way than what the peer said before: see to it that it is here.
 */
static int await_received(struct vmig_rdma_link *rl,
			  struct vmig_rdma_patience *p)
{
	int err = vmig_rdma_wait(rl, p, has_stream);

	if (err && vmig_rdma_is_broken(rl) && rl->id && rl->id->qp &&
	    !rl->drained) {
		rl->drained = true;
		ib_drain_rq(rl->id->qp);
		err = vmig_rdma_wait(rl, p, has_stream);
	}
	return err;
}

static int recv_bytes(struct vmig_rdma_link *rl, void *buf, size_t len)
{
	const size_t want = len;
	struct vmig_rdma_buffer *buffer;
	struct vmig_rdma_patience p;
	unsigned int part;
	int err;

	/* A peer whose bytes are always here already never makes this wait. */
	if (rl->link.stop(rl->link.arg))
		return -ECANCELED;
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_RECEIVING);
	/* An answer to pages is of use once their references are gone; if the
	 * link is broken, what came before is still to be had.
	 */
	vmig_rdma_write_settle(rl, &p);
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_RECEIVING);
	/* What is awaited may be behind pages. */
	if (rl->nin > READ_ONCE(rl->nnotes))
		vmig_rdma_await_pages(&p);
	while (len) {
		err = await_received(rl, &p);
		buffer = vmig_rdma_peek(rl, &rl->stream);
		if (!err && !buffer) {
			vmig_rdma_break(rl, -EPROTO,
					"what came is wrong: a GRANT or PLACED that nobody waits for");
			err = READ_ONCE(rl->err);
		}
		if (!err && buffer->type == VMIG_RDMA_CLOSE)
			err = -ENODATA;
		if (err)
			return err == -ENODATA && len < want ? -EPIPE : err;
		part = min_t(size_t, len, buffer->len - buffer->at);
		memcpy(buf, buffer->data + sizeof(struct vmig_rdma_header) +
		       buffer->at, part);
		buf += part;
		len -= part;
		buffer->at += part;
		if (buffer->at == buffer->len)
			vmig_rdma_consume(rl, buffer);
	}
	WRITE_ONCE(rl->link.received, rl->link.received + want);
	return 0;
}

int vmig_rdma_recv(struct vmig_link *link, void *buf, size_t len)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	int err;

	mutex_lock(&rl->use);
	err = recv_bytes(rl, buf, len);
	mutex_unlock(&rl->use);
	return err;
}

/* A connection that is half made is waited for: how else would the peer learn? */
static int await_connection(struct vmig_rdma_link *rl,
			    struct vmig_rdma_patience *p)
{
	return vmig_rdma_state(rl) < VMIG_RDMA_CONNECTING ? -ENOTCONN :
	       vmig_rdma_wait(rl, p, vmig_rdma_is_connected);
}

void vmig_rdma_farewell(struct vmig_link *link, const void *buf, size_t len)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct kvec vec = { .iov_base = (void *)buf, .iov_len = len };
	struct vmig_rdma_patience p;
	struct iov_iter iter;
	int err;

	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, len);
	mutex_lock(&rl->use);
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_LEAVING);
	err = await_connection(rl, &p);
	while (!err && iov_iter_count(&iter))
		err = vmig_rdma_send_message(rl, &p, VMIG_RDMA_DATA, &iter,
					     NULL, NULL);
	if (!err)
		err = vmig_rdma_send_message(rl, &p, VMIG_RDMA_CLOSE, NULL,
					     NULL, NULL);
	if (!err)
		vmig_rdma_wait(rl, &p, vmig_rdma_is_all_sent);
	mutex_unlock(&rl->use);
}
