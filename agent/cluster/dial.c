// SPDX-License-Identifier: GPL-2.0
/* The beginning of a connection to a peer: addresses and the first SYN. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"

static int resolve(const char *address, uint16_t port, struct addrinfo **info,
		   struct vmig_err *err)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	char service[8];
	int ret;

	snprintf(service, sizeof(service), "%u", port);
	ret = getaddrinfo(address, service, &hints, info);
	if (ret)
		return vmig_err_set(err, EINVAL, "address %s: %s", address,
				    gai_strerror(ret));
	return 0;
}

static int start(const char *from, const struct addrinfo *to,
		 struct vmig_err *err)
{
	struct addrinfo *local = NULL;
	int fd, ret;

	fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return vmig_err_set(err, errno, "socket: %s", strerror(errno));
	ret = resolve(from, 0, &local, err);
	if (ret)
		goto err_close;
	ret = bind(fd, local->ai_addr, local->ai_addrlen);
	freeaddrinfo(local);
	if (ret) {
		ret = vmig_err_set(err, errno,
				   "cannot use the migration address %s of agent.conf: %s",
				   from, strerror(errno));
		goto err_close;
	}
	if (connect(fd, to->ai_addr, to->ai_addrlen) && errno != EINPROGRESS) {
		ret = vmig_err_set(err, errno, "cannot connect: %s",
				   strerror(errno));
		goto err_close;
	}
	return fd;

err_close:
	close(fd);
	return ret;
}

int vmig_dial(const char *from, const char *to, uint16_t port,
	      struct vmig_err *err)
{
	struct addrinfo *info;
	int fd = resolve(to, port, &info, err);

	if (fd)
		return fd;
	fd = start(from, info, err);
	freeaddrinfo(info);
	return fd;
}

bool vmig_dial_is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	return inet_pton(AF_INET6, address, &six) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&six);
}
