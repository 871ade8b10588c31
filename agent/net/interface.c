// SPDX-License-Identifier: GPL-2.0
/* The network interfaces of this host, as migrations ask about them. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interface.h"

unsigned int vmig_interface_mtu(const char *name)
{
	struct ifreq ifr = {};
	unsigned int mtu = 0;
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (!ioctl(fd, SIOCGIFMTU, &ifr))
		mtu = (unsigned int)ifr.ifr_mtu;
	close(fd);
	return mtu;
}

/* The bytes of an IP address; NULL of any other. */
static const void *bytes_of(const struct sockaddr *addr, int family)
{
	if (!addr || addr->sa_family != family)
		return NULL;
	if (family == AF_INET)
		return &((const struct sockaddr_in *)addr)->sin_addr;
	return &((const struct sockaddr_in6 *)addr)->sin6_addr;
}

int vmig_interface_find(const char *address, struct vmig_interface *interface,
			struct vmig_err *err)
{
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	struct ifaddrs *list, *i;
	struct in6_addr wanted;
	const void *own, *mask;

	memset(interface, 0, sizeof(*interface));
	if (inet_pton(family, address, &wanted) != 1)
		return vmig_err_set(err, EINVAL, "%s is no address", address);
	if (getifaddrs(&list))
		return vmig_err_set(err, errno, "getifaddrs: %s",
				    strerror(errno));
	for (i = list; i; i = i->ifa_next) {
		own = bytes_of(i->ifa_addr, family);
		mask = bytes_of(i->ifa_netmask, family);
		if (!own || !mask ||
		    memcmp(own, &wanted, family == AF_INET ? 4 : 16))
			continue;
		snprintf(interface->name, sizeof(interface->name), "%s",
			 i->ifa_name);
		vmig_prefix_set(&interface->network, family, own, mask);
		break;
	}
	freeifaddrs(list);
	if (!*interface->name)
		return vmig_err_set(err, ENODEV,
				    "no interface has the migration address %s of agent.conf",
				    address);
	interface->mtu = vmig_interface_mtu(interface->name);
	return 0;
}
