// SPDX-License-Identifier: GPL-2.0
/*
 * Two nodes with a cluster key: who gets in, who does not, and what both sides
 * say about it.
 */
#include "tls_pair.h"

static void hang_up(FIXTURE_DATA(pair) *self)
{
	vmig_conn_close(self->conn);
	vmig_conn_close(self->accepted);
	self->conn = NULL;
	self->accepted = NULL;
}

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

TEST_HARNESS_MAIN
