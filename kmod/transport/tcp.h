/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_TRANSPORT_TCP_H
#define _VMIG_TRANSPORT_TCP_H

#include "transport/link.h"

struct net;
struct netlink_ext_ack;

struct vmig_link *vmig_tcp_attach(struct net *net, u32 fd,
				  bool (*stop)(void *arg), void *arg,
				  struct netlink_ext_ack *extack);

#endif /* _VMIG_TRANSPORT_TCP_H */
