// SPDX-License-Identifier: GPL-2.0
/* The port that other agents connect to: who may speak, and what for. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "listener.h"
#include "message.h"
#include "nodes.h"

/* One migration needs 18 at once; strangers cannot take more than this. */
#define GUESTS_MAX 64

/* A connection that has not greeted yet. */
struct guest {
	LIST_ENTRY(guest) entry;
	struct vmig_listener *listener;
	struct vmig_conn *conn;
};

struct vmig_listener {
	sd_event *event;
	sd_event_source *io;
	int fd;
	const struct vmig_config *config;
	struct vmig_nodes *nodes;
	vmig_accepted_fn fn;
	void *arg;
	LIST_HEAD(, guest) guests;
	unsigned int nguests;
};

static void free_guest(struct guest *g)
{
	LIST_REMOVE(g, entry);
	g->listener->nguests--;
	free(g);
}

static void refuse(struct guest *g, const char *reason)
{
	struct json_object *msg = vmig_json_new("refused");
	char address[64];

	vmig_conn_peer_address(g->conn, address, sizeof(address));
	fprintf(stderr, "connection from %s refused: %s\n", address, reason);
	vmig_json_add_string(msg, "reason", reason);
	vmig_conn_send(g->conn, msg);
	vmig_conn_close(g->conn);
	free_guest(g);
}

/* A node is who it says if it is in agent.conf and calls from its address. */
static int check_identity(struct guest *g, const struct vmig_hello *theirs,
			  struct vmig_err *err)
{
	const struct vmig_config *config = g->listener->config;
	const struct vmig_peer *peer = vmig_config_peer(config, theirs->node);
	char address[64];

	if (!peer)
		return vmig_err_set(err, EPERM,
				    "node %s does not know a node %s: add it to [peers] in its agent.conf",
				    config->node, theirs->node);
	vmig_conn_peer_address(g->conn, address, sizeof(address));
	if (strcmp(address, peer->address))
		return vmig_err_set(err, EPERM,
				    "node %s knows node %s at %s, not at %s: see [peers] in its agent.conf",
				    config->node, theirs->node, peer->address,
				    address);
	return 0;
}

static void on_greeted(void *arg, struct json_object *msg)
{
	struct guest *g = arg;
	struct vmig_listener *l = g->listener;
	struct vmig_hello mine, theirs;
	struct vmig_conn *conn = g->conn;
	const char *kind = vmig_json_string(msg, "kind");
	struct json_object *answer;
	struct vmig_err err;

	if (vmig_hello_decode(msg, &theirs, &err) ||
	    vmig_hello_local(&mine, l->config->node, &err) ||
	    vmig_hello_check(&mine, &theirs, &err) ||
	    check_identity(g, &theirs, &err)) {
		refuse(g, err.text);
		return;
	}
	if (!kind) {
		refuse(g, "the greeting does not say what the connection is for");
		return;
	}
	/* Nodes of another vendor may know of each other. */
	if (strcmp(kind, "node") && strcmp(kind, "request") &&
	    vmig_hello_check_vendor(&mine, &theirs, &err)) {
		refuse(g, err.text);
		return;
	}
	answer = vmig_hello_encode(&mine);
	if (!strcmp(kind, "node") || !strcmp(kind, "control") ||
	    !strcmp(kind, "request"))
		vmig_nodes_add(l->nodes, answer);
	vmig_conn_send(conn, answer);
	free_guest(g);
	l->fn(l->arg, conn, &theirs, kind, msg);
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	(void)arg;
	(void)type;
	(void)msg;
}

static void on_closed(void *arg, const char *why)
{
	struct guest *g = arg;
	char address[64];

	vmig_conn_peer_address(g->conn, address, sizeof(address));
	fprintf(stderr, "connection from %s ended before its greeting: %s\n",
		address, why);
	vmig_conn_close(g->conn);
	free_guest(g);
}

static const struct vmig_conn_ops guest_ops = {
	.greeted = on_greeted,
	.message = on_message,
	.closed = on_closed,
};

static int on_accept(sd_event_source *source, int fd, uint32_t revents,
		     void *arg)
{
	struct vmig_listener *l = arg;
	struct guest *g;
	int conn;

	(void)source;
	(void)revents;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return 0;
	g = l->nguests < GUESTS_MAX ? calloc(1, sizeof(*g)) : NULL;
	if (!g) {
		close(conn);
		return 0;
	}
	g->listener = l;
	LIST_INSERT_HEAD(&l->guests, g, entry);
	l->nguests++;
	if (vmig_conn_adopt(&g->conn, l->event, conn, &guest_ops, g))
		free_guest(g);
	return 0;
}

static int listen_on(const struct vmig_config *config, struct vmig_err *err)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *info;
	char service[8];
	int fd, ret, one = 1;

	snprintf(service, sizeof(service), "%u", config->port);
	ret = getaddrinfo(config->address, service, &hints, &info);
	if (ret)
		return vmig_err_set(err, EINVAL, "address %s: %s",
				    config->address, gai_strerror(ret));
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) ||
	    listen(fd, 64)) {
		ret = vmig_err_set(err, errno,
				   "cannot listen on %s port %u: %s",
				   config->address, config->port,
				   strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = ret;
	}
	freeaddrinfo(info);
	return fd;
}

int vmig_listener_open(struct vmig_listener **listener, sd_event *event,
		       const struct vmig_config *config,
		       struct vmig_nodes *nodes, vmig_accepted_fn fn,
		       void *arg, struct vmig_err *err)
{
	struct vmig_listener *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return vmig_err_set(err, ENOMEM, "out of memory");
	LIST_INIT(&l->guests);
	l->event = event;
	l->config = config;
	l->nodes = nodes;
	l->fn = fn;
	l->arg = arg;
	l->fd = listen_on(config, err);
	if (l->fd < 0) {
		ret = l->fd;
		goto err_free;
	}
	ret = sd_event_add_io(event, &l->io, l->fd, EPOLLIN, on_accept, l);
	if (ret < 0) {
		vmig_err_set(err, -ret, "%s", strerror(-ret));
		goto err_close;
	}
	*listener = l;
	return 0;

err_close:
	close(l->fd);
err_free:
	free(l);
	return ret;
}

void vmig_listener_close(struct vmig_listener *l)
{
	if (!l)
		return;
	while (!LIST_EMPTY(&l->guests)) {
		vmig_conn_close(LIST_FIRST(&l->guests)->conn);
		free_guest(LIST_FIRST(&l->guests));
	}
	sd_event_source_disable_unref(l->io);
	close(l->fd);
	free(l);
}
