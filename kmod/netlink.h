/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_NETLINK_H
#define _VMIG_NETLINK_H

#include <linux/types.h>

struct genl_info;
struct net;
struct netlink_callback;
struct sk_buff;
struct vmig_migration_info;

int vmig_netlink_init(void);
void vmig_netlink_exit(void);

/* Multicast VMIG_CMD_MIGRATION_NTF in @net. May sleep; never fails the caller. */
void vmig_netlink_migration_ntf(struct net *net,
				const struct vmig_migration_info *info);

/* For the operations only: */
int vmig_netlink_run(struct sk_buff *skb, struct genl_info *info,
		     int (*op)(struct genl_info *info));
int vmig_netlink_need(struct genl_info *info, int attr, const char *what);
int vmig_netlink_need_none(struct genl_info *info);
int vmig_netlink_check_name(struct genl_info *info, int attr);
int vmig_netlink_blame(struct genl_info *info, int attr, int err);
int vmig_netlink_start_dump(struct netlink_callback *cb);
int vmig_netlink_put_u64(struct sk_buff *msg, int attr, u64 value);

#endif /* _VMIG_NETLINK_H */
