// SPDX-License-Identifier: GPL-2.0
/* Netlink: what a new migration is to be like. */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>
#include <net/netlink.h>
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "migrate/migration.h"
#include "netlink.h"
#include "netlink-params.h"

static const struct attr_name {
	int attr;
	const char *name;
} socket_attrs[] = {
	{ VMIG_A_MIGRATION_SOCKET, "socket" },
}, rdma_attrs[] = {
	{ VMIG_A_MIGRATION_CHANNELS, "channels" },
	{ VMIG_A_MIGRATION_LOCAL_ADDRESS, "local-address" },
	{ VMIG_A_MIGRATION_PEER_ADDRESS, "peer-address" },
	{ VMIG_A_MIGRATION_PORT, "port" },
	{ VMIG_A_MIGRATION_SECRET, "secret" },
}, source_attrs[] = {
	{ VMIG_A_MIGRATION_PEER_ADDRESS, "peer-address" },
	{ VMIG_A_MIGRATION_PORT, "port" },
};

static int refuse(struct genl_info *info, const struct attr_name *names,
		  unsigned int nr, const char *what)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct nlattr *nla = info->attrs[names[i].attr];

		if (!nla)
			continue;
		NL_SET_BAD_ATTR(info->extack, nla);
		NL_SET_ERR_MSG_FMT(info->extack,
				   "A migration with %s does not take %s",
				   what, names[i].name);
		return -EINVAL;
	}
	return 0;
}

static int read_sockets(struct genl_info *info, struct vmig_migration_params *p)
{
	const struct nlattr *attr;
	int rem;

	nla_for_each_attr(attr, genlmsg_data(info->genlhdr),
			  genlmsg_len(info->genlhdr), rem) {
		if (nla_type(attr) != VMIG_A_MIGRATION_SOCKET)
			continue;
		if (p->nfds == VMIG_CHANNELS_MAX) {
			NL_SET_BAD_ATTR(info->extack, attr);
			NL_SET_ERR_MSG_FMT(info->extack,
					   "A migration has at most %d sockets, one a channel",
					   VMIG_CHANNELS_MAX);
			return -EINVAL;
		}
		p->fds[p->nfds] = nla_get_u32(attr);
		p->fd_attrs[p->nfds++] = attr;
	}
	return 0;
}

/**
 * vmig_netlink_params_address() - Read an IP address.
 * @info: of the operation
 * @attr: type of an attribute that is there
 * @address: filled in on success; the port is 0
 *
 * Return: 0, or -EINVAL with extack text.
 */
int vmig_netlink_params_address(struct genl_info *info, int attr,
				struct sockaddr_storage *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	const struct nlattr *nla = info->attrs[attr];

	memset(address, 0, sizeof(*address));
	switch (nla_len(nla)) {
	case sizeof(in->sin_addr):
		in->sin_family = AF_INET;
		nla_memcpy(&in->sin_addr, nla, sizeof(in->sin_addr));
		return 0;
	case sizeof(in6->sin6_addr):
		in6->sin6_family = AF_INET6;
		nla_memcpy(&in6->sin6_addr, nla, sizeof(in6->sin6_addr));
		return 0;
	}
	NL_SET_BAD_ATTR(info->extack, nla);
	NL_SET_ERR_MSG_FMT(info->extack,
			   "An address has 4 bytes (IPv4) or 16 (IPv6), not %d",
			   nla_len(nla));
	return -EINVAL;
}

static int read_peer(struct genl_info *info, struct vmig_migration_params *p)
{
	int err;

	if (p->role != VMIG_ROLE_SOURCE)
		return refuse(info, source_attrs, ARRAY_SIZE(source_attrs),
			      "the role of the destination");
	err = vmig_netlink_need(info, VMIG_A_MIGRATION_PEER_ADDRESS,
				"peer-address") ?:
	      vmig_netlink_need(info, VMIG_A_MIGRATION_PORT, "port") ?:
	      vmig_netlink_params_address(info, VMIG_A_MIGRATION_PEER_ADDRESS,
					  &p->peer);
	if (err)
		return err;
	p->port = nla_get_u16(info->attrs[VMIG_A_MIGRATION_PORT]);
	if (p->port && p->peer.ss_family == p->local.ss_family)
		return 0;
	if (p->port)
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[VMIG_A_MIGRATION_PEER_ADDRESS],
				    "One address is of IPv4 and the other of IPv6");
	else
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[VMIG_A_MIGRATION_PORT],
				    "Port 0 is no port that anybody listens on");
	return -EINVAL;
}

static int read_rdma(struct genl_info *info, struct vmig_migration_params *p)
{
	int err;

	err = vmig_netlink_need(info, VMIG_A_MIGRATION_CHANNELS, "channels") ?:
	      vmig_netlink_need(info, VMIG_A_MIGRATION_LOCAL_ADDRESS,
				"local-address") ?:
	      vmig_netlink_need(info, VMIG_A_MIGRATION_SECRET, "secret") ?:
	      vmig_netlink_params_address(info, VMIG_A_MIGRATION_LOCAL_ADDRESS,
					  &p->local) ?:
	      read_peer(info, p);
	if (err)
		return err;
	nla_memcpy(p->secret, info->attrs[VMIG_A_MIGRATION_SECRET],
		   sizeof(p->secret));
	p->channels = nla_get_u32(info->attrs[VMIG_A_MIGRATION_CHANNELS]);
	if (p->channels && p->channels <= VMIG_CHANNELS_MAX)
		return 0;
	NL_SET_BAD_ATTR(info->extack, info->attrs[VMIG_A_MIGRATION_CHANNELS]);
	NL_SET_ERR_MSG_FMT(info->extack, "A migration has 1 to %d channels, not %u",
			   VMIG_CHANNELS_MAX, p->channels);
	return -EINVAL;
}

/* What moves the pages: sockets of the caller, or what it takes to connect. */
static int read_transport(struct genl_info *info,
			  struct vmig_migration_params *p)
{
	struct nlattr *attr = info->attrs[VMIG_A_MIGRATION_TRANSPORT];
	int err;

	p->transport = attr ? nla_get_u32(attr) : VMIG_TRANSPORT_TCP;
	if (p->transport == VMIG_TRANSPORT_RDMA)
		return refuse(info, socket_attrs, ARRAY_SIZE(socket_attrs),
			      "rdma") ?: read_rdma(info, p);
	err = refuse(info, rdma_attrs, ARRAY_SIZE(rdma_attrs), "tcp") ?:
	      vmig_netlink_need(info, VMIG_A_MIGRATION_SOCKET, "socket") ?:
	      read_sockets(info, p);
	p->channels = p->nfds;
	return err;
}

/**
 * vmig_netlink_params_read() - Read what VMIG_CMD_MIGRATION_NEW asks for.
 * @info: of the operation, whose message the strings of @p stay in
 * @p: filled in, from zero
 *
 * Return: 0, or -EINVAL with extack text.
 */
int vmig_netlink_params_read(struct genl_info *info,
			     struct vmig_migration_params *p)
{
	struct nlattr **attrs = info->attrs;
	int err;

	err = vmig_netlink_need(info, VMIG_A_MIGRATION_VM, "vm") ?:
	      vmig_netlink_need(info, VMIG_A_MIGRATION_NODE, "node") ?:
	      vmig_netlink_need(info, VMIG_A_MIGRATION_ROLE, "role") ?:
	      vmig_netlink_need(info, VMIG_A_MIGRATION_TOKEN, "token") ?:
	      vmig_netlink_check_name(info, VMIG_A_MIGRATION_VM) ?:
	      vmig_netlink_check_name(info, VMIG_A_MIGRATION_NODE);
	if (err)
		return err;
	p->vm = nla_data(attrs[VMIG_A_MIGRATION_VM]);
	p->node = nla_data(attrs[VMIG_A_MIGRATION_NODE]);
	p->role = nla_get_u32(attrs[VMIG_A_MIGRATION_ROLE]);
	err = read_transport(info, p);
	if (err)
		return err;
	nla_memcpy(p->token, attrs[VMIG_A_MIGRATION_TOKEN], sizeof(p->token));
	p->verify = nla_get_flag(attrs[VMIG_A_MIGRATION_VERIFY]);
	if (attrs[VMIG_A_MIGRATION_BANDWIDTH])
		p->bandwidth = nla_get_u64(attrs[VMIG_A_MIGRATION_BANDWIDTH]);
	if (attrs[VMIG_A_MIGRATION_MAX_BLACKOUT])
		p->max_blackout_ms = nla_get_u32(attrs[VMIG_A_MIGRATION_MAX_BLACKOUT]);
	if (attrs[VMIG_A_MIGRATION_TIMEOUT])
		p->timeout_s = nla_get_u32(attrs[VMIG_A_MIGRATION_TIMEOUT]);
	if (attrs[VMIG_A_MIGRATION_AT_TIMEOUT])
		p->at_timeout = nla_get_u32(attrs[VMIG_A_MIGRATION_AT_TIMEOUT]);
	if (attrs[VMIG_A_MIGRATION_STOP_LIMIT])
		p->stop_limit_s = nla_get_u32(attrs[VMIG_A_MIGRATION_STOP_LIMIT]);
	p->quick = nla_get_flag(attrs[VMIG_A_MIGRATION_QUICK]);
	return 0;
}
