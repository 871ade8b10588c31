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
struct vmig_link;
struct vmig_transport_ops;

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
 * struct vmig_transport_params - what a migration's channels connect with
 * @net: of the node; outlives the session
 * @role: of this node: the source connects, the destination listens
 * @channels: how many
 * @local: this node's address
 * @peer: the source's: the other node's
 * @port: the source's: where the other node listens
 * @secret: what a connection must show
 * @fail: ends the migration: no channel can be connected any more. Called in
 *	process context, without locks, and only after begin() of the links.
 * @arg: passed to @fail
 */
struct vmig_transport_params {
	struct net *net;
	enum vmig_role role;
	unsigned int channels;
	const struct sockaddr_storage *local;
	const struct sockaddr_storage *peer;
	u16 port;
	const u8 *secret;
	void (*fail)(void *arg, int err, const char *why);
	void *arg;
};

/**
 * struct vmig_session - what the channels of a migration have in common, within
 *	what a transport has of it
 * @ops: of the transport
 * @device: that carries them
 * @port: where they connect to
 */
struct vmig_session {
	const struct vmig_transport_ops *ops;
	char device[64];
	u16 port;
};

/**
 * struct vmig_transport_ops - a transport
 * @owner: the module that has it
 * @link_size: sizeof(struct vmig_link), which both modules must agree on
 * @probe: can this address of the node be used? Return: 0 with @info filled in;
 *	-ENODEV or -EOPNOTSUPP with extack text, or another negative errno.
 * @create: a session; its destination listens when this returns. What @params
 *	points to is copied. Return: the session with @device and @port filled
 *	in, or as @probe.
 * @attach: the link of a channel, each once; its detach() comes before @destroy.
 *	Return: the link, or ERR_PTR(-ENOMEM).
 * @destroy: end and free a session. Nobody can connect to it any more when this
 *	returns.
 *
 * All of them are called in process context without locks, and may sleep.
 */
struct vmig_transport_ops {
	struct module *owner;
	size_t link_size;
	int (*probe)(struct net *net, const struct sockaddr_storage *local,
		     struct vmig_transport_info *info,
		     struct netlink_ext_ack *extack);
	struct vmig_session *(*create)(const struct vmig_transport_params *params,
				       struct netlink_ext_ack *extack);
	struct vmig_link *(*attach)(struct vmig_session *session,
				    unsigned int channel,
				    bool (*stop)(void *arg), void *arg);
	void (*destroy)(struct vmig_session *session);
};

int vmig_transport_register(enum vmig_transport which,
			    const struct vmig_transport_ops *ops);
void vmig_transport_unregister(enum vmig_transport which);

const struct vmig_transport_ops *
vmig_transport_get(enum vmig_transport which, struct netlink_ext_ack *extack);
void vmig_transport_put(const struct vmig_transport_ops *ops);

struct vmig_session *
vmig_transport_open(enum vmig_transport which,
		    const struct vmig_transport_params *params,
		    struct netlink_ext_ack *extack);
void vmig_transport_close(struct vmig_session *session);

#endif /* _VMIG_TRANSPORT_TRANSPORT_H */
