/* SPDX-License-Identifier: GPL-2.0 */
/* VLANs of a bridge's ports; errors as in net.h. */
#ifndef VMIG_NET_VLAN_H
#define VMIG_NET_VLAN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "../err.h"

/* A port by which frames of a VLAN leave a host. */
struct vmig_trunk {
	int ifindex;
	bool tagged;
	uint16_t protocol;	/* of the tag */
};

/* -EINVAL, and what to do, if the bridge does not filter by VLAN. */
int vmig_vlan_check(const char *bridge, struct vmig_err *err);
/* @tap, a port of @bridge, is in @vlan, untagged, and in no other one. */
int vmig_vlan_join(const char *tap, const char *bridge, unsigned int vlan,
		   struct vmig_err *err);
/*
 * Fill @trunks with the ports of @bridge besides @tap that are in @vlan and
 * forward. Return: how many, or a negative errno.
 */
int vmig_vlan_trunks(const char *tap, const char *bridge, unsigned int vlan,
		     struct vmig_trunk *trunks, unsigned int max,
		     struct vmig_err *err);

#endif /* VMIG_NET_VLAN_H */
