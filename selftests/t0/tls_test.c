// SPDX-License-Identifier: GPL-2.0
/*
 * Two nodes on the loopback device: who gets in, who does not, and what both
 * sides say about it.
 */
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
	strcpy(self->folder, "/tmp/tls_test.XXXXXX");
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

static void hang_up(FIXTURE_DATA(pair) *self)
{
	vmig_conn_close(self->conn);
	vmig_conn_close(self->accepted);
	self->conn = NULL;
	self->accepted = NULL;
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

TEST_F(pair, by_key)
{
	uint8_t one[32], two[32], three[32];

	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	meet(_metadata, self);
	ASSERT_TRUE(self->greeted) {
		TH_LOG("said: %s", self->why);
	}
	ASSERT_NE(NULL, self->accepted);
	ASSERT_NE(NULL, vmig_conn_session(self->conn));
	/* TCP, TLS, greeting. */
	EXPECT_EQ(3, vmig_conn_turns(self->conn));

	/* Both ends get the same secret, and each context another. */
	ASSERT_EQ(0, vmig_tls_export(vmig_conn_session(self->conn), "EXPORTER-x",
				     one, 0, one, sizeof(one)));
	ASSERT_EQ(0, vmig_tls_export(vmig_conn_session(self->accepted),
				     "EXPORTER-x", two, 0, two, sizeof(two)));
	ASSERT_EQ(0, vmig_tls_export(vmig_conn_session(self->accepted),
				     "EXPORTER-x", one, 1, three,
				     sizeof(three)));
	EXPECT_EQ(0, memcmp(one, two, sizeof(one)));
	EXPECT_NE(0, memcmp(one, three, sizeof(one)));

	/* A new connection has new secrets: nothing is resumed. */
	hang_up(self);
	meet(_metadata, self);
	ASSERT_TRUE(self->greeted);
	ASSERT_EQ(0, vmig_tls_export(vmig_conn_session(self->conn), "EXPORTER-x",
				     one, 0, one, sizeof(one)));
	EXPECT_NE(0, memcmp(one, two, sizeof(one)));
}

/* More than a socket, or a TLS record, holds at once, in both directions. */
TEST_F(pair, many_messages)
{
	const unsigned int number = 200;
	unsigned int i, sent = 0;
	char text[4000];

	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	meet(_metadata, self);
	ASSERT_TRUE(self->greeted);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < 100000 && self->messages < 2 * number; i++) {
		if (sent < number) {
			struct json_object *o = vmig_json_new("bulk");

			vmig_json_add_string(o, "text", text);
			vmig_conn_send(self->conn, json_object_get(o));
			vmig_conn_send(self->accepted, o);
			sent++;
		}
		ASSERT_LE(0, sd_event_run(self->event,
					  sent < number ? 0 : LIMIT_US / 100));
		ASSERT_FALSE(self->closed) {
			TH_LOG("said: %s", self->why);
		}
	}
	EXPECT_EQ(2 * number, self->messages);
}

TEST_F(pair, wrong_key)
{
	OPEN_TLS(&self->a);
	set_path(self, self->b.key, "other.key");
	ASSERT_EQ(0, vmig_clusterkey_create(self->b.key, &err));
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_KEY, "does not accept this node's cluster key",
		       "cluster.key");
}

TEST_F(pair, wrong_cluster)
{
	strcpy(self->a.cluster, "west");
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_CLUSTER, "cluster east", "cluster west");
}

TEST_F(pair, unknown_node)
{
	strcpy(self->a.node, "z");
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_NODE, "does not know a node z");
}

TEST_F(pair, another_name_than_in_the_handshake)
{
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	/* TLS says a, the greeting c. */
	strcpy(self->a.node, "c");
	EXPECT_REFUSED(VMIG_REFUSED_NODE, "node c", "node a");
}

TEST_F(pair, wrong_address)
{
	strcpy(self->a.address, "127.0.0.3");
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_ADDRESS, "at 127.0.0.1, not at 127.0.0.3");
}

TEST_F(pair, plain_speaker)
{
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_PLAIN, "it may use TLS");
}

TEST_F(pair, plain_listener)
{
	OPEN_TLS(&self->a);
	EXPECT_REFUSED(VMIG_REFUSED_PROTOCOL, "does not speak TLS",
		       "--insecure");
}

TEST_F(pair, plain_both)
{
	meet(_metadata, self);
	EXPECT_TRUE(self->greeted);
	EXPECT_EQ(NULL, vmig_conn_session(self->conn));
}

/* A stranger's socket to b, from @address. */
static int call(FIXTURE_DATA(pair) *self, uint32_t address)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address),
	};
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000002),
		.sin_port = htons(self->b.port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) &&
	     errno != EINPROGRESS))
		abort();
	return fd;
}

static void listen_only(struct __test_metadata *_metadata,
			FIXTURE_DATA(pair) *self)
{
	OPEN_TLS(&self->b);
	ASSERT_EQ(0, vmig_listener_open(&self->listener, self->event, &self->b,
					NULL, on_accepted, self, &err)) {
		TH_LOG("%s", err.text);
	}
}

TEST_F(pair, garbage_hears_nothing)
{
	char byte;
	int fd;

	listen_only(_metadata, self);
	fd = call(self, 0x7f000001);
	sd_event_run(self->event, 1000);
	ASSERT_EQ(16, send(fd, "GET / HTTP/1.0\r\n", 16, 0));
	wait_counted(_metadata, self, VMIG_REFUSED_PLAIN, 1);
	EXPECT_GT(1, recv(fd, &byte, 1, MSG_DONTWAIT));
	close(fd);
}

TEST_F(pair, tls_1_2)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned int i;
	SSL *ssl;
	int fd;

	listen_only(_metadata, self);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	ssl = SSL_new(ctx);
	fd = call(self, 0x7f000001);
	SSL_set_fd(ssl, fd);
	for (i = 0; !counted(self, VMIG_REFUSED_VERSION) && i < 1000; i++) {
		SSL_connect(ssl);
		sd_event_run(self->event, LIMIT_US / 1000);
	}
	wait_counted(_metadata, self, VMIG_REFUSED_VERSION, 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
}

TEST_F(pair, silent)
{
	uint64_t now, end;
	int fd;

	listen_only(_metadata, self);
	fd = call(self, 0x7f000001);
	sd_event_now(self->event, CLOCK_MONOTONIC, &now);
	end = now + 2 * VMIG_GREETING_LIMIT_MS * 1000ULL;
	while (!counted(self, VMIG_REFUSED_SILENT) && now < end) {
		sd_event_run(self->event, LIMIT_US);
		sd_event_now(self->event, CLOCK_MONOTONIC, &now);
	}
	EXPECT_EQ(1, counted(self, VMIG_REFUSED_SILENT));
	close(fd);
}

/* Strangers take what there is for them; a node gets through all the same. */
TEST_F(pair, flood)
{
	int fds[200];
	unsigned int i, n = sizeof(fds) / sizeof(fds[0]);

	OPEN_TLS(&self->a);
	listen_only(_metadata, self);
	for (i = 0; i < n; i++) {
		fds[i] = call(self, 0x7f000003 + i % 50);
		sd_event_run(self->event, 1000);
	}
	for (i = 0; i < 1000 && counted(self, VMIG_REFUSED_RATE) < n - 8; i++)
		sd_event_run(self->event, 1000);
	EXPECT_LE(n - 8, counted(self, VMIG_REFUSED_RATE));
	meet(_metadata, self);
	EXPECT_TRUE(self->greeted) {
		TH_LOG("said: %s", self->why);
	}
	for (i = 0; i < n; i++)
		close(fds[i]);
}

TEST_F(pair, channel_needs_no_tls_but_a_migration)
{
	OPEN_TLS(&self->b);
	ASSERT_EQ(0, vmig_listener_open(&self->listener, self->event, &self->b,
					NULL, on_accepted, self, &err));
	ASSERT_EQ(0, vmig_conn_connect(&self->conn, self->event, &self->a,
				       &self->a.peers[0], NULL,
				       greet(&self->a, "channel"), &ops, self,
				       &err));
	while (!self->accepted && !self->closed)
		ASSERT_LE(0, sd_event_run(self->event, LIMIT_US));
	ASSERT_NE(NULL, self->accepted);
	/* It is not answered: that is for who knows the migration. */
	EXPECT_FALSE(self->greeted);
	vmig_listener_refuse(self->listener, self->accepted,
			     VMIG_REFUSED_CHANNEL, "of no migration");
	self->accepted = NULL;
	while (!self->closed)
		ASSERT_LE(0, sd_event_run(self->event, LIMIT_US));
	EXPECT_EQ(1, counted(self, VMIG_REFUSED_CHANNEL));
	EXPECT_EQ(NULL, strstr(self->why, "of no migration"));
}

/* A proof is of one control connection, one migration and one channel. */
TEST_F(pair, proof_of_a_channel)
{
	const uint8_t token[VMIG_TOKEN_LEN] = "0123456789abcde";
	const uint8_t other[VMIG_TOKEN_LEN] = "0123456789abcdE";
	struct json_object *greeting = json_object_new_object();
	struct vmig_secure mine = { .token = token, .index = 1 };
	struct vmig_secure theirs = { .token = token, .index = 1 };

	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	meet(_metadata, self);
	ASSERT_TRUE(self->greeted);
	mine.control = self->conn;
	theirs.control = self->accepted;
	EXPECT_FALSE(vmig_secure_check(&theirs, greeting));
	ASSERT_EQ(0, vmig_secure_greet(&mine, greeting, &err));
	EXPECT_TRUE(vmig_secure_check(&theirs, greeting));
	theirs.index = 2;
	EXPECT_FALSE(vmig_secure_check(&theirs, greeting));
	theirs.index = 1;
	theirs.token = other;
	EXPECT_FALSE(vmig_secure_check(&theirs, greeting));
	theirs.token = token;

	/* What was heard once is worth nothing on the next connection. */
	hang_up(self);
	meet(_metadata, self);
	ASSERT_TRUE(self->greeted);
	theirs.control = self->accepted;
	EXPECT_FALSE(vmig_secure_check(&theirs, greeting));
	json_object_put(greeting);
}

/* As security.rst says it is done. */
static const char certificates[] =
	"cd %s && exec >/dev/null 2>&1 && umask 077 &&"
	"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	" -days 3650 -subj '/CN=vmig CA' -keyout ca.key -out ca.pem &&"
	"for node in a b; do"
	" openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	"  -subj /CN=$node -keyout $node.key -out $node.csr &&"
	" printf 'subjectAltName = DNS:%%s\\n' $node >ext &&"
	" openssl x509 -req -in $node.csr -CA ca.pem -CAkey ca.key"
	"  -CAcreateserial -days %d -extfile ext -out $node.pem || exit;"
	"done; rm -f ca.srl";

static void certify(struct __test_metadata *_metadata,
		    FIXTURE_DATA(pair) *self, int days)
{
	struct vmig_config *nodes[] = { &self->a, &self->b };
	char command[sizeof(certificates) + 64], name[8];
	unsigned int i;

	snprintf(command, sizeof(command), certificates, self->folder, days);
	ASSERT_EQ(0, system(command));
	for (i = 0; i < 2; i++) {
		nodes[i]->key[0] = '\0';
		set_path(self, nodes[i]->ca, "ca.pem");
		snprintf(name, sizeof(name), "%s.pem", nodes[i]->node);
		set_path(self, nodes[i]->certificate, name);
		snprintf(name, sizeof(name), "%s.key", nodes[i]->node);
		set_path(self, nodes[i]->private_key, name);
	}
}

TEST_F(pair, by_certificate)
{
	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	meet(_metadata, self);
	EXPECT_TRUE(self->greeted) {
		TH_LOG("said: %s", self->why);
	}
	EXPECT_EQ(3, vmig_conn_turns(self->conn));
}

TEST_F(pair, certificate_of_another_node)
{
	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	/* What is at b's address says that it is b. */
	strcpy(self->a.peers[0].name, "c");
	EXPECT_REFUSED(VMIG_REFUSED_CERTIFICATE,
		       "the certificate is of another node");
}

TEST_F(pair, greeting_of_another_node)
{
	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	strcpy(self->b.peers[0].name, "c");
	strcpy(self->a.node, "c");
	EXPECT_REFUSED(VMIG_REFUSED_NODE, "the certificate is not of node c");
}

TEST_F(pair, key_to_certificate)
{
	struct vmig_config by_key = self->a;

	certify(_metadata, self, 10);
	OPEN_TLS(&self->b);
	self->a = by_key;
	OPEN_TLS(&self->a);
	EXPECT_REFUSED(VMIG_REFUSED_CERTIFICATE, "it uses certificates");
}

TEST_F(pair, certificate_to_key)
{
	struct vmig_config by_key = self->b;

	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	self->b = by_key;
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_KEY, "does it use a cluster key");
}

TEST_F(pair, own_certificate_expired)
{
	certify(_metadata, self, -1);
	EXPECT_EQ(-EKEYEXPIRED, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "has expired"));
}

/* b trusts an authority whose time is over. */
TEST_F(pair, expired)
{
	char command[256];

	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	snprintf(command, sizeof(command),
		 "cd %s && openssl x509 -in ca.pem -signkey ca.key -days -1 -out ext 2>/dev/null && mv ext ca.pem",
		 self->folder);
	ASSERT_EQ(0, system(command));
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_EXPIRED,
		       "says that this node's certificate has expired",
		       "clocks");
}

TEST_F(pair, own_certificate_wrong)
{
	certify(_metadata, self, 10);
	strcpy(self->a.node, "other");
	EXPECT_EQ(-EINVAL, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "not the certificate of node other"));
	strcpy(self->a.node, "a");
	set_path(self, self->a.private_key, "b.key");
	EXPECT_EQ(-EINVAL, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "is not the private key of"));
	set_path(self, self->a.private_key, "a.key");
	chmod(self->a.private_key, 0644);
	EXPECT_EQ(-EPERM, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "chmod 600"));
}

TEST_HARNESS_MAIN
