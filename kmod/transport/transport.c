// SPDX-License-Identifier: GPL-2.0
/* The transports that are modules of their own: who is there. */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netlink.h>

#include "compat/compat.h"
#include "transport/link.h"
#include "transport/transport.h"

/* Protects @registered; a transport that is in it may be got. */
static DEFINE_MUTEX(lock);
static const struct vmig_transport_ops *registered[VMIG_TRANSPORT_RDMA + 1];

/**
 * vmig_transport_register() - Offer a transport to migrations.
 * @which: it is
 * @ops: live until vmig_transport_unregister()
 *
 * Context: Process context, from a module's init.
 * Return: 0, -EEXIST if another module offers it, or -EINVAL if this one was not
 * built with vmig.ko.
 */
int vmig_transport_register(enum vmig_transport which,
			    const struct vmig_transport_ops *ops)
{
	int err = 0;

	if (ops->link_size != sizeof(struct vmig_link))
		return -EINVAL;
	mutex_lock(&lock);
	if (registered[which])
		err = -EEXIST;
	else
		registered[which] = ops;
	mutex_unlock(&lock);
	return err;
}
EXPORT_SYMBOL_GPL(vmig_transport_register);

/**
 * vmig_transport_unregister() - Offer it no more.
 * @which: it is
 *
 * Context: Process context, from a module's exit: nobody has got it then.
 */
void vmig_transport_unregister(enum vmig_transport which)
{
	mutex_lock(&lock);
	registered[which] = NULL;
	mutex_unlock(&lock);
}
EXPORT_SYMBOL_GPL(vmig_transport_unregister);

/**
 * vmig_transport_get() - Find a transport, and keep its module loaded.
 * @which: it is; not TCP, which needs no module
 * @extack: filled in on failure
 *
 * Context: Process context.
 * Return: it, for vmig_transport_put(); ERR_PTR(-EPROTONOSUPPORT) if it is not
 * there.
 */
const struct vmig_transport_ops *
vmig_transport_get(enum vmig_transport which, struct netlink_ext_ack *extack)
{
	const struct vmig_transport_ops *ops;

	mutex_lock(&lock);
	ops = registered[which];
	if (ops && !try_module_get(ops->owner))
		ops = NULL;
	mutex_unlock(&lock);
	if (ops)
		return ops;
	NL_SET_ERR_MSG_FMT(extack,
			   "The transport rdma needs the module vmig_rdma: modprobe vmig_rdma, or insmod it");
	return ERR_PTR(-EPROTONOSUPPORT);
}

void vmig_transport_put(const struct vmig_transport_ops *ops)
{
	module_put(ops->owner);
}

/**
 * vmig_transport_open() - Begin what the channels of a migration need.
 * @which: transport; not TCP
 * @params: of the migration
 * @extack: filled in on failure
 *
 * Context: Process context, without locks. May sleep.
 * Return: a session, for vmig_transport_close(); ERR_PTR(-EPROTONOSUPPORT)
 * without the transport's module, or what its create() returns.
 */
struct vmig_session *
vmig_transport_open(enum vmig_transport which,
		    const struct vmig_transport_params *params,
		    struct netlink_ext_ack *extack)
{
	const struct vmig_transport_ops *ops = vmig_transport_get(which, extack);
	struct vmig_session *session;

	if (IS_ERR(ops))
		return ERR_CAST(ops);
	session = ops->create(params, extack);
	if (IS_ERR(session))
		vmig_transport_put(ops);
	else
		session->ops = ops;
	return session;
}

void vmig_transport_close(struct vmig_session *session)
{
	const struct vmig_transport_ops *ops = session->ops;

	ops->destroy(session);
	vmig_transport_put(ops);
}
