// SPDX-License-Identifier: GPL-2.0
/*
 * How a migration comes into being: the VM is claimed and the sockets are taken,
 * or nothing has happened.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "compat/compat.h"
#include "migrate/engine.h"
#include "transport/tcp.h"
#include "transport/transport.h"

static bool channel_stops(void *channel)
{
	struct vmig_channel *ch = channel;

	return READ_ONCE(ch->m->ending);
}

static void detach_channels(struct vmig_migration *m)
{
	unsigned int i;

	for (i = 0; i < m->nchannels; i++)
		vmig_channel_detach(&m->channels[i]);
	kvfree(m->channels);
	if (m->session)
		vmig_transport_close(m->session);
}

/* Before there are threads nobody else can tell. */
static void fail_migration(void *migration, int err, const char *why)
{
	vmig_end_begin(migration, VMIG_STATE_FAILED, -err, false, "%s", why);
}

/* What another transport than TCP needs before there are channels. */
static int open_session(struct vmig_migration *m,
			const struct vmig_migration_params *p,
			struct netlink_ext_ack *extack)
{
	const struct vmig_transport_params params = {
		.net = m->net,
		.role = p->role,
		.channels = p->channels,
		.local = &p->local,
		.peer = &p->peer,
		.port = p->port,
		.secret = p->secret,
		.fail = fail_migration,
		.arg = m,
	};
	struct vmig_session *session;

	if (p->transport == VMIG_TRANSPORT_TCP)
		return 0;
	session = vmig_transport_open(p->transport, &params, extack);
	if (IS_ERR(session))
		return PTR_ERR(session);
	m->session = session;
	m->info.port = session->port;
	strscpy(m->info.device, session->device, sizeof(m->info.device));
	return 0;
}

static int attach_link(struct vmig_channel *ch,
		       const struct vmig_migration_params *p,
		       struct netlink_ext_ack *extack)
{
	struct vmig_session *session = ch->m->session;

	if (session)
		ch->link = session->ops->attach(session, ch->index,
						channel_stops, ch);
	else
		ch->link = vmig_tcp_attach(ch->m->net, p->fds[ch->index],
					   channel_stops, ch, extack);
	if (!IS_ERR(ch->link))
		return 0;
	if (!session)
		NL_SET_BAD_ATTR(extack, p->fd_attrs[ch->index]);
	return PTR_ERR(ch->link);
}

static int attach_channel(struct vmig_channel *ch,
			  const struct vmig_migration_params *p,
			  struct netlink_ext_ack *extack)
{
	int err;

	ch->scratch = kvzalloc(sizeof(*ch->scratch), GFP_KERNEL);
	if (!ch->scratch)
		return -ENOMEM;
	err = attach_link(ch, p, extack);
	if (err)
		goto err_free;
	if (p->role != VMIG_ROLE_DESTINATION || !ch->link->ops->offer_pages)
		return 0;
	ch->other = kvzalloc(sizeof(*ch->other), GFP_KERNEL);
	if (ch->other)
		return 0;
	err = -ENOMEM;
	ch->link->ops->detach(ch->link);
err_free:
	kvfree(ch->scratch);
	return err;
}

static int attach_channels(struct vmig_migration *m,
			   const struct vmig_migration_params *p,
			   struct netlink_ext_ack *extack)
{
	int err;

	if (!p->channels || p->channels > VMIG_CHANNELS_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "A migration has 1 to %u channels, not %u",
				   VMIG_CHANNELS_MAX, p->channels);
		return -EINVAL;
	}
	err = open_session(m, p, extack);
	if (err)
		return err;
	m->channels = kvcalloc(p->channels, sizeof(*m->channels), GFP_KERNEL);
	if (!m->channels)
		err = -ENOMEM;
	while (!err && m->nchannels < p->channels) {
		struct vmig_channel *ch = &m->channels[m->nchannels];

		ch->m = m;
		ch->index = m->nchannels;
		ch->seen_chunk = ch->index;
		ch->last_tx = jiffies;
		err = attach_channel(ch, p, extack);
		if (!err)
			m->nchannels++;
	}
	if (err)
		detach_channels(m);
	return err;
}

/* What the VM is like; it stays so while it is claimed. */
static int read_vm(struct vmig_migration *m, struct netlink_ext_ack *extack)
{
	struct vmig_vm *vm = m->vm;
	unsigned int r;

	for (r = 0; r < vm->nregions; r++)
		m->region_pages[r] = (u64)vm->regions[r]->size >> PAGE_SHIFT;
	if (vm->nregions && m->region_pages[0])
		return 0;
	NL_SET_ERR_MSG_FMT(extack,
			   "VM %s has no memory in vmigfs: start it with its RAM in that directory",
			   vm->name);
	return -ENODATA;
}

static struct vmig_migration *alloc_migration(struct net *net,
					      const struct vmig_migration_params *p)
{
	struct vmig_migration *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return NULL;
	kref_init(&m->ref);
	mutex_init(&m->lock);
	init_waitqueue_head(&m->wait);
	m->created = ktime_get();
	m->tick_at = m->created;
	m->round_at = m->created;
	m->best_remaining = U64_MAX;
	m->info.role = p->role;
	m->info.state = VMIG_STATE_SETUP;
	m->info.channels = p->channels;
	m->info.transport = p->transport;
	m->info.local = p->local;
	m->info.peer = p->peer;
	m->info.verify = p->verify;
	m->info.quick = p->quick;
	m->info.bandwidth = p->bandwidth;
	memcpy(m->info.token, p->token, sizeof(m->info.token));
	strscpy(m->info.vm, p->vm, sizeof(m->info.vm));
	strscpy(m->info.node, p->node, sizeof(m->info.node));
	m->info.id = vmig_node_new_id(net);
	m->net = get_net(net);
	return m;
}

/**
 * vmig_migration_new() - Create a migration in SETUP.
 * @net: the node
 * @p: what is asked for
 * @id: filled in on success
 * @port: filled in with where the destination listens, 0 with sockets
 * @extack: filled in on every failure a caller can cause
 *
 * Context: Process context of the task that owns the sockets. May sleep.
 * Return: 0, and exactly one notification of its end will come; -ENOENT if
 * there is no such VM, -EPROTONOSUPPORT without the transport's module, -EBUSY
 * if the VM is claimed or a socket is taken, -ENODATA if it has no memory,
 * -EINVAL, -ENOMEM, or what vmig_tcp_attach() or vmig_transport_open() return.
 */
int vmig_migration_new(struct net *net, const struct vmig_migration_params *p,
		       u32 *id, u16 *port, struct netlink_ext_ack *extack)
{
	struct vmig_migration *m;
	int err;

	m = alloc_migration(net, p);
	if (!m)
		return -ENOMEM;
	m->vm = vmig_vm_find(net, p->vm);
	if (!m->vm) {
		NL_SET_ERR_MSG_FMT(extack,
				   "There is no VM %s in the vmigfs of this node",
				   p->vm);
		err = -ENOENT;
		goto err_put;
	}
	err = vmig_vm_claim(m->vm, m->info.id, extack);
	if (err)
		goto err_vm_put;
	err = read_vm(m, extack);
	if (!err)
		err = attach_channels(m, p, extack);
	if (err)
		goto err_release;
	vmig_limit_set(m, p);

	__module_get(THIS_MODULE);
	*id = m->info.id;
	*port = m->info.port;
	mutex_lock(&m->lock);
	vmig_migration_enter_stage(m, VMIG_STAGE_SETUP);
	vmig_end_prepare(m);
	vmig_node_add(m);
	vmig_migration_notify(m);
	mutex_unlock(&m->lock);
	return 0;

err_release:
	vmig_vm_release(m->vm);
err_vm_put:
	vmig_vm_put(m->vm);
err_put:
	put_net(m->net);
	vmig_migration_put(m);
	return err;
}
