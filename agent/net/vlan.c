// SPDX-License-Identifier: GPL-2.0
/*
 * VLANs of a bridge's ports, by rtnetlink. A NIC with a VLAN has an untagged
 * port: its frames are in that VLAN wherever else they go.
 */
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

#include "vlan.h"

/* What is asked of a bridge. */
struct bridge_vlans {
	bool known;
	bool filtering;
	uint16_t default_pvid;
	uint16_t protocol;
};

struct trunk_search {
	int bridge;
	int tap;
	unsigned int vlan;
	struct vmig_trunk *trunks;
	unsigned int max;
	unsigned int n;
};

/* A request about link @ifindex, 0 for all. */
static struct nl_msg *new_message(int type, int flags, int family, int ifindex)
{
	struct ifinfomsg head = { .ifi_family = family, .ifi_index = ifindex };
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int ask(struct nl_msg *msg, nl_recvmsg_msg_cb_t fn, void *arg)
{
	struct nl_sock *sk = nl_socket_alloc();
	int ret = -NLE_NOMEM;

	if (!sk || !msg)
		goto out;
	nl_socket_disable_auto_ack(sk);
	nl_socket_enable_msg_peek(sk);
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, fn, arg);
	ret = nl_connect(sk, NETLINK_ROUTE);
	if (!ret)
		ret = nl_send_auto(sk, msg);
	if (ret >= 0)
		ret = nl_recvmsgs_default(sk);
out:
	nlmsg_free(msg);
	nl_socket_free(sk);
	return ret < 0 ? ret : 0;
}

static int tell(struct nl_msg *msg)
{
	struct nl_sock *sk = nl_socket_alloc();
	int ret = sk && msg ? nl_connect(sk, NETLINK_ROUTE) : -NLE_NOMEM;

	if (!ret)
		ret = nl_send_sync(sk, msg);	/* frees it */
	else
		nlmsg_free(msg);
	nl_socket_free(sk);
	return ret < 0 ? ret : 0;
}

static int on_bridge(struct nl_msg *msg, void *arg)
{
	struct nlattr *link[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	struct nlattr *data[IFLA_BR_MAX + 1];
	struct bridge_vlans *b = arg;

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct ifinfomsg), link,
			IFLA_MAX, NULL) ||
	    !link[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, link[IFLA_LINKINFO], NULL) ||
	    !info[IFLA_INFO_KIND] || !info[IFLA_INFO_DATA] ||
	    strcmp(nla_get_string(info[IFLA_INFO_KIND]), "bridge") ||
	    nla_parse_nested(data, IFLA_BR_MAX, info[IFLA_INFO_DATA], NULL))
		return NL_OK;
	b->known = true;
	b->protocol = ETH_P_8021Q;
	/* Absent from a kernel without VLANs in bridges. */
	if (data[IFLA_BR_VLAN_FILTERING])
		b->filtering = nla_get_u8(data[IFLA_BR_VLAN_FILTERING]);
	if (data[IFLA_BR_VLAN_DEFAULT_PVID])
		b->default_pvid = nla_get_u16(data[IFLA_BR_VLAN_DEFAULT_PVID]);
	if (data[IFLA_BR_VLAN_PROTOCOL])
		b->protocol = ntohs(nla_get_u16(data[IFLA_BR_VLAN_PROTOCOL]));
	return NL_OK;
}

static int get_bridge(const char *bridge, struct bridge_vlans *b,
		      struct vmig_err *err)
{
	int ret;

	memset(b, 0, sizeof(*b));
	ret = ask(new_message(RTM_GETLINK, 0, AF_UNSPEC,
			      (int)if_nametoindex(bridge)), on_bridge, b);
	if (ret)
		return vmig_err_set(err, EIO,
				    "cannot ask for the VLANs of bridge %s: %s",
				    bridge, nl_geterror(ret));
	if (!b->known)
		return vmig_err_set(err, EOPNOTSUPP,
				    "%s is not a bridge of the kernel: only those can have NICs with vlan =",
				    bridge);
	if (!b->filtering)
		return vmig_err_set(err, EINVAL,
				    "bridge %s does not keep VLANs apart, and a NIC with vlan = needs that: ip link set %s type bridge vlan_filtering 1",
				    bridge, bridge);
	return 0;
}

int vmig_vlan_check(const char *bridge, struct vmig_err *err)
{
	struct bridge_vlans b;

	return get_bridge(bridge, &b, err);
}

/* RTM_SETLINK adds @vlan to a port, RTM_DELLINK takes it away. */
static int change_port(int type, int port, uint16_t flags, unsigned int vlan)
{
	struct bridge_vlan_info info = { .flags = flags, .vid = vlan };
	struct nl_msg *msg = new_message(type, 0, AF_BRIDGE, port);
	struct nlattr *spec = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;

	if (!spec || nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info)) {
		nlmsg_free(msg);
		return -NLE_NOMEM;
	}
	nla_nest_end(msg, spec);
	return tell(msg);
}

int vmig_vlan_join(const char *tap, const char *bridge, unsigned int vlan,
		   struct vmig_err *err)
{
	int port = (int)if_nametoindex(tap), ret;
	struct bridge_vlans b;

	ret = get_bridge(bridge, &b, err);
	if (ret)
		return ret;
	ret = change_port(RTM_SETLINK, port, BRIDGE_VLAN_INFO_PVID |
			  BRIDGE_VLAN_INFO_UNTAGGED, vlan);
	/* A new port is in the default VLAN, which the VM is not to see. */
	if (!ret && b.default_pvid && b.default_pvid != vlan)
		ret = change_port(RTM_DELLINK, port, 0, b.default_pvid);
	if (ret)
		return vmig_err_set(err, EIO,
				    "cannot put tap %s into VLAN %u of bridge %s: %s",
				    tap, vlan, bridge, nl_geterror(ret));
	return 0;
}

/* Return: whether a port is in @vlan, and how its frames leave it. */
static bool find_vlan(struct nlattr *spec, unsigned int vlan, bool *tagged)
{
	unsigned int first = 0;
	struct nlattr *attr;
	int left;

	nla_for_each_nested(attr, spec, left) {
		const struct bridge_vlan_info *info = nla_data(attr);

		if (nla_type(attr) != IFLA_BRIDGE_VLAN_INFO ||
		    nla_len(attr) < (int)sizeof(*info))
			continue;
		if (!(info->flags & BRIDGE_VLAN_INFO_RANGE_END))
			first = info->vid;
		*tagged = !(info->flags & BRIDGE_VLAN_INFO_UNTAGGED);
		if (vlan == info->vid || (vlan > first && vlan < info->vid))
			return true;
	}
	return false;
}

static bool is_forwarding(struct nlattr *protinfo)
{
	struct nlattr *port[IFLA_BRPORT_MAX + 1];

	return protinfo &&
	       !nla_parse_nested(port, IFLA_BRPORT_MAX, protinfo, NULL) &&
	       port[IFLA_BRPORT_STATE] &&
	       nla_get_u8(port[IFLA_BRPORT_STATE]) == BR_STATE_FORWARDING;
}

static int on_port(struct nl_msg *msg, void *arg)
{
	const struct ifinfomsg *head = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *link[IFLA_MAX + 1];
	struct trunk_search *s = arg;
	struct vmig_trunk *trunk = &s->trunks[s->n];

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(*head), link, IFLA_MAX, NULL) ||
	    !link[IFLA_MASTER] || !link[IFLA_AF_SPEC] || s->n == s->max ||
	    (int)nla_get_u32(link[IFLA_MASTER]) != s->bridge ||
	    head->ifi_index == s->bridge || head->ifi_index == s->tap ||
	    !is_forwarding(link[IFLA_PROTINFO]))
		return NL_OK;
	if (find_vlan(link[IFLA_AF_SPEC], s->vlan, &trunk->tagged)) {
		trunk->ifindex = head->ifi_index;
		s->n++;
	}
	return NL_OK;
}

int vmig_vlan_trunks(const char *tap, const char *bridge, unsigned int vlan,
		     struct vmig_trunk *trunks, unsigned int max,
		     struct vmig_err *err)
{
	struct trunk_search s = {
		.bridge = (int)if_nametoindex(bridge),
		.tap = (int)if_nametoindex(tap),
		.vlan = vlan,
		.trunks = trunks,
		.max = max,
	};
	struct bridge_vlans b;
	struct nl_msg *msg;
	unsigned int i;
	int ret;

	ret = get_bridge(bridge, &b, err);
	if (ret)
		return ret;
	msg = new_message(RTM_GETLINK, NLM_F_DUMP, AF_BRIDGE, 0);
	if (msg && nla_put_u32(msg, IFLA_EXT_MASK,
			       RTEXT_FILTER_BRVLAN_COMPRESSED)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	ret = ask(msg, on_port, &s);
	if (ret)
		return vmig_err_set(err, EIO,
				    "cannot ask for the ports of bridge %s: %s",
				    bridge, nl_geterror(ret));
	for (i = 0; i < s.n; i++)
		trunks[i].protocol = b.protocol;
	return (int)s.n;
}
