/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The transports that are modules of their own.
 *
 * vmig.ko knows TCP by itself. Another transport registers, and is found by its
 * number while its module is loaded; vmig_transport_get() keeps the module
 * there until vmig_transport_put().
 */
#ifndef _VMIG_TRANSPORT_TRANSPORT_H
#define _VMIG_TRANSPORT_TRANSPORT_H

#include <linux/socket.h>
#include <linux/types.h>
#include <linux/vmig.h>

struct module;
struct net;
struct netlink_ext_ack;

/**
 * struct vmig_transport_info - what a node has to carry pages with
 * @device: that the address belongs to
 * @max_key_pages: most pages that the device can make writable with one key
 */
struct vmig_transport_info {
	char device[64];
	u32 max_key_pages;
};

/**
 * struct vmig_transport_ops - a transport
 * @owner: the module that has it
 * @probe: Can this address of the node be used? Process context, may sleep.
 *	Return: 0 with @info filled in; -EADDRNOTAVAIL or -EOPNOTSUPP with
 *	extack text, or another negative errno.
 */
struct vmig_transport_ops {
	struct module *owner;
	int (*probe)(struct net *net, const struct sockaddr_storage *local,
		     struct vmig_transport_info *info,
		     struct netlink_ext_ack *extack);
};

int vmig_transport_register(enum vmig_transport which,
			    const struct vmig_transport_ops *ops);
void vmig_transport_unregister(enum vmig_transport which);

const struct vmig_transport_ops *
vmig_transport_get(enum vmig_transport which, struct netlink_ext_ack *extack);
void vmig_transport_put(const struct vmig_transport_ops *ops);

#endif /* _VMIG_TRANSPORT_TRANSPORT_H */
