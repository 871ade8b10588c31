// SPDX-License-Identifier: GPL-2.0
/*
 * tcphold-server - sends back, in order, whatever arrives on a connection.
 *
 * It runs in the guest. All judgement is the client's (tcphold.c), who stands
 * outside and does not move.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX	32

static int listen_on(unsigned short port)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(port),
	};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    listen(fd, CLIENTS_MAX))
		return -errno;
	return fd;
}

static void accept_client(struct pollfd *fds)
{
	int fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
	int i, one = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (i = 1; i <= CLIENTS_MAX; i++) {
		if (fds[i].fd < 0) {
			fds[i].fd = fd;
			return;
		}
	}
	close(fd);
}

/* Returns false when the connection has ended. */
static int echo(int fd)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	/* A blocking send: a client that does not read stops its own echoes,
	 * and there is one client in all tests but the one that counts them.
	 */
	return n > 0 && send(fd, buf, n, MSG_NOSIGNAL) == n;
}

int main(int argc, char **argv)
{
	struct pollfd fds[CLIENTS_MAX + 1];
	int port = argc > 1 ? atoi(argv[1]) : 7000;
	int i;

	for (i = 0; i <= CLIENTS_MAX; i++)
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	fds[0].fd = listen_on(port);
	if (fds[0].fd < 0) {
		fprintf(stderr, "tcphold-server: port %d: %s\n", port,
			strerror(-fds[0].fd));
		return 1;
	}
	for (;;) {
		if (poll(fds, CLIENTS_MAX + 1, -1) < 0)
			continue;
		for (i = 1; i <= CLIENTS_MAX; i++) {
			if (fds[i].fd < 0 || !fds[i].revents || echo(fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i].fd = -1;
		}
		if (fds[0].revents)
			accept_client(fds);
	}
}
