/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_NETLINK_PARAMS_H
#define _VMIG_NETLINK_PARAMS_H

struct genl_info;
struct sockaddr_storage;
struct vmig_migration_params;

int vmig_netlink_params_read(struct genl_info *info,
			     struct vmig_migration_params *p);
int vmig_netlink_params_address(struct genl_info *info, int attr,
				struct sockaddr_storage *address);

#endif /* _VMIG_NETLINK_PARAMS_H */
