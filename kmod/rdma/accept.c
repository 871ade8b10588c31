// SPDX-License-Identifier: GPL-2.0
/*
 * The destination listens: whoever shows the secret of the migration and asks
 * for a channel that nobody has yet gets it. All others are told why not, by a
 * number, and are counted; nothing is allocated for them.
 */
#include <crypto/algapi.h>
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <rdma/ib_cm.h>

#include "rdma/rdma.h"

/* By reason, since the module was loaded; in debugfs. */
static atomic_t refused[VMIG_RDMA_REFUSALS];

static int refusals_show(struct seq_file *file, void *unused)
{
	static const char * const names[VMIG_RDMA_REFUSALS] = {
		[VMIG_RDMA_REFUSE_MAGIC]	= "magic",
		[VMIG_RDMA_REFUSE_VERSION]	= "version",
		[VMIG_RDMA_REFUSE_SECRET]	= "secret",
		[VMIG_RDMA_REFUSE_CHANNEL]	= "channel",
		[VMIG_RDMA_REFUSE_TAKEN]	= "taken",
		[VMIG_RDMA_REFUSE_LATE]		= "late",
		[VMIG_RDMA_REFUSE_RESOURCES]	= "resources",
	};
	unsigned int i;

	for (i = 1; i < VMIG_RDMA_REFUSALS; i++)
		seq_printf(file, "%s %u\n", names[i],
			   atomic_read(&refused[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(refusals);

void vmig_rdma_accept_debug(struct dentry *folder)
{
	debugfs_create_file("refused", 0400, folder, NULL,
			    &refusals_fops);
}

/* Set up a link that a request was right for. */
static int accept(struct vmig_rdma_link *rl, struct rdma_cm_id *id,
		  const struct vmig_rdma_hello *hello)
{
	struct vmig_rdma_hello answer = {
		.magic = cpu_to_le32(VMIG_RDMA_MAGIC),
		.version = cpu_to_le16(VMIG_RDMA_VERSION),
		.credits = cpu_to_le16(VMIG_RDMA_RX),
		.channel = hello->channel,
	};
	struct rdma_conn_param param = {
		.private_data = &answer,
		.private_data_len = sizeof(answer),
		.rnr_retry_count = 0,
		.flow_control = 1,
	};
	int err;

	rl->credits = le16_to_cpu(hello->credits);
	vmig_rdma_enter(rl, VMIG_RDMA_CONNECTING);
	id->context = rl;
	id->event_handler = vmig_rdma_link_event;
	err = vmig_rdma_queue_create(rl, id) ?: rdma_accept(id, &param);
	if (!err)
		return 0;
	vmig_rdma_break(rl, err,
			"this node lacks memory, or its device resources, for it (error %d)",
			-err);
	vmig_rdma_queue_destroy(rl, id);
	/* The CM's own, as the request fails. */
	rl->id = NULL;
	return err;
}

static enum vmig_rdma_refusal judge(struct vmig_rdma_session *session,
				    struct rdma_cm_id *id,
				    const struct rdma_conn_param *conn)
{
	struct vmig_rdma_hello hello;
	enum vmig_rdma_refusal why;
	struct vmig_rdma_link *rl;
	unsigned int channel;

	why = vmig_rdma_message_check_hello(conn->private_data,
					    conn->private_data_len, &hello);
	if (why)
		return why;
	if (crypto_memneq(hello.secret, session->secret,
			  sizeof(hello.secret)))
		why = VMIG_RDMA_REFUSE_SECRET;
	memzero_explicit(hello.secret, sizeof(hello.secret));
	if (why)
		return why;
	channel = le16_to_cpu(hello.channel);
	if (channel >= session->channels)
		return VMIG_RDMA_REFUSE_CHANNEL;
	mutex_lock(&session->lock);
	rl = session->links[channel];
	if (!rl || session->closed || rl->link.stop(rl->link.arg))
		why = VMIG_RDMA_REFUSE_LATE;
	else if (vmig_rdma_state(rl) != VMIG_RDMA_IDLE)
		why = VMIG_RDMA_REFUSE_TAKEN;
	else if (accept(rl, id, &hello))
		why = VMIG_RDMA_REFUSE_RESOURCES;
	mutex_unlock(&session->lock);
	return why;
}

static int connect_request(struct vmig_rdma_session *session,
			   struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	u8 why = judge(session, id, &event->param.conn);

	if (!why)
		return 0;
	atomic_inc(&refused[why]);
	rdma_reject(id, &why, sizeof(why), IB_CM_REJ_CONSUMER_DEFINED);
	return -ECONNREFUSED;
}

/**
 * vmig_rdma_listener_event() - The CM tells of a request, or of the listener.
 * @id: of the request, or the listener
 * @event: that happened
 *
 * Context: A work item of the CM.
 * Return: 0, or anything else to have the CM destroy @id.
 */
int vmig_rdma_listener_event(struct rdma_cm_id *id,
			     struct rdma_cm_event *event)
{
	struct vmig_rdma_session *session = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return connect_request(session, id, event);
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		/* Nobody listens any more when what is done here has begun. */
		vmig_rdma_session_lose(session);
		/* Who takes it destroys it; here that is the CM. */
		return cmpxchg(&session->listener, id, NULL) == id;
	default:
		return 0;
	}
}

/**
 * vmig_rdma_await() - Wait until the source has connected a channel.
 * @rl: the link, in use
 *
 * Context: The channel's thread.
 * Return: 0, or a negative errno, and @rl->why says more.
 */
int vmig_rdma_await(struct vmig_rdma_link *rl)
{
	struct vmig_rdma_session *session = rl->session;
	struct vmig_rdma_patience p;
	int err;

	vmig_rdma_be_patient(rl, &p, VMIG_RDMA_RECEIVING);
	err = vmig_rdma_wait(rl, &p, vmig_rdma_is_connected);
	if (!err)
		return 0;
	mutex_lock(&session->lock);
	session->closed = true;
	mutex_unlock(&session->lock);
	if (err == -ETIMEDOUT || err == -ETIME)
		vmig_rdma_break(rl, -ETIMEDOUT,
				"it did not connect within %u seconds",
				rl->link.patience);
	return err;
}
