/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink as Linux 6.2 and later have it.
 *
 * Commit b8fd60c36a44 ("genetlink: allow families to use split ops directly")
 * brought the split operations that the kernel's ynl generates. Before it,
 * struct genl_family is one of ours that has them, and registration makes
 * what the kernel knows of it.
 */
#ifndef _VMIG_COMPAT_GENETLINK_H
#define _VMIG_COMPAT_GENETLINK_H

#include <linux/version.h>
#include <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)

struct genl_split_ops {
	union {
		int (*doit)(struct sk_buff *skb, struct genl_info *info);
		struct {
			int (*start)(struct netlink_callback *cb);
			int (*dumpit)(struct sk_buff *skb,
				      struct netlink_callback *cb);
			int (*done)(struct netlink_callback *cb);
		};
	};
	const struct nla_policy *policy;
	unsigned int maxattr;
	u8 cmd;
	u8 flags;
};

/**
 * struct vmig_compat_family - a family as later kernels describe it
 * @native: what the kernel knows of it, private
 */
struct vmig_compat_family {
	char name[GENL_NAMSIZ];
	unsigned int version;
	bool netnsok;
	bool parallel_ops;
	struct module *module;
	const struct genl_split_ops *split_ops;
	u8 n_split_ops;
	const struct genl_multicast_group *mcgrps;
	u8 n_mcgrps;
	struct genl_family native;
};

int vmig_compat_register_family(struct vmig_compat_family *family);
int vmig_compat_unregister_family(struct vmig_compat_family *family);

static inline void *vmig_compat_put(struct sk_buff *skb, u32 portid, u32 seq,
				    const struct vmig_compat_family *family,
				    int flags, u8 cmd)
{
	return genlmsg_put(skb, portid, seq, &family->native, flags, cmd);
}

static inline int vmig_compat_multicast(const struct vmig_compat_family *family,
					struct net *net, struct sk_buff *skb,
					u32 portid, unsigned int group,
					gfp_t flags)
{
	return genlmsg_multicast_netns(&family->native, net, skb, portid, group,
				       flags);
}

static inline int vmig_compat_has_listeners(const struct vmig_compat_family *family,
					    struct net *net, unsigned int group)
{
	return genl_has_listeners(&family->native, net, group);
}

static inline int vmig_compat_set_err(const struct vmig_compat_family *family,
				      struct net *net, u32 portid, u32 group,
				      int code)
{
	return genl_set_err(&family->native, net, portid, group, code);
}

#ifndef VMIG_COMPAT_NATIVE_GENETLINK
#define genl_family vmig_compat_family
#define genl_register_family vmig_compat_register_family
#define genl_unregister_family vmig_compat_unregister_family
#define genlmsg_put vmig_compat_put
#define genlmsg_multicast_netns vmig_compat_multicast
#define genl_has_listeners vmig_compat_has_listeners
#define genl_set_err vmig_compat_set_err
#endif

#endif /* before 6.2 */

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
/* Commit ea23fbd2a8f7 ("netlink: make range pointers in policies const") */
#undef NLA_POLICY_FULL_RANGE
#define NLA_POLICY_FULL_RANGE(tp, _range) {		\
	.type = NLA_ENSURE_UINT_OR_BINARY_TYPE(tp),		\
	.validation_type = NLA_VALIDATE_RANGE_PTR,	\
	.range = (struct netlink_range_validation *)(_range),	\
}
#endif

#endif /* _VMIG_COMPAT_GENETLINK_H */
