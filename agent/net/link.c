// SPDX-License-Identifier: GPL-2.0
/* Taps and bridges, by rtnetlink and the tun device. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <net/ethernet.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net.h"
#include "vlan.h"

/* One socket a call: calls are rare, and a socket that failed holds nothing. */
static struct nl_sock *open_route(struct vmig_err *err)
{
	struct nl_sock *sk = nl_socket_alloc();

	if (sk && !nl_connect(sk, NETLINK_ROUTE))
		return sk;
	nl_socket_free(sk);
	vmig_err_set(err, EIO, "cannot open a routing netlink socket");
	return NULL;
}

/* libnl folds errnos into fewer numbers; its text is what remains. */
static int nl_error(struct vmig_err *err, int ret, const char *what,
		    const char *ifname)
{
	int error = EIO;

	if (ret == -NLE_OBJ_NOTFOUND || ret == -NLE_NODEV)
		error = ENODEV;
	else if (ret == -NLE_PERM)
		error = EPERM;
	else if (ret == -NLE_BUSY)
		error = EBUSY;
	return vmig_err_set(err, error, "cannot %s %s: %s", what, ifname,
			    nl_geterror(ret));
}

/* FNV-1a; only for names, nobody gains by a collision on purpose. */
static uint32_t digest(uint32_t hash, const char *text)
{
	/* With the terminating zero, so that "a","bc" is not "ab","c". */
	do {
		hash ^= (uint8_t)*text;
		hash *= 16777619;
	} while (*text++);
	return hash;
}

void vmig_tap_name(const char *vm, const char *nic, char ifname[IFNAMSIZ])
{
	snprintf(ifname, IFNAMSIZ, "%.6s-%08x", vm,
		 (unsigned int)digest(digest(2166136261u, vm), nic));
}

static int set_flags(const char *ifname, bool up, struct vmig_err *err)
{
	struct rtnl_link *link, *change;
	struct nl_sock *sk = open_route(err);
	int ret;

	if (!sk)
		return -EIO;
	ret = rtnl_link_get_kernel(sk, 0, ifname, &link);
	if (ret) {
		ret = nl_error(err, ret, "find", ifname);
		goto out_socket;
	}
	change = rtnl_link_alloc();
	if (!change) {
		ret = vmig_err_set(err, ENOMEM, "out of memory");
		goto out_link;
	}
	if (up)
		rtnl_link_set_flags(change, IFF_UP);
	else
		rtnl_link_unset_flags(change, IFF_UP);
	ret = rtnl_link_change(sk, link, change, 0);
	if (ret)
		ret = nl_error(err, ret, up ? "set up" : "set down", ifname);
	rtnl_link_put(change);
out_link:
	rtnl_link_put(link);
out_socket:
	nl_socket_free(sk);
	return ret;
}

int vmig_link_up(const char *ifname, struct vmig_err *err)
{
	return set_flags(ifname, true, err);
}

int vmig_link_down(const char *ifname, struct vmig_err *err)
{
	return set_flags(ifname, false, err);
}

static int find_bridge(struct nl_sock *sk, const char *bridge,
		       struct rtnl_link **link, struct vmig_err *err)
{
	const char *type;
	int ret;

	ret = rtnl_link_get_kernel(sk, 0, bridge, link);
	if (ret == -NLE_OBJ_NOTFOUND || ret == -NLE_NODEV)
		return vmig_err_set(err, ENODEV,
				    "there is no bridge %s: ip link add %s type bridge",
				    bridge, bridge);
	if (ret)
		return nl_error(err, ret, "find bridge", bridge);
	type = rtnl_link_get_type(*link);
	if (type && (!strcmp(type, "bridge") || !strcmp(type, "openvswitch")))
		return 0;
	rtnl_link_put(*link);
	return vmig_err_set(err, EINVAL, "%s is a network link, but no bridge",
			    bridge);
}

int vmig_bridge_check(const char *bridge, unsigned int vlan,
		      struct vmig_err *err)
{
	struct nl_sock *sk = open_route(err);
	struct rtnl_link *link;
	int ret;

	if (!sk)
		return -EIO;
	ret = find_bridge(sk, bridge, &link, err);
	if (!ret)
		rtnl_link_put(link);
	nl_socket_free(sk);
	return ret || !vlan ? ret : vmig_vlan_check(bridge, err);
}

/*
 * A bridge takes the lowest address of its ports as its own. A tap with a
 * lower one would change the host's address when a VM comes or goes, and the
 * peers would lose it until their neighbour tables have caught up.
 */
static int raise_address(int fd, const char *ifname, struct vmig_err *err)
{
	struct ifreq ifr = {};

	memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		return vmig_err_set(err, errno, "tap %s has no address: %m",
				    ifname);
	ifr.ifr_hwaddr.sa_data[0] = (char)0xfe;
	if (ioctl(fd, SIOCSIFHWADDR, &ifr))
		return vmig_err_set(err, errno,
				    "cannot set the address of tap %s: %m",
				    ifname);
	return 0;
}

static int make_tap(const char *ifname, struct vmig_err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd, ret = 0;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return vmig_err_set(err, errno,
				    "cannot open /dev/net/tun: %s; modprobe tun",
				    strerror(errno));
	memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(fd, TUNSETIFF, &ifr))
		ret = vmig_err_set(err, errno, errno == EBUSY
				   ? "tap %s is in use by another process; is the VM's QEMU still running?"
				   : "cannot make tap %s: %m", ifname);
	else if (ioctl(fd, TUNSETPERSIST, 1))
		ret = vmig_err_set(err, errno, "cannot keep tap %s: %m",
				   ifname);
	else
		ret = raise_address(fd, ifname, err);
	close(fd);
	return ret;
}

/* A tap is the VM's; this host's own IPv6 has no business on it. */
static void disable_ipv6(const char *ifname)
{
	char path[64 + IFNAMSIZ];
	int fd;

	snprintf(path, sizeof(path),
		 "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;		/* a kernel without IPv6 */
	if (write(fd, "1", 1) != 1)
		fprintf(stderr, "vmig-agent: %s: %m\n", path);
	close(fd);
}

static int enslave(const char *ifname, const char *bridge,
		   struct vmig_err *err)
{
	struct nl_sock *sk = open_route(err);
	struct rtnl_link *link, *port;
	int ret;

	if (!sk)
		return -EIO;
	ret = find_bridge(sk, bridge, &link, err);
	if (ret)
		goto out_socket;
	ret = rtnl_link_get_kernel(sk, 0, ifname, &port);
	if (ret) {
		ret = nl_error(err, ret, "find tap", ifname);
		goto out_bridge;
	}
	/* One that is left over may be in another VLAN: it joins anew. */
	if (rtnl_link_get_master(port))
		rtnl_link_release(sk, port);
	ret = rtnl_link_enslave(sk, link, port);
	if (ret)
		ret = nl_error(err, ret, "join to the bridge tap", ifname);
	rtnl_link_put(port);
out_bridge:
	rtnl_link_put(link);
out_socket:
	nl_socket_free(sk);
	return ret;
}

int vmig_tap_create(const char *ifname, const char *bridge, unsigned int vlan,
		    struct vmig_err *err)
{
	bool existed;
	int ret;

	if (strlen(ifname) >= IFNAMSIZ)
		return vmig_err_set(err, EINVAL,
				    "%s is too long for the name of a tap",
				    ifname);
	/* Before anything is made, as this is what users get wrong. */
	ret = vmig_bridge_check(bridge, vlan, err);
	if (ret)
		return ret;
	existed = if_nametoindex(ifname);
	ret = make_tap(ifname, err);
	if (ret)
		return ret;
	disable_ipv6(ifname);
	ret = vmig_link_down(ifname, err);
	if (!ret)
		ret = enslave(ifname, bridge, err);
	if (!ret && vlan)
		ret = vmig_vlan_join(ifname, bridge, vlan, err);
	if (ret && !existed)
		vmig_tap_delete(ifname, NULL);
	return ret;
}

int vmig_tap_delete(const char *ifname, struct vmig_err *err)
{
	struct nl_sock *sk = open_route(err);
	struct rtnl_link *link;
	int ret;

	if (!sk)
		return -EIO;
	link = rtnl_link_alloc();
	if (!link) {
		nl_socket_free(sk);
		return vmig_err_set(err, ENOMEM, "out of memory");
	}
	rtnl_link_set_name(link, ifname);
	ret = rtnl_link_delete(sk, link);
	if (ret == -NLE_OBJ_NOTFOUND || ret == -NLE_NODEV)
		ret = 0;
	if (ret)
		ret = nl_error(err, ret, "delete tap", ifname);
	rtnl_link_put(link);
	nl_socket_free(sk);
	return ret;
}

static struct rtnl_neigh *build_entry(int ifindex, const uint8_t *mac)
{
	struct rtnl_neigh *neigh = rtnl_neigh_alloc();
	struct nl_addr *addr = nl_addr_build(AF_LLC, mac, ETH_ALEN);

	if (!neigh || !addr) {
		if (neigh)
			rtnl_neigh_put(neigh);
		nl_addr_put(addr);
		return NULL;
	}
	rtnl_neigh_set_family(neigh, AF_BRIDGE);
	rtnl_neigh_set_ifindex(neigh, ifindex);
	rtnl_neigh_set_flags(neigh, NTF_MASTER);
	/* Ages like one that was learned. */
	rtnl_neigh_set_state(neigh, NUD_REACHABLE);
	rtnl_neigh_set_lladdr(neigh, addr);
	nl_addr_put(addr);
	return neigh;
}

int vmig_bridge_learn(const char *ifname, const uint8_t mac[6],
		      struct vmig_err *err)
{
	int ifindex = if_nametoindex(ifname), ret;
	struct rtnl_neigh *neigh;
	struct nl_sock *sk;

	if (!ifindex)
		return vmig_err_set(err, ENODEV, "there is no tap %s", ifname);
	sk = open_route(err);
	if (!sk)
		return -EIO;
	neigh = build_entry(ifindex, mac);
	if (!neigh) {
		ret = vmig_err_set(err, ENOMEM, "out of memory");
		goto out;
	}
	ret = rtnl_neigh_add(sk, neigh, NLM_F_CREATE | NLM_F_REPLACE);
	if (ret)
		ret = nl_error(err, ret, "teach the bridge the address of",
			       ifname);
	rtnl_neigh_put(neigh);
out:
	nl_socket_free(sk);
	return ret;
}
