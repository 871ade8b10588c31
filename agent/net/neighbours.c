// SPDX-License-Identifier: GPL-2.0
/*
 * The addresses of VMs whose definition has none: those by which this host, on
 * the VM's bridge or a VLAN of it, has found the VM's MAC.
 */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <stdbool.h>
#include <string.h>

#include "net.h"

#define STATES_VALID	(NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | \
			 NUD_PERMANENT)

struct search {
	struct nl_cache *links;
	struct vmig_nic *nic;
	int bridge;
	unsigned int n;
	struct vmig_address found[VMIG_ADDRESSES_MAX];
};

/* The bridge itself, or a link on top of it. */
static bool is_on_bridge(const struct search *s, int ifindex)
{
	struct rtnl_link *link;
	bool is_on;

	if (ifindex == s->bridge)
		return true;
	link = rtnl_link_get(s->links, ifindex);
	is_on = link && rtnl_link_get_link(link) == s->bridge;
	rtnl_link_put(link);
	return is_on;
}

static void look_at(struct nl_object *object, void *arg)
{
	struct rtnl_neigh *neigh = (struct rtnl_neigh *)object;
	struct nl_addr *mac = rtnl_neigh_get_lladdr(neigh);
	struct nl_addr *ip = rtnl_neigh_get_dst(neigh);
	struct search *s = arg;
	char text[INET6_ADDRSTRLEN + 8];

	if (s->n == VMIG_ADDRESSES_MAX || !mac || !ip ||
	    !(rtnl_neigh_get_state(neigh) & STATES_VALID) ||
	    nl_addr_get_len(mac) != 6 ||
	    memcmp(nl_addr_get_binary_addr(mac), s->nic->mac, 6) ||
	    !is_on_bridge(s, rtnl_neigh_get_ifindex(neigh)))
		return;
	nl_addr2str(ip, text, sizeof(text));
	if (!vmig_address_parse(text, &s->found[s->n]))
		s->n++;
}

static void learn_nic(struct nl_cache *links, struct nl_cache *neighbours,
		      struct vmig_nic *nic)
{
	struct search s = {
		.links = links,
		.nic = nic,
		.bridge = (int)if_nametoindex(nic->bridge),
	};

	if (nic->naddresses && !nic->learned)
		return;
	nl_cache_foreach(neighbours, look_at, &s);
	if (!s.n)
		return;
	memcpy(nic->addresses, s.found, sizeof(s.found));
	nic->naddresses = s.n;
	nic->learned = true;
}

void vmig_neighbours_learn(struct vmig_definition *def)
{
	struct nl_cache *links = NULL, *neighbours = NULL;
	struct nl_sock *sk = nl_socket_alloc();
	unsigned int i;

	/* Without an answer nothing is learned: RARP says the MAC. */
	if (sk && !nl_connect(sk, NETLINK_ROUTE) &&
	    !rtnl_link_alloc_cache(sk, AF_UNSPEC, &links) &&
	    !rtnl_neigh_alloc_cache(sk, &neighbours))
		for (i = 0; i < def->nnics; i++)
			learn_nic(links, neighbours, &def->nics[i]);
	nl_cache_free(neighbours);
	nl_cache_free(links);
	nl_socket_free(sk);
}
