// SPDX-License-Identifier: GPL-2.0
/* A migration's session: the address that its channels use, and its secret. */
#include <linux/in.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/compat.h"
#include "rdma/rdma.h"

/* Requests that may wait for the handler, beside those of the channels. */
#define BACKLOG		16

/* While an address is only looked at, nothing that happens to it matters. */
static int ignore_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	return 0;
}

static struct rdma_cm_id *create_id(struct net *net,
				    rdma_cm_event_handler handler,
				    void *context,
				    struct netlink_ext_ack *extack)
{
	struct rdma_cm_id *id = rdma_create_id(net, handler, context,
					       RDMA_PS_TCP, IB_QPT_RC);

	if (IS_ERR(id))
		NL_SET_ERR_MSG_FMT(extack,
				   "The RDMA connection manager refuses to work (error %ld)",
				   -PTR_ERR(id));
	return id;
}

static int probe(struct net *net, const struct sockaddr_storage *local,
		 struct vmig_transport_info *info,
		 struct netlink_ext_ack *extack)
{
	struct vmig_rdma_limits limits;
	struct rdma_cm_id *id;
	int err;

	id = create_id(net, ignore_event, NULL, extack);
	if (IS_ERR(id))
		return PTR_ERR(id);
	err = vmig_rdma_device_find(id, local, &limits, extack);
	if (!err) {
		strscpy(info->device, dev_name(&id->device->dev),
			sizeof(info->device));
		info->max_key_pages = limits.key_pages;
	}
	rdma_destroy_id(id);
	return err;
}

static int start_listening(struct vmig_rdma_session *session,
			   struct netlink_ext_ack *extack)
{
	struct vmig_rdma_limits limits;
	struct rdma_cm_id *id;
	struct sockaddr_in *in;
	int err;

	id = create_id(session->net, vmig_rdma_listener_event, session, extack);
	if (IS_ERR(id))
		return PTR_ERR(id);
	err = vmig_rdma_device_find(id, &session->local, &limits, extack);
	if (err)
		goto err_destroy;
	strscpy(session->session.device, dev_name(&id->device->dev),
		sizeof(session->session.device));
	/* The port is at the same place in an address of IPv6. */
	in = (struct sockaddr_in *)&id->route.addr.src_addr;
	session->session.port = ntohs(in->sin_port);
	err = rdma_listen(id, session->channels + BACKLOG);
	if (!err) {
		/* From here on a removal of the device destroys it. */
		WRITE_ONCE(session->listener, id);
		return 0;
	}
	NL_SET_ERR_MSG_FMT(extack,
			   "RDMA device %s cannot listen on %pISc (error %d)",
			   session->session.device, &session->local, -err);
err_destroy:
	rdma_destroy_id(id);
	return err;
}

static int prepare(struct vmig_rdma_session *session,
		   const struct vmig_transport_params *params,
		   struct netlink_ext_ack *extack)
{
	struct vmig_transport_info info;
	struct sockaddr_in *in;
	int err;

	if (session->role == VMIG_ROLE_DESTINATION)
		return start_listening(session, extack);
	err = probe(session->net, &session->local, &info, extack);
	if (err)
		return err;
	strscpy(session->session.device, info.device,
		sizeof(session->session.device));
	session->session.port = params->port;
	session->peer = *params->peer;
	in = (struct sockaddr_in *)&session->peer;
	in->sin_port = htons(params->port);
	return 0;
}

static void lost_work(struct work_struct *work)
{
	struct vmig_rdma_session *session =
		container_of(work, struct vmig_rdma_session, lost_work);
	char why[128];

	snprintf(why, sizeof(why),
		 "RDMA device %s, which this node listens on, is removed",
		 session->session.device);
	session->fail(session->arg, -ENODEV, why);
}

/* The engine is ready to be told of a loss. Context: May hold its locks. */
void vmig_rdma_session_begin(struct vmig_rdma_session *session)
{
	mutex_lock(&session->lock);
	session->begun = true;
	if (session->lost)
		queue_work(system_unbound_wq, &session->lost_work);
	mutex_unlock(&session->lock);
}

/* The device that this node listens on is being removed. */
void vmig_rdma_session_lose(struct vmig_rdma_session *session)
{
	unsigned int i;

	mutex_lock(&session->lock);
	session->closed = true;
	session->lost = true;
	/* Links that nobody has connected yet never will be. */
	for (i = 0; i < session->channels; i++)
		if (session->links[i])
			vmig_rdma_break(session->links[i], -ENODEV,
					"RDMA device %s is removed",
					session->session.device);
	if (session->begun)
		queue_work(system_unbound_wq, &session->lost_work);
	mutex_unlock(&session->lock);
}

static void free_session(struct vmig_rdma_session *session)
{
	mutex_destroy(&session->lock);
	kfree_sensitive(session);
}

static struct vmig_session *create(const struct vmig_transport_params *params,
				   struct netlink_ext_ack *extack)
{
	struct vmig_rdma_session *session;
	int err;

	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		return ERR_PTR(-ENOMEM);
	session->role = params->role;
	session->net = params->net;
	session->channels = params->channels;
	session->local = *params->local;
	session->fail = params->fail;
	session->arg = params->arg;
	INIT_WORK(&session->lost_work, lost_work);
	memcpy(session->secret, params->secret, sizeof(session->secret));
	mutex_init(&session->lock);
	err = prepare(session, params, extack);
	if (!err)
		return &session->session;
	free_session(session);
	return ERR_PTR(err);
}

static void destroy(struct vmig_session *base)
{
	struct vmig_rdma_session *session =
		container_of(base, struct vmig_rdma_session, session);
	struct rdma_cm_id *listener = xchg(&session->listener, NULL);

	if (listener)
		rdma_destroy_id(listener);
	/* Without a listener nothing can queue it again. */
	cancel_work_sync(&session->lost_work);
	free_session(session);
}

const struct vmig_transport_ops vmig_rdma_transport_ops = {
	.owner		= THIS_MODULE,
	.link_size	= sizeof(struct vmig_link),
	.probe		= probe,
	.create		= create,
	.attach		= vmig_rdma_link_attach,
	.destroy	= destroy,
};
