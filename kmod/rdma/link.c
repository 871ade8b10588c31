// SPDX-License-Identifier: GPL-2.0
/* A channel's link over RDMA: what the engine calls, and from when until when. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "rdma/rdma.h"

/* The device is being removed, and waits until it is let go. */
static void release_work(struct work_struct *work)
{
	struct vmig_rdma_link *rl =
		container_of(work, struct vmig_rdma_link, release);

	mutex_lock(&rl->use);
	vmig_rdma_queue_release(rl);
	mutex_unlock(&rl->use);
}

static void begin(struct vmig_link *link)
{
	vmig_rdma_session_begin(vmig_rdma_link_of(link)->session);
}

static int open_link(struct vmig_link *link)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	int err;

	mutex_lock(&rl->use);
	err = rl->session->role == VMIG_ROLE_SOURCE ? vmig_rdma_connect(rl) :
						      vmig_rdma_await(rl);
	mutex_unlock(&rl->use);
	return err;
}

static u32 round_trip_us(struct vmig_link *link)
{
	return READ_ONCE(vmig_rdma_link_of(link)->round_trip_us);
}

static bool explain(struct vmig_link *link, int err, const char *node,
		    unsigned int channel, char *text, size_t size)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	unsigned long flags;
	bool known;

	spin_lock_irqsave(&rl->lock, flags);
	known = (rl->err || rl->unable) && *rl->why;
	if (known && rl->unable)
		snprintf(text, size,
			 "Channel %u to node %s cannot go on: %s",
			 channel, node, rl->why);
	else if (known && rl->was_connected)
		snprintf(text, size,
			 "The RDMA connection to node %s broke on channel %u: %s",
			 node, channel, rl->why);
	else if (known && rl->session->role == VMIG_ROLE_SOURCE)
		snprintf(text, size,
			 "There is no RDMA connection to node %s (%pISpc) for channel %u: %s",
			 node, &rl->session->peer, channel, rl->why);
	else if (known)
		snprintf(text, size,
			 "There is no RDMA connection from node %s for channel %u: %s",
			 node, channel, rl->why);
	spin_unlock_irqrestore(&rl->lock, flags);
	return known;
}

static void close_link(struct vmig_link *link, bool reset)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct vmig_rdma_session *session = rl->session;

	/* A request may just be accepted, or come next. */
	mutex_lock(&session->lock);
	session->closed = true;
	mutex_unlock(&session->lock);
	mutex_lock(&rl->use);
	vmig_rdma_queue_release(rl);
	mutex_unlock(&rl->use);
}

static void detach(struct vmig_link *link)
{
	struct vmig_rdma_link *rl = vmig_rdma_link_of(link);
	struct vmig_rdma_session *session = rl->session;

	/* From here on no request finds it. */
	mutex_lock(&session->lock);
	session->links[rl->channel] = NULL;
	mutex_unlock(&session->lock);
	close_link(link, true);
	/* Without a connection nothing can queue it again. */
	cancel_work_sync(&rl->release);
	mutex_destroy(&rl->use);
	kvfree(rl);
}

static const struct vmig_link_ops link_ops = {
	.pages_apart	= true,
	.claims		= true,
	.begin		= begin,
	.open		= open_link,
	.ready		= vmig_rdma_ready,
	.send		= vmig_rdma_send,
	.send_pages	= vmig_rdma_send_pages,
	.recv		= vmig_rdma_recv,
	.offer_pages	= vmig_rdma_offer_pages,
	.recv_pages	= vmig_rdma_recv_pages,
	.round_trip_us	= round_trip_us,
	.explain	= explain,
	.farewell	= vmig_rdma_farewell,
	.close		= close_link,
	.detach		= detach,
};

/**
 * vmig_rdma_link_attach() - Make the link of a channel, not connected yet.
 * @base: the session
 * @channel: number
 * @stop: asked while waiting, with @arg
 * @arg: passed to @stop
 *
 * Context: May sleep.
 * Return: the link, which its detach() frees, or ERR_PTR(-ENOMEM).
 */
struct vmig_link *vmig_rdma_link_attach(struct vmig_session *base,
					unsigned int channel,
					bool (*stop)(void *arg), void *arg)
{
	struct vmig_rdma_session *session =
		container_of(base, struct vmig_rdma_session, session);
	struct vmig_rdma_link *rl = kvzalloc(sizeof(*rl), GFP_KERNEL);

	if (!rl)
		return ERR_PTR(-ENOMEM);
	rl->link = (struct vmig_link){
		.ops = &link_ops,
		.stop = stop,
		.arg = arg,
		.patience = VMIG_LINK_SILENCE,
		.limit = VMIG_LINK_FRAME_MAX,
	};
	rl->session = session;
	rl->channel = channel;
	mutex_init(&rl->use);
	INIT_WORK(&rl->release, release_work);
	init_waitqueue_head(&rl->wait);
	spin_lock_init(&rl->lock);
	INIT_LIST_HEAD(&rl->tx_free);
	INIT_LIST_HEAD(&rl->stream);
	INIT_LIST_HEAD(&rl->notes);
	mutex_lock(&session->lock);
	session->links[channel] = rl;
	mutex_unlock(&session->lock);
	return &rl->link;
}
