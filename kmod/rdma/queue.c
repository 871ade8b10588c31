// SPDX-License-Identifier: GPL-2.0
/* A link's queue pair and all that hangs on it: set up at once, released at once. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "rdma/rdma.h"

/* The device tells of the queue pair itself. Context: Any. */
static void queue_event(struct ib_event *event, void *link)
{
	struct vmig_rdma_link *rl = link;

	switch (event->event) {
	case IB_EVENT_COMM_EST:
		/* What the peer sent has overtaken the end of its connect. */
		rdma_notify(rl->id, event->event);
		break;
	/* Consequences of an end that is told otherwise. */
	case IB_EVENT_SQ_DRAINED:
	case IB_EVENT_QP_LAST_WQE_REACHED:
		break;
	default:
		vmig_rdma_break(rl, -EIO, "its adapter reports: %s",
				ib_event_msg(event->event));
	}
}

static int create_buffer(struct vmig_rdma_link *rl,
			 struct vmig_rdma_buffer *buffer,
			 enum dma_data_direction direction)
{
	struct ib_device *device = rl->pd->device;

	buffer->rl = rl;
	buffer->data = (void *)get_zeroed_page(GFP_KERNEL);
	if (!buffer->data)
		return -ENOMEM;
	buffer->dma = ib_dma_map_single(device, buffer->data,
					VMIG_RDMA_MESSAGE_MAX, direction);
	if (!ib_dma_mapping_error(device, buffer->dma))
		return 0;
	free_page((unsigned long)buffer->data);
	buffer->data = NULL;
	return -ENOMEM;
}

static void destroy_buffer(struct vmig_rdma_link *rl,
			   struct vmig_rdma_buffer *buffer,
			   enum dma_data_direction direction)
{
	if (!buffer->data)
		return;
	ib_dma_unmap_single(rl->pd->device, buffer->dma, VMIG_RDMA_MESSAGE_MAX,
			    direction);
	free_page((unsigned long)buffer->data);
	buffer->data = NULL;
}

static int create_buffers(struct vmig_rdma_link *rl)
{
	unsigned int i;
	int err = 0;

	BUILD_BUG_ON(VMIG_RDMA_MESSAGE_MAX > PAGE_SIZE);
	for (i = 0; !err && i < VMIG_RDMA_TX; i++) {
		rl->tx[i].cqe.done = vmig_rdma_sent;
		err = create_buffer(rl, &rl->tx[i], DMA_TO_DEVICE);
		if (!err)
			list_add_tail(&rl->tx[i].entry, &rl->tx_free);
	}
	for (i = 0; !err && i < VMIG_RDMA_RX; i++) {
		rl->rx[i].cqe.done = vmig_rdma_received;
		err = create_buffer(rl, &rl->rx[i], DMA_FROM_DEVICE) ?:
		      vmig_rdma_post_rx(rl, &rl->rx[i]);
	}
	return err;
}

static void destroy_buffers(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_buffer *buffer, *next;
	unsigned int i;

	list_for_each_entry_safe(buffer, next, &rl->stream, entry)
		if (buffer->copied)
			kfree(buffer);
	INIT_LIST_HEAD(&rl->stream);
	INIT_LIST_HEAD(&rl->notes);
	rl->nnotes = 0;
	INIT_LIST_HEAD(&rl->tx_free);
	for (i = 0; i < VMIG_RDMA_TX; i++)
		destroy_buffer(rl, &rl->tx[i], DMA_TO_DEVICE);
	for (i = 0; i < VMIG_RDMA_RX; i++)
		destroy_buffer(rl, &rl->rx[i], DMA_FROM_DEVICE);
}

static int create_qp(struct vmig_rdma_link *rl)
{
	struct ib_qp_init_attr attr = {
		.event_handler = queue_event,
		.qp_context = rl,
		.send_cq = rl->cq,
		.recv_cq = rl->cq,
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
		.port_num = rl->id->port_num,
		.cap = {
			.max_send_wr = rl->limits.send_wrs,
			/* One more for the drain. */
			.max_recv_wr = VMIG_RDMA_RX + 1,
			.max_send_sge = rl->limits.sges,
			.max_recv_sge = 1,
			.max_rdma_ctxs = VMIG_RDMA_WRITES,
		},
	};

	return rdma_create_qp(rl->id, rl->pd, &attr);
}

static int create_chunks(struct vmig_rdma_link *rl)
{
	unsigned int i;

	rl->sg = kvcalloc(VMIG_RDMA_CHUNKS * VMIG_RDMA_PIECES, sizeof(*rl->sg),
			  GFP_KERNEL);
	if (!rl->sg)
		return -ENOMEM;
	for (i = 0; i < VMIG_RDMA_CHUNKS; i++) {
		if (rl->session->role == VMIG_ROLE_SOURCE)
			rl->out[i].sg = rl->sg + i * VMIG_RDMA_PIECES;
		else
			rl->in[i].sg = rl->sg + i * VMIG_RDMA_PIECES;
	}
	return 0;
}

/**
 * vmig_rdma_queue_create() - Make a queue pair ready to be connected.
 * @rl: the link
 * @id: of the CM, which knows the device
 *
 * Context: May sleep. Nobody else looks at the connection yet.
 * Return: 0, or a negative errno; vmig_rdma_queue_destroy() follows in any case.
 */
int vmig_rdma_queue_create(struct vmig_rdma_link *rl, struct rdma_cm_id *id)
{
	struct ib_device *device = id->device;
	int err;

	rl->id = id;
	err = vmig_rdma_device_check(device, id->port_num, &rl->limits, NULL);
	if (err)
		return err;
	err = create_chunks(rl);
	if (err)
		return err;
	rl->pd = ib_alloc_pd(device, 0);
	if (IS_ERR(rl->pd)) {
		err = PTR_ERR(rl->pd);
		rl->pd = NULL;
		return err;
	}
	rl->cq = ib_alloc_cq_any(device, rl, rl->limits.cqes, IB_POLL_SOFTIRQ);
	if (IS_ERR(rl->cq)) {
		err = PTR_ERR(rl->cq);
		rl->cq = NULL;
		return err;
	}
	err = create_qp(rl);
	if (!err && rl->session->role == VMIG_ROLE_DESTINATION)
		err = vmig_rdma_region_create(rl);
	return err ?: create_buffers(rl);
}

/**
 * vmig_rdma_queue_destroy() - Undo vmig_rdma_queue_create(), or a part of it.
 * @rl: the link
 * @id: of the CM; not destroyed
 *
 * Context: May sleep. After it nobody reads or writes the VM's memory over this
 * link.
 */
void vmig_rdma_queue_destroy(struct vmig_rdma_link *rl, struct rdma_cm_id *id)
{
	if (id->qp)
		ib_drain_qp(id->qp);
	if (rl->session->role == VMIG_ROLE_SOURCE)
		vmig_rdma_write_release(rl);
	else
		vmig_rdma_region_destroy(rl);
	if (id->qp)
		rdma_destroy_qp(id);
	if (rl->cq)
		ib_free_cq(rl->cq);
	rl->cq = NULL;
	if (rl->pd) {
		destroy_buffers(rl);
		ib_dealloc_pd(rl->pd);
	}
	rl->pd = NULL;
	kvfree(rl->sg);
	rl->sg = NULL;
}

/* Give back the connection, if there is one. */
void vmig_rdma_queue_release(struct vmig_rdma_link *rl)
{
	struct rdma_cm_id *id = rl->id;

	lockdep_assert_held(&rl->use);
	if (!id)
		return;
	vmig_rdma_break(rl, -ENODATA, "%s", "");
	/* Under the CM's lock: it cannot bring the queue pair up again after this. */
	rdma_disconnect(id);
	vmig_rdma_queue_destroy(rl, id);
	rdma_destroy_id(id);
	rl->id = NULL;
}
