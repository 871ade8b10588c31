// SPDX-License-Identifier: GPL-2.0
/*
 * The source connects: address, route, queue pair, request. Once, and with one
 * time limit for all of it.
 *
 * Also what the CM tells either side of a link that it has.
 */
#include <linux/jiffies.h>
#include <rdma/ib_cm.h>

#include "rdma/rdma.h"

/*
 * Seconds. The destination has listened for a while when a source connects. More
 * than the CM waits before it repeats a request, 5.1 s with ACK_TIMEOUT, and less
 * than VMIG_LINK_SILENCE, as a channel that is connected says nothing until all
 * are.
 */
#define CONNECT_MAX	8
/*
 * 4.096 us << 18, about a second: how long an adapter waits for an answer, with
 * RETRIES repetitions, before it gives the other one up: in as many seconds as
 * VMIG_LINK_SILENCE. What the CM computes differs between kernels.
 */
#define ACK_TIMEOUT	18
#define RETRIES		7
/* How long the CM may take to tell of what has flushed the receive buffers. */
#define TOLD_MAX	(HZ / 2)

/* What a source finds when the destination has ended. */
static const char nobody_listens[] = "nobody listens there any more";

/* Of a link: is it as far, or broken? These are asked by vmig_rdma_wait(). */
static bool is_resolved(struct vmig_rdma_link *rl)
{
	return vmig_rdma_state(rl) >= VMIG_RDMA_RESOLVED;
}

static bool is_routed(struct vmig_rdma_link *rl)
{
	return vmig_rdma_state(rl) >= VMIG_RDMA_ROUTED;
}

static const char *refusal(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	const struct rdma_conn_param *conn = &event->param.conn;
	const u8 *why;
	u8 len = 0;

	why = rdma_consumer_reject_data(id, event, &len);
	/* Of iWARP's drivers siw calls it a reset; a real one comes without. */
	if (!why && rdma_protocol_iwarp(id->device, id->port_num)) {
		why = conn->private_data;
		len = conn->private_data_len;
	}
	if (why && len)
		return vmig_rdma_message_refusal(*why);
	switch (event->status) {
	case IB_CM_REJ_INVALID_SERVICE_ID:
	case -ECONNREFUSED:
		return nobody_listens;
	case IB_CM_REJ_TIMEOUT:
		return vmig_rdma_message_refusal(0);
	default:
		return rdma_reject_msg(id, event->status);
	}
}

/* The source's request is granted, or the destination has heard of that. */
static void established(struct vmig_rdma_link *rl, struct rdma_cm_event *event)
{
	struct vmig_rdma_hello hello;
	unsigned long flags;
	unsigned int why;

	if (rl->session->role == VMIG_ROLE_SOURCE) {
		why = vmig_rdma_message_check_hello(event->param.conn.private_data,
						    event->param.conn.private_data_len,
						    &hello);
		if (why) {
			vmig_rdma_break(rl, -EPROTO,
					"what answers is no vmig, or one of another version");
			return;
		}
		spin_lock_irqsave(&rl->lock, flags);
		rl->credits = le16_to_cpu(hello.credits);
		spin_unlock_irqrestore(&rl->lock, flags);
	}
	vmig_rdma_enter(rl, VMIG_RDMA_CONNECTED);
}

/**
 * vmig_rdma_link_event() - The CM tells of a link's connection.
 * @id: of the link
 * @event: that happened
 *
 * Context: A work item of the CM, which holds locks that rdma_destroy_id() waits
 * for: nothing is released here.
 * Return: 0: the link keeps @id.
 */
int vmig_rdma_link_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct vmig_rdma_link *rl = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		vmig_rdma_enter(rl, VMIG_RDMA_RESOLVED);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		vmig_rdma_enter(rl, VMIG_RDMA_ROUTED);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		established(rl, event);
		break;
	case RDMA_CM_EVENT_REJECTED:
		vmig_rdma_break(rl, -ECONNREFUSED, "it is refused: %s",
				refusal(id, event));
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		vmig_rdma_break(rl, -ENODATA, "%s", "");
		break;
	case RDMA_CM_EVENT_ADDR_CHANGE:
		vmig_rdma_break(rl, -EADDRNOTAVAIL,
				"this node's address has moved to another device");
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		vmig_rdma_break(rl, -ENODEV, "RDMA device %s is removed",
				rl->session->session.device);
		queue_work(system_unbound_wq, &rl->release);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
		vmig_rdma_break(rl, -EHOSTUNREACH, "%s (error %d)",
				rdma_event_msg(event->event),
				abs(event->status));
		break;
	default:
		break;
	}
	return 0;
}

static int request(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_session *session = rl->session;
	struct vmig_rdma_hello hello = {
		.magic = cpu_to_le32(VMIG_RDMA_MAGIC),
		.version = cpu_to_le16(VMIG_RDMA_VERSION),
		.credits = cpu_to_le16(VMIG_RDMA_RX),
		.channel = cpu_to_le16(rl->channel),
	};
	struct rdma_conn_param param = {
		.private_data = &hello,
		.private_data_len = sizeof(hello),
		.retry_count = RETRIES,
		/* The credits leave no receiver without a buffer. */
		.rnr_retry_count = 0,
		.flow_control = 1,
	};
	int err;

	memcpy(hello.secret, session->secret, sizeof(hello.secret));
	vmig_rdma_enter(rl, VMIG_RDMA_CONNECTING);
	err = rdma_connect(rl->id, &param);
	memzero_explicit(&hello, sizeof(hello));
	return err;
}

static int step_failed(struct vmig_rdma_link *rl, int err, const char *what)
{
	vmig_rdma_break(rl, err, "%s failed (error %d)", what, -err);
	return READ_ONCE(rl->err);
}

static int connect_link(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p)
{
	struct vmig_rdma_session *session = rl->session;
	struct sockaddr *local = (struct sockaddr *)&session->local;
	struct sockaddr *peer = (struct sockaddr *)&session->peer;
	const int ms = CONNECT_MAX * MSEC_PER_SEC;
	int err;

	err = rdma_set_ack_timeout(rl->id, ACK_TIMEOUT) ?:
	      rdma_resolve_addr(rl->id, local, peer, ms);
	if (err)
		return step_failed(rl, err, "resolving its address");
	err = vmig_rdma_wait(rl, p, is_resolved);
	if (err)
		return err;
	err = rdma_resolve_route(rl->id, ms);
	if (err)
		return step_failed(rl, err, "resolving the route to it");
	err = vmig_rdma_wait(rl, p, is_routed);
	if (err)
		return err;
	err = vmig_rdma_queue_create(rl, rl->id);
	if (err)
		return step_failed(rl, err, "making a queue pair");
	err = request(rl);
	/* With iWARP it may be known at once. */
	if (err == -ECONNREFUSED)
		vmig_rdma_break(rl, err, "it is refused: %s", nobody_listens);
	if (err)
		return step_failed(rl, err, "sending it a request");
	return vmig_rdma_wait(rl, p, vmig_rdma_is_connected);
}

/**
 * vmig_rdma_connect() - Connect the source's end of a channel.
 * @rl: the link, in use
 *
 * Context: The channel's thread.
 * Return: 0, or a negative errno, and @rl->why says more.
 */
int vmig_rdma_connect(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_patience p;
	struct rdma_cm_id *id;
	int err;

	if (vmig_rdma_is_broken(rl))
		return READ_ONCE(rl->err);
	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_RECEIVING);
	p.end = jiffies + CONNECT_MAX * HZ;
	vmig_rdma_enter(rl, VMIG_RDMA_RESOLVING);
	id = rdma_create_id(rl->session->net, vmig_rdma_link_event, rl,
			    RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return step_failed(rl, PTR_ERR(id), "making an identifier");
	rl->id = id;
	err = connect_link(rl, &p);
	if (err && READ_ONCE(rl->vague)) {
		wait_event_idle_timeout(rl->wait, !READ_ONCE(rl->vague),
					TOLD_MAX);
		err = READ_ONCE(rl->err);
	}
	if (err == -ETIMEDOUT || err == -ETIME)
		vmig_rdma_break(rl, -ETIMEDOUT,
				"it does not answer within %d seconds",
				CONNECT_MAX);
	return err;
}
