// SPDX-License-Identifier: GPL-2.0
/*
 * The control port: a thread that serves a few clients with poll(). A client
 * may keep its connection over a migration or come anew for each command.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"

#define CLIENTS_MAX	8
#define LINE_LEN	128
#define REPLY_LEN	2048

struct client {
	char line[LINE_LEN];
	size_t used;
};

static control_fn answer_line;
/* fds[0] listens; fds[i + 1] belongs to clients[i], -1 if free. */
static struct pollfd fds[CLIENTS_MAX + 1];
static struct client clients[CLIENTS_MAX];

static void drop_client(unsigned int i)
{
	close(fds[i + 1].fd);
	fds[i + 1].fd = -1;
	clients[i].used = 0;
}

static void accept_client(void)
{
	int fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (fds[i + 1].fd < 0) {
			fds[i + 1].fd = fd;
			return;
		}
	}
	close(fd);
}

static void answer_all(unsigned int i)
{
	struct client *c = &clients[i];
	char reply[REPLY_LEN], *end;
	size_t len;

	while ((end = memchr(c->line, '\n', c->used))) {
		*end = '\0';
		if (end > c->line && end[-1] == '\r')
			end[-1] = '\0';
		answer_line(c->line, reply, sizeof(reply) - 1);
		len = strlen(reply);
		reply[len++] = '\n';
		if (send(fds[i + 1].fd, reply, len, MSG_NOSIGNAL) != (ssize_t)len) {
			drop_client(i);
			return;
		}
		c->used -= end + 1 - c->line;
		memmove(c->line, end + 1, c->used);
	}
}

static void read_client(unsigned int i)
{
	struct client *c = &clients[i];
	ssize_t n = read(fds[i + 1].fd, c->line + c->used,
			 sizeof(c->line) - c->used);

	if (n <= 0) {
		drop_client(i);
		return;
	}
	c->used += n;
	answer_all(i);
	if (c->used == sizeof(c->line))
		drop_client(i);		/* no command is that long */
}

static void *serve(void *unused)
{
	unsigned int i;

	for (;;) {
		if (poll(fds, CLIENTS_MAX + 1, -1) < 0)
			continue;
		for (i = 0; i < CLIENTS_MAX; i++) {
			if (fds[i + 1].fd >= 0 && fds[i + 1].revents)
				read_client(i);
		}
		if (fds[0].revents)
			accept_client();
	}
	return unused;
}

/**
 * control_start() - Listen on all addresses and serve, once.
 *
 * Return: 0 or a negative errno.
 */
int control_start(unsigned short port, control_fn answer)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(port),
	};
	pthread_t thread;
	int fd, err, one = 1;
	unsigned int i;

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    listen(fd, CLIENTS_MAX)) {
		err = -errno;
		goto err_close;
	}
	answer_line = answer;
	for (i = 0; i <= CLIENTS_MAX; i++)
		fds[i] = (struct pollfd){ .fd = i ? -1 : fd, .events = POLLIN };
	err = -pthread_create(&thread, NULL, serve, NULL);
	if (!err)
		return 0;

err_close:
	close(fd);
	return err;
}
