// SPDX-License-Identifier: GPL-2.0
/* The port that other agents connect to: who may speak, and what for. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "handshake.h"
#include "listener.h"
#include "message.h"
#include "nodes.h"
#include "tls.h"

/* One migration needs 18 at once; */
#define GUESTS_MAX 64
/* of these, addresses that are no node's have no more than this. */
#define STRANGERS_MAX 8

/**
 * struct guest - a connection that has not greeted yet
 * @stranger: from an address that is no node's
 */
struct guest {
	LIST_ENTRY(guest) entry;
	bool stranger;
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
	unsigned int nstrangers;
	struct vmig_refusals refusals;
};

static void free_guest(struct guest *g)
{
	LIST_REMOVE(g, entry);
	g->listener->nguests--;
	g->listener->nstrangers -= g->stranger;
	free(g);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void count(struct vmig_listener *l, enum vmig_refusal reason,
		  const char *address, const char *why)
{
	uint64_t unsaid;

	if (!vmig_refusal_count(&l->refusals, reason, address, now_us(),
				&unsaid))
		return;
	fprintf(stderr, "connection from %s refused (%s): %s", address,
		vmig_refusal_name(reason), why);
	if (unsaid)
		fprintf(stderr, "; and %llu times before",
			(unsigned long long)unsaid);
	fputc('\n', stderr);
}

void vmig_listener_refuse(struct vmig_listener *l, struct vmig_conn *conn,
			  enum vmig_refusal reason, const char *why)
{
	struct json_object *msg;
	char address[64];

	vmig_conn_peer_address(conn, address, sizeof(address));
	count(l, reason, address, why);
	/* Only a node of the cluster is told why. */
	if (vmig_conn_session(conn) || !l->config->tls) {
		msg = vmig_json_new("refused");
		vmig_json_add_string(msg, "reason", why);
		vmig_conn_send(conn, msg);
	}
	vmig_conn_close(conn);
}

void vmig_listener_welcome(struct vmig_listener *l, struct vmig_conn *conn)
{
	char address[64];

	vmig_conn_peer_address(conn, address, sizeof(address));
	vmig_refusal_forgive(&l->refusals, address);
}

const struct vmig_refusals *vmig_listener_refusals(const struct vmig_listener *l)
{
	return &l->refusals;
}

static void refuse(struct guest *g, enum vmig_refusal reason, const char *why)
{
	vmig_listener_refuse(g->listener, g->conn, reason, why);
	free_guest(g);
}

/* A node is who it says if it is in agent.conf and calls from its address. */
static enum vmig_refusal check_identity(struct guest *g,
					const struct vmig_hello *theirs,
					struct vmig_err *err)
{
	const struct vmig_config *config = g->listener->config;
	const struct vmig_peer *peer = vmig_config_peer(config, theirs->node);
	char address[64];

	if (!peer) {
		vmig_err_set(err, EPERM,
			     "node %s does not know a node %s: add it to [peers] in its agent.conf",
			     config->node, theirs->node);
		return VMIG_REFUSED_NODE;
	}
	vmig_conn_peer_address(g->conn, address, sizeof(address));
	if (!strcmp(address, peer->address))
		return VMIG_REFUSED_NOT;
	vmig_err_set(err, EPERM,
		     "node %s knows node %s at %s, not at %s: see [peers] in its agent.conf",
		     config->node, theirs->node, peer->address, address);
	return VMIG_REFUSED_ADDRESS;
}

/* Its greeting has arrived, with TLS or, for a channel, without. */
static enum vmig_refusal check_hello(struct guest *g, struct json_object *msg,
				     struct vmig_hello *mine,
				     struct vmig_hello *theirs,
				     struct vmig_err *err)
{
	const struct vmig_config *config = g->listener->config;
	struct vmig_tls_session *session = vmig_conn_session(g->conn);
	int ret;

	if (vmig_hello_decode(msg, theirs, err) ||
	    vmig_hello_local(mine, config, err))
		return VMIG_REFUSED_PROTOCOL;
	if (theirs->version == mine->version && session &&
	    vmig_tls_check_node(session, theirs->cluster, theirs->node, err))
		return VMIG_REFUSED_NODE;
	ret = vmig_hello_check(mine, theirs, err);
	if (ret)
		return ret == -EPROTONOSUPPORT ? VMIG_REFUSED_VERSION :
		       ret == -EXDEV ? VMIG_REFUSED_CLUSTER :
				       VMIG_REFUSED_PROTOCOL;
	return check_identity(g, theirs, err);
}

/* Data and device state are secured by what takes them. */
static bool is_channel(const char *kind)
{
	return !strcmp(kind, "channel") || !strcmp(kind, "state");
}

static void on_greeted(void *arg, struct json_object *msg)
{
	struct guest *g = arg;
	struct vmig_listener *l = g->listener;
	struct vmig_hello mine, theirs;
	struct vmig_conn *conn = g->conn;
	const char *kind = vmig_json_string(msg, "kind");
	enum vmig_refusal refusal;
	struct json_object *answer;
	struct vmig_err err;

	if (!kind) {
		refuse(g, VMIG_REFUSED_PROTOCOL,
		       "the greeting does not say what the connection is for");
		return;
	}
	if (l->config->tls && is_channel(kind) == !!vmig_conn_session(conn)) {
		refuse(g, VMIG_REFUSED_PLAIN, is_channel(kind) ?
		       "a channel does not begin with TLS" :
		       "it does not speak TLS: an older vmig-agent, or one with --insecure");
		return;
	}
	refusal = check_hello(g, msg, &mine, &theirs, &err);
	/* Nodes of another vendor may know of each other. */
	if (!refusal && strcmp(kind, "node") && strcmp(kind, "request") &&
	    vmig_hello_check_vendor(&mine, &theirs, &err))
		refusal = VMIG_REFUSED_PROTOCOL;
	if (refusal) {
		refuse(g, refusal, err.text);
		return;
	}
	if (!is_channel(kind)) {
		answer = vmig_hello_encode(&mine);
		vmig_nodes_add(l->nodes, answer);
		vmig_conn_send(conn, answer);
		vmig_listener_welcome(l, conn);
	}
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
	enum vmig_refusal reason = vmig_conn_refusal(g->conn);
	char address[64];

	vmig_conn_peer_address(g->conn, address, sizeof(address));
	count(g->listener, reason ? reason : VMIG_REFUSED_PROTOCOL, address,
	      why);
	vmig_conn_close(g->conn);
	free_guest(g);
}

static const struct vmig_conn_ops guest_ops = {
	.greeted = on_greeted,
	.message = on_message,
	.closed = on_closed,
};

static bool is_stranger(const struct vmig_config *config, const char *address)
{
	unsigned int i;

	for (i = 0; i < config->npeers; i++)
		if (!strcmp(config->peers[i].address, address))
			return false;
	return true;
}

/* Return: why there is no room for one more of @address, or NULL. */
static const char *seek_reason(struct vmig_listener *l, const char *address,
			       bool stranger)
{
	if (!vmig_refusal_admit(&l->refusals, address, now_us()))
		return "too many connections of this address that came to nothing";
	if (stranger && l->nstrangers == STRANGERS_MAX)
		return "too many connections of addresses that are no node's";
	return l->nguests == GUESTS_MAX ? "too many connections" : NULL;
}

static int on_accept(sd_event_source *source, int fd, uint32_t revents,
		     void *arg)
{
	struct vmig_listener *l = arg;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char address[64] = "";
	const char *reason;
	struct guest *g;
	int conn;

	(void)source;
	(void)revents;
	conn = accept4(fd, (struct sockaddr *)&from, &len,
		       SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return 0;
	getnameinfo((struct sockaddr *)&from, len, address, sizeof(address),
		    NULL, 0, NI_NUMERICHOST);
	g = calloc(1, sizeof(*g));
	if (!g)
		abort();	/* a daemon without memory is restarted */
	g->listener = l;
	g->stranger = is_stranger(l->config, address);
	reason = seek_reason(l, address, g->stranger);
	if (reason) {
		count(l, VMIG_REFUSED_RATE, address, reason);
		close(conn);
		free(g);
		return 0;
	}
	LIST_INSERT_HEAD(&l->guests, g, entry);
	l->nguests++;
	l->nstrangers += g->stranger;
	if (vmig_conn_adopt(&g->conn, l->event, conn, l->config->tls,
			    &guest_ops, g))
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
