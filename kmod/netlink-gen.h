/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vmig.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_VMIG_GEN_H
#define _LINUX_VMIG_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/vmig.h>

/* Common nested types */
extern const struct nla_policy vmig_cpuid_rule_nl_policy[VMIG_A_CPUID_RULE_HIDDEN + 1];

int vmig_nl_vm_get_start(struct netlink_callback *cb);
int vmig_nl_migration_get_start(struct netlink_callback *cb);
int vmig_nl_cpuid_filter_get_start(struct netlink_callback *cb);
int vmig_nl_vm_get_done(struct netlink_callback *cb);

int vmig_nl_agent_register_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_agent_get_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_vm_get_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_vm_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int vmig_nl_request_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_answer_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_new_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_start_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_stop_copy_doit(struct sk_buff *skb,
				     struct genl_info *info);
int vmig_nl_migration_stage_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_done_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_fail_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_cancel_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_get_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_migration_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb);
int vmig_nl_cpuid_support_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_cpuid_read_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_cpuid_filter_set_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_cpuid_filter_get_doit(struct sk_buff *skb, struct genl_info *info);
int vmig_nl_cpuid_filter_get_dumpit(struct sk_buff *skb,
				    struct netlink_callback *cb);
int vmig_nl_transport_get_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	VMIG_NLGRP_MIGRATIONS,
};

extern struct genl_family vmig_nl_family;

#endif /* _LINUX_VMIG_GEN_H */
