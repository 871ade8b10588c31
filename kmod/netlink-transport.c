// SPDX-License-Identifier: GPL-2.0
/* Netlink: what this node can carry pages with. */
#include <net/sock.h>
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netlink-params.h"
#include "transport/transport.h"

static int probe(struct genl_info *info, enum vmig_transport which,
		 struct vmig_transport_info *found)
{
	const struct vmig_transport_ops *ops;
	struct sockaddr_storage local;
	int err;

	err = vmig_netlink_need(info, VMIG_A_LINK_LOCAL_ADDRESS,
				"local-address") ?:
	      vmig_netlink_params_address(info, VMIG_A_LINK_LOCAL_ADDRESS,
					  &local);
	if (err)
		return err;
	ops = vmig_transport_get(which, info->extack);
	if (IS_ERR(ops))
		return PTR_ERR(ops);
	err = ops->probe(genl_info_net(info), &local, found, info->extack);
	vmig_transport_put(ops);
	return vmig_netlink_blame(info, VMIG_A_LINK_LOCAL_ADDRESS, err);
}

static int get_transport(struct genl_info *info)
{
	struct vmig_transport_info found = {};
	enum vmig_transport which;
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = vmig_netlink_need(info, VMIG_A_LINK_TRANSPORT, "transport");
	if (err)
		return err;
	which = nla_get_u32(info->attrs[VMIG_A_LINK_TRANSPORT]);
	if (which != VMIG_TRANSPORT_TCP) {
		err = probe(info, which, &found);
		if (err)
			return err;
	}
	msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq, &vmig_nl_family,
			  0, VMIG_CMD_TRANSPORT_GET);
	if (!hdr || nla_put_u32(msg, VMIG_A_LINK_TRANSPORT, which) ||
	    (*found.device &&
	     (nla_put_string(msg, VMIG_A_LINK_DEVICE, found.device) ||
	      nla_put_u32(msg, VMIG_A_LINK_MAX_KEY_PAGES,
			  found.max_key_pages)))) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

int vmig_nl_transport_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, get_transport);
}
