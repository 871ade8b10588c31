/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_NETLINK_REQUEST_H
#define _VMIG_NETLINK_REQUEST_H

struct genl_info;

int vmig_netlink_request_check(struct genl_info *info);

#endif /* _VMIG_NETLINK_REQUEST_H */
