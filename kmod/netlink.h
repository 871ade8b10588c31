/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_NETLINK_H
#define _VMIG_NETLINK_H

struct net;
struct vmig_migration_info;

int vmig_netlink_init(void);
void vmig_netlink_exit(void);

/* Multicast VMIG_CMD_MIGRATION_NTF in @net. May sleep; never fails the caller. */
void vmig_netlink_migration_ntf(struct net *net,
				const struct vmig_migration_info *info);

#endif /* _VMIG_NETLINK_H */
