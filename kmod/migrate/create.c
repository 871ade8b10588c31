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
#include "transport/transport.h"

static bool channel_stops(void *channel)
{
	struct vmig_channel *ch = channel;

	return READ_ONCE(ch->m->ending);
}

static void detach_channels(struct vmig_migration *m)
{
	unsigned int i;

	for (i = 0; i < m->nchannels; i++) {
		vmig_tcp_detach(&m->channels[i].tcp);
		kvfree(m->channels[i].scratch);
	}
	kvfree(m->channels);
}

static int attach_channels(struct vmig_migration *m,
			   const struct vmig_migration_params *p,
			   struct netlink_ext_ack *extack)
{
	const struct vmig_transport_ops *ops;
	int err;

	if (p->transport != VMIG_TRANSPORT_TCP) {
		ops = vmig_transport_get(p->transport, extack);
		if (IS_ERR(ops))
			return PTR_ERR(ops);
		vmig_transport_put(ops);
		return -EPROTONOSUPPORT;
	}
	if (!p->nfds || p->nfds > VMIG_CHANNELS_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "A migration has 1 to %u sockets, not %u",
				   VMIG_CHANNELS_MAX, p->nfds);
		return -EINVAL;
	}
	m->channels = kvcalloc(p->nfds, sizeof(*m->channels), GFP_KERNEL);
	if (!m->channels)
		return -ENOMEM;
	for (; m->nchannels < p->nfds; m->nchannels++) {
		struct vmig_channel *ch = &m->channels[m->nchannels];

		ch->m = m;
		ch->index = m->nchannels;
		ch->seen_chunk = ch->index;
		ch->last_tx = jiffies;
		ch->scratch = kvzalloc(sizeof(*ch->scratch), GFP_KERNEL);
		if (!ch->scratch) {
			err = -ENOMEM;
			goto err_detach;
		}
		err = vmig_tcp_attach(&ch->tcp, m->net, p->fds[ch->index],
				      channel_stops, ch, extack);
		if (err) {
			NL_SET_BAD_ATTR(extack, p->fd_attrs[ch->index]);
			kvfree(ch->scratch);
			goto err_detach;
		}
	}
	return 0;

err_detach:
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
	m->info.port = p->port;
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
 * @extack: filled in on every failure a caller can cause
 *
 * Context: Process context of the task that owns the sockets. May sleep.
 * Return: 0, and exactly one notification of its end will come; -ENOENT if
 * there is no such VM, -EPROTONOSUPPORT without the transport's module, -EBUSY
 * if the VM is claimed or a socket is taken, -ENODATA if it has no memory,
 * -EINVAL, -ENOMEM, or what vmig_tcp_attach() returns.
 */
int vmig_migration_new(struct net *net, const struct vmig_migration_params *p,
		       u32 *id, struct netlink_ext_ack *extack)
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
