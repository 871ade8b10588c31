/* SPDX-License-Identifier: GPL-2.0 */
/* The network interfaces of this host, as migrations ask about them. */
#ifndef VMIG_INTERFACE_H
#define VMIG_INTERFACE_H

#include <net/if.h>

#include "../err.h"
#include "../prefix.h"

struct vmig_interface {
	char name[IFNAMSIZ];
	struct vmig_prefix network;
	unsigned int mtu;
};

/* The one that has @address. -ENODEV if there is none. */
int vmig_interface_find(const char *address, struct vmig_interface *interface,
			struct vmig_err *err);
/* 0 if there is no interface @name. */
unsigned int vmig_interface_mtu(const char *name);

#endif /* VMIG_INTERFACE_H */
