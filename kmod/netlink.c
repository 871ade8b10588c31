// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family, and what its operations have in common.
 *
 * Locking: none here. Operations run in parallel; each takes what it needs.
 * All run under genetlink's cb_lock, shared, so that unregistering the family
 * waits for them.
 */
#include <linux/string.h>
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "netlink.h"
#include "netlink-agent.h"
#include "netlink-gen.h"

#define NAME_CHARS	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"	\
			"abcdefghijklmnopqrstuvwxyz"	\
			"0123456789._-"

/**
 * vmig_netlink_run() - Run an operation; acknowledge its failure.
 * @skb: the message, as the operation's doit got it
 * @info: ditto
 * @op: returns 0 or a negative errno with text in @info->extack, which is a
 *	struct vmig_extack
 *
 * The core acknowledges after the doit has returned, when text with names in
 * it would be gone. A failure is therefore acknowledged here; -EINTR tells
 * netlink_rcv_skb() so.
 *
 * Return: what the doit returns.
 */
int vmig_netlink_run(struct sk_buff *skb, struct genl_info *info,
		     int (*op)(struct genl_info *info))
{
	struct netlink_ext_ack *core = info->extack;
	struct vmig_extack own = {};
	int err;

	info->extack = &own.ack;
	err = op(info);
	info->extack = core;
	if (!err)
		return 0;

	if (!own.ack._msg && err == -ENOMEM)
		NL_SET_ERR_MSG(&own.ack, "The kernel is out of memory: try again later");
	if (!own.ack._msg && err == -EAGAIN)
		NL_SET_ERR_MSG(&own.ack, "This socket is full: read what it got, then try again");
	netlink_ack(skb, (struct nlmsghdr *)info->nlhdr, err, &own.ack);
	return -EINTR;
}

/**
 * vmig_netlink_need() - Refuse an operation that lacks an attribute.
 * @info: of the operation
 * @attr: type of the attribute
 * @what: its name, for people
 *
 * Return: 0, or -EINVAL with extack text.
 */
int vmig_netlink_need(struct genl_info *info, int attr, const char *what)
{
	if (!GENL_REQ_ATTR_CHECK(info, attr))
		return 0;
	NL_SET_ERR_MSG_FMT(info->extack, "The attribute %s is missing", what);
	return -EINVAL;
}

/**
 * vmig_netlink_check_name() - Refuse what cannot be the name of a VM or node.
 * @info: of the operation
 * @attr: type of an attribute that is there
 *
 * Return: 0, or -EINVAL with extack text.
 */
int vmig_netlink_check_name(struct genl_info *info, int attr)
{
	const char *name = nla_data(info->attrs[attr]);

	if (*name && !name[strspn(name, NAME_CHARS)] &&
	    strcmp(name, ".") && strcmp(name, ".."))
		return 0;
	NL_SET_BAD_ATTR(info->extack, info->attrs[attr]);
	NL_SET_ERR_MSG_FMT(info->extack,
			   "A name has 1 to %d letters, digits, '.', '_' and '-', and is not '.' or '..'",
			   VMIG_NAME_MAX);
	return -EINVAL;
}

static bool has_attrs(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack)
{
	if (nlmsg_attrlen(nlh, GENL_HDRLEN) <= 0)
		return false;
	NL_SET_ERR_MSG_ATTR(extack, nlmsg_attrdata(nlh, GENL_HDRLEN),
			    "This operation takes no attributes");
	return true;
}

/**
 * vmig_netlink_need_none() - Refuse attributes where the core lets them pass.
 * @info: of an operation without policy
 *
 * Return: 0, or -EINVAL with extack text.
 */
int vmig_netlink_need_none(struct genl_info *info)
{
	return has_attrs(info->nlhdr, info->extack) ? -EINVAL : 0;
}

/**
 * vmig_netlink_start_dump() - Refuse a dump that has attributes.
 * @cb: of the dump
 *
 * Return: 0, or -EINTR if the dump is refused and that is acknowledged; not all
 * kernels give the starter of a dump an extack.
 */
int vmig_netlink_start_dump(struct netlink_callback *cb)
{
	struct netlink_ext_ack extack = {};

	if (!has_attrs(cb->nlh, &extack))
		return 0;
	netlink_ack(cb->skb, (struct nlmsghdr *)cb->nlh, -EINVAL, &extack);
	return -EINTR;
}

/**
 * vmig_netlink_blame() - Point at an attribute, if an error has pointed at none.
 * @info: of the operation
 * @attr: type of the attribute
 * @err: of the operation
 *
 * Return: @err.
 */
int vmig_netlink_blame(struct genl_info *info, int attr, int err)
{
	if (err && err != -ENOMEM && !info->extack->bad_attr)
		NL_SET_BAD_ATTR(info->extack, info->attrs[attr]);
	return err;
}

/**
 * vmig_netlink_put_u64() - Append a number to a message.
 * @msg: message
 * @attr: type of the attribute
 * @value: host's byte order
 *
 * Not aligned, as readers of netlink must expect: nla_put_u64_64bit() wants an
 * attribute to pad with.
 *
 * Return: 0 or -EMSGSIZE.
 */
int vmig_netlink_put_u64(struct sk_buff *msg, int attr, u64 value)
{
	return nla_put(msg, attr, sizeof(value), &value);
}

/* Not generated: ynl of 6.12 drops the flags of a group. */
static const struct genl_multicast_group groups[] = {
	[VMIG_NLGRP_MIGRATIONS] = {
		.name = VMIG_MCGRP_MIGRATIONS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

int __init vmig_netlink_init(void)
{
	int err;

	err = vmig_netlink_agent_init();
	if (err)
		return err;
	vmig_nl_family.mcgrps = groups;
	err = genl_register_family(&vmig_nl_family);
	if (err)
		vmig_netlink_agent_exit();
	return err;
}

void vmig_netlink_exit(void)
{
	genl_unregister_family(&vmig_nl_family);
	vmig_netlink_agent_exit();
}
