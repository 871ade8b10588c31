/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_NETLINK_AGENT_H
#define _VMIG_NETLINK_AGENT_H

struct genl_info;

int vmig_netlink_agent_init(void);
void vmig_netlink_agent_exit(void);

int vmig_netlink_agent_check(struct genl_info *info);

#endif /* _VMIG_NETLINK_AGENT_H */
