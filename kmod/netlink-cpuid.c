// SPDX-License-Identifier: GPL-2.0
/* Netlink: what CPUID shows to VMs. */
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "netlink.h"
#include "netlink-gen.h"

static int refuse(struct genl_info *info)
{
	NL_SET_ERR_MSG(info->extack, "This module cannot filter CPUID");
	return -EOPNOTSUPP;
}

int vmig_nl_cpuid_support_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, refuse);
}

int vmig_nl_cpuid_read_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, refuse);
}

int vmig_nl_cpuid_filter_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, refuse);
}

int vmig_nl_cpuid_filter_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, refuse);
}

int vmig_nl_cpuid_filter_get_start(struct netlink_callback *cb)
{
	return vmig_netlink_start_dump(cb);
}

int vmig_nl_cpuid_filter_get_dumpit(struct sk_buff *skb,
				    struct netlink_callback *cb)
{
	return 0;
}
