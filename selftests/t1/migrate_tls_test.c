// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel whose channel has TLS, against a peer that forges, alerts, or has
 * none; and a key that may protect no more.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "ktls.h"
#include "pair.h"
#include "peer.h"

#define SIZE	(8UL << 20)
#define LITTLE	(64 << 10)
/* Eight records before the last that a key may protect. */
#define NEARLY	(23726566 - 8)

FIXTURE(tls)
{
	struct pair *pair;
	struct side *a, *b;
	struct peer *peer;
};

/* The kernel is the source; what has b's end of the channel is this program. */
FIXTURE_SETUP(tls)
{
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	self->peer = calloc(1, sizeof(*self->peer));
	self->a = &self->pair->a;
	self->b = &self->pair->b;
	memset(self->a->mem, 0x11, SIZE);
	ASSERT_EQ(0, pair_connect(self->pair, 1));
	self->peer->fd = self->b->sockets[0];
}

FIXTURE_TEARDOWN(tls)
{
	close(self->peer->fd);
	free(self->peer);
	pair_close(self->pair);
}

static int begin(FIXTURE_DATA(tls) *self)
{
	const struct plan plan = { .channels = 1 };

	return side_new(self->a, "b", &plan) ||
	       side_call(self->a, VMIG_CMD_MIGRATION_START);
}

#define EXPECT_FAILED(error, text) do {					\
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));		\
	EXPECT_EQ(error, nl_u32(&self->a->message,			\
				VMIG_A_MIGRATION_ERROR));		\
	EXPECT_NE(NULL, strstr(side_reason(self->a), text)) {		\
		TH_LOG("said: %s", side_reason(self->a));		\
	}								\
} while (0)

TEST_F(tls, forged_record)
{
	/* Application data of 32 bytes that no key has made. */
	const char record[5 + 32] = { 23, 3, 3, 0, 32 };

	ASSERT_EQ(0, ktls_set(self->a->sockets[0], 'a', 'b'));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(sizeof(record), send(self->peer->fd, record, sizeof(record),
				       MSG_NOSIGNAL));
	EXPECT_FAILED(EBADMSG, "does not decrypt");
}

TEST_F(tls, another_key)
{
	ASSERT_EQ(0, ktls_set(self->a->sockets[0], 'a', 'b'));
	ASSERT_EQ(0, ktls_set(self->peer->fd, 'x', 'a'));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(0, peer_take_hello(self->peer, true, 1));
	EXPECT_FAILED(EBADMSG, "does not decrypt");
}

/* The right key, but not the record that is due: dropped, or sent twice. */
TEST_F(tls, another_record_number)
{
	ASSERT_EQ(0, ktls_set(self->a->sockets[0], 'a', 'b'));
	ASSERT_EQ(0, ktls_set_from(self->peer->fd, 'b', 'a', 1, 0));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(0, peer_take_hello(self->peer, true, 1));
	EXPECT_FAILED(EBADMSG, "does not decrypt");
}

TEST_F(tls, alert)
{
	ASSERT_EQ(0, ktls_set(self->a->sockets[0], 'a', 'b'));
	ASSERT_EQ(0, ktls_set(self->peer->fd, 'b', 'a'));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(0, ktls_send_alert(self->peer->fd));
	EXPECT_FAILED(EIO, "sent a TLS alert");
}

TEST_F(tls, plain_peer)
{
	ASSERT_EQ(0, ktls_set(self->a->sockets[0], 'a', 'b'));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(0, peer_signal(self->peer, VMIG_P_HELLO_ACK, 0));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
}

/* The peer hears the reason, under the key that is spent. */
TEST_F(tls, spent_key)
{
	struct peer *peer = self->peer;

	ASSERT_EQ(0, ktls_set_from(self->a->sockets[0], 'a', 'b', NEARLY, 0));
	ASSERT_EQ(0, ktls_set_from(peer->fd, 'b', 'a', 0, NEARLY));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(0, peer_take_hello(peer, true, 1));
	EXPECT_NE(NULL, peer_await_abort(peer));
	EXPECT_NE(NULL, strstr((char *)peer->payload, "more channels"));
	EXPECT_FAILED(EKEYEXPIRED, "with more channels");
}

/* Wait until the source has sent all that the buffers on the way take. */
static int await_standstill(struct side *side)
{
	uint64_t before, wire = 0;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		before = wire;
		if (side_get(side))
			return -1;
		wire = side_counter(side, VMIG_A_COUNTERS_WIRE_BYTES);
		if (wire > LITTLE && wire == before)
			return 0;
		usleep(100000);
	}
	return -1;
}

/*
 * The peer gives up while the source waits for room: nothing more is sent, and
 * the source listens.
 */
TEST_F(tls, peer_gives_up)
{
	const char why[] = "out of memory here";
	struct vmig_frame frame = {
		.type = VMIG_P_ABORT, .count = ENOMEM, .len = sizeof(why) - 1,
	};
	struct peer *peer = self->peer;
	int size = LITTLE;

	ASSERT_EQ(0, setsockopt(self->a->sockets[0], SOL_SOCKET, SO_SNDBUF,
				&size, sizeof(size)));
	ASSERT_EQ(0, setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &size,
				sizeof(size)));
	ASSERT_EQ(0, ktls_set(self->a->sockets[0], 'a', 'b'));
	ASSERT_EQ(0, ktls_set(peer->fd, 'b', 'a'));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(0, peer_take_hello(peer, true, 1));
	ASSERT_EQ(0, await_standstill(self->a));
	ASSERT_EQ(0, peer_send(peer, frame, why));
	/* As the kernel does: a FIN, and then a reset for what was not read. */
	ASSERT_EQ(0, shutdown(peer->fd, SHUT_WR));
	ASSERT_EQ(0, close(peer->fd));
	peer->fd = -1;
	EXPECT_FAILED(ENOMEM, why);
	EXPECT_GT(SIZE / 2, side_counter(self->a, VMIG_A_COUNTERS_WIRE_BYTES));
}

TEST_F(tls, no_keys)
{
	const struct plan plan = { .channels = 1 };

	ASSERT_EQ(0, setsockopt(self->a->sockets[0], IPPROTO_TCP, TCP_ULP,
				"tls", sizeof("tls")));
	ASSERT_EQ(-1, side_new(self->a, "b", &plan));
	EXPECT_EQ(ENOKEY, self->a->result.error);
	EXPECT_NE(NULL, strstr(self->a->result.text, "TLS without keys"));
}

/* Its tag is of what a page was before it was encrypted. */
TEST_F(tls, another_cipher)
{
	const struct plan plan = { .channels = 1 };

	ASSERT_EQ(0, ktls_set_ccm(self->a->sockets[0]));
	ASSERT_EQ(-1, side_new(self->a, "b", &plan));
	EXPECT_EQ(EOPNOTSUPP, self->a->result.error);
	EXPECT_NE(NULL, strstr(self->a->result.text, "set one of AES-GCM"));
}

TEST_HARNESS_MAIN
