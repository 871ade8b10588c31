/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two nodes on the loopback device, a that calls and b that listens: the fixture
 * of the tests of who gets in.
 */
#ifndef VMIG_TLS_PAIR_H
#define VMIG_TLS_PAIR_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include <openssl/ssl.h>

#include "cluster/clusterkey.h"
#include "cluster/conn.h"
#include "cluster/listener.h"
#include "cluster/message.h"
#include "cluster/nodes.h"
#include "cluster/tls.h"
#include "kselftest_harness.h"
#include "migrate/secure.h"

#define LIMIT_US	(20 * 1000 * 1000ULL)

static struct vmig_err err;

/* The processor of this machine is no part of this. */
void vmig_nodes_add(struct vmig_nodes *nodes, struct json_object *greeting)
{
	(void)nodes;
	(void)greeting;
}

FIXTURE(pair) {
	char folder[32];
	sd_event *event;
	struct vmig_config a, b;
	struct vmig_listener *listener;
	struct vmig_conn *conn;		/* a's, to b */
	struct vmig_conn *accepted;	/* b's */
	bool greeted;
	bool closed;
	char why[VMIG_TEXT_MAX + 1];
	unsigned int messages;
};

static void set_path(FIXTURE_DATA(pair) *self, char path[PATH_MAX],
		     const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", self->folder, name);
}

static void set_node(FIXTURE_DATA(pair) *self, struct vmig_config *config,
		     const char *name, const char *address)
{
	strcpy(config->node, name);
	strcpy(config->cluster, "east");
	strcpy(config->address, address);
	set_path(self, config->key, "cluster.key");
}

static void set_peer(struct vmig_config *config, const char *name,
		     const char *address)
{
	strcpy(config->peers[0].name, name);
	strcpy(config->peers[0].address, address);
	config->npeers = 1;
}

/* A port that was free a moment ago. */
static uint16_t seek_port(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000002),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&addr, len) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		abort();
	close(fd);
	return ntohs(addr.sin_port);
}

FIXTURE_SETUP(pair)
{
	strcpy(self->folder, "/tmp/tls_pair.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	signal(SIGPIPE, SIG_IGN);
	ASSERT_LE(0, sd_event_new(&self->event));
	set_node(self, &self->a, "a", "127.0.0.1");
	set_node(self, &self->b, "b", "127.0.0.2");
	set_peer(&self->a, "b", "127.0.0.2");
	set_peer(&self->b, "a", "127.0.0.1");
	self->b.port = seek_port();
	self->a.peers[0].port = self->b.port;
	ASSERT_EQ(0, vmig_clusterkey_create(self->a.key, &err));
}

FIXTURE_TEARDOWN(pair)
{
	static const char * const names[] = {
		"cluster.key", "other.key", "ca.pem", "ca.key", "a.pem",
		"a.key", "a.csr", "b.pem", "b.key", "b.csr", "ext",
	};
	char path[PATH_MAX];
	unsigned int i;

	vmig_conn_close(self->conn);
	vmig_conn_close(self->accepted);
	vmig_listener_close(self->listener);
	sd_event_unref(self->event);
	vmig_tls_close(self->a.tls);
	vmig_tls_close(self->b.tls);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		set_path(self, path, names[i]);
		unlink(path);
	}
	rmdir(self->folder);
}

static void on_greeted(void *arg, struct json_object *msg)
{
	FIXTURE_DATA(pair) *self = arg;

	(void)msg;
	self->greeted = true;
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	FIXTURE_DATA(pair) *self = arg;

	(void)type;
	(void)msg;
	self->messages++;
}

static void on_closed(void *arg, const char *why)
{
	FIXTURE_DATA(pair) *self = arg;

	self->closed = true;
	snprintf(self->why, sizeof(self->why), "%s", why);
}

static const struct vmig_conn_ops ops = {
	.greeted = on_greeted,
	.message = on_message,
	.closed = on_closed,
};

static void on_accepted(void *arg, struct vmig_conn *conn,
			const struct vmig_hello *theirs, const char *kind,
			struct json_object *greeting)
{
	FIXTURE_DATA(pair) *self = arg;

	(void)theirs;
	(void)kind;
	(void)greeting;
	self->accepted = conn;
	vmig_conn_set_ops(conn, &ops, self);
}

static struct json_object *greet(const struct vmig_config *config,
				 const char *kind)
{
	struct vmig_hello hello;
	struct json_object *o;

	vmig_hello_local(&hello, config, NULL);
	o = vmig_hello_encode(&hello);
	vmig_json_add_string(o, "kind", kind);
	return o;
}

/* b listens, a calls it as it is configured, until one has spoken. */
static void meet(struct __test_metadata *_metadata, FIXTURE_DATA(pair) *self)
{
	uint64_t now, end;

	if (!self->listener)
		ASSERT_EQ(0, vmig_listener_open(&self->listener, self->event,
						&self->b, NULL, on_accepted,
						self, &err)) {
			TH_LOG("%s", err.text);
		}
	self->greeted = false;
	self->closed = false;
	ASSERT_EQ(0, vmig_conn_connect(&self->conn, self->event, &self->a,
				       &self->a.peers[0], self->a.tls,
				       greet(&self->a, "control"), &ops, self,
				       &err)) {
		TH_LOG("%s", err.text);
	}
	sd_event_now(self->event, CLOCK_MONOTONIC, &now);
	end = now + LIMIT_US;
	while (!self->closed && !self->greeted && now < end) {
		ASSERT_LE(0, sd_event_run(self->event, LIMIT_US));
		sd_event_now(self->event, CLOCK_MONOTONIC, &now);
	}
	ASSERT_LT(now, end);
}

static uint64_t counted(FIXTURE_DATA(pair) *self, enum vmig_refusal reason)
{
	return vmig_listener_refusals(self->listener)->count[reason];
}

/* Until b has counted it: a may hear of it first. */
static void wait_counted(struct __test_metadata *_metadata,
			 FIXTURE_DATA(pair) *self, enum vmig_refusal reason,
			 uint64_t times)
{
	unsigned int i;

	for (i = 0; counted(self, reason) < times && i < 1000; i++)
		ASSERT_LE(0, sd_event_run(self->event, LIMIT_US / 1000));
	EXPECT_EQ(times, counted(self, reason)) {
		struct json_object *o = vmig_refusal_json(
			vmig_listener_refusals(self->listener));

		TH_LOG("counted %s", json_object_to_json_string(o));
		json_object_put(o);
	}
}

#define OPEN_TLS(config) do {						\
	ASSERT_EQ(0, vmig_tls_open(&(config)->tls, config, &err)) {	\
		TH_LOG("%s", err.text);					\
	}								\
} while (0)

#define EXPECT_REFUSED(reason, ...) do {				\
	static const char * const words[] = { __VA_ARGS__ };		\
	size_t i_;							\
									\
	meet(_metadata, self);						\
	EXPECT_FALSE(self->greeted);					\
	for (i_ = 0; i_ < sizeof(words) / sizeof(words[0]); i_++)	\
		EXPECT_NE(NULL, strstr(self->why, words[i_]))		\
			TH_LOG("said: %s", self->why);			\
	wait_counted(_metadata, self, reason, 1);			\
	EXPECT_EQ(NULL, self->accepted);				\
} while (0)

#endif /* VMIG_TLS_PAIR_H */
