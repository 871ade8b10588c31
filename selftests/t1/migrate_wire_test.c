// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel as the destination of a peer that is not the kernel, and does not
 * keep to the protocol. Whatever it says, the migration ends with a sentence that
 * names it, and memory that it has no business with stays as it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <asm/byteorder.h>
#include "kselftest_harness.h"
#include "migrate/digest.h"
#include "pair.h"
#include "peer.h"

#define CHUNKS	4UL
#define PAGES	(CHUNKS * VMIG_WIRE_CHUNK_PAGES)
#define SIZE	(PAGES * PAIR_PAGE)

FIXTURE(wire)
{
	struct pair *pair;
	struct side *a;
	struct side *b;
	struct peer *peer[2];
};

FIXTURE_SETUP(wire)
{
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	self->a = &self->pair->a;
	self->b = &self->pair->b;
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	self->peer[0] = malloc(sizeof(struct peer));
	self->peer[1] = malloc(sizeof(struct peer));
	memset(self->a->mem, 0x11, SIZE / 2);
}

FIXTURE_TEARDOWN(wire)
{
	free(self->peer[0]);
	free(self->peer[1]);
	pair_close(self->pair);
}

/* The kernel is @side, with the two peers as the other. */
static int meet(struct pair *pair, struct side *side, struct peer **peers)
{
	struct side *other = side == &pair->a ? &pair->b : &pair->a;
	struct plan plan = { .channels = 2 };
	unsigned int i;

	if (pair_connect(pair, 2) || side_new(side, other->name, &plan))
		return -1;
	for (i = 0; i < 2; i++) {
		peers[i]->fd = other->sockets[i];
		peers[i]->tx_seq = 0;
	}
	return side_call(side, VMIG_CMD_MIGRATION_START);
}

/* As a source, up to HELLO_ACK on both channels. */
static int greet(struct pair *pair, struct peer **peers)
{
	return meet(pair, &pair->b, peers) ||
	       peer_hello(peers[0], 0, 2, SIZE) ||
	       peer_hello(peers[1], 1, 2, SIZE) ||
	       peer_await(peers[0], VMIG_P_HELLO_ACK) ||
	       peer_await(peers[1], VMIG_P_HELLO_ACK);
}

static void part(struct peer **peers)
{
	close(peers[0]->fd);
	close(peers[1]->fd);
}

/*
 * Bad frames to a destination
 */

struct bad_frame {
	const char *text;
	struct vmig_frame frame;
	struct vmig_run runs[3];
	int seq;		/* added to the right one */
};

#define CHUNK(...)	.frame = { .type = VMIG_P_CHUNK, __VA_ARGS__ }
#define RUN	sizeof(struct vmig_wire_run)
#define PAGE	VMIG_WIRE_PAGE_SIZE

static const struct bad_frame bad_frames[] = {
	{ "CHUNK: region is 1, there are 1",
	  CHUNK(.region = 1, .count = 1, .len = RUN), { { 0, 1, 1 } } },
	{ "region is 65535",
	  CHUNK(.region = 65535, .count = 1, .len = RUN), { { 0, 1, 1 } } },
	{ "first is 2048, region 0 has 2048 pages",
	  CHUNK(.first = PAGES, .count = 1, .len = RUN), { { 0, 1, 1 } } },
	{ "first is 18446744073709551104",
	  CHUNK(.first = ~0ULL << 9, .count = 1, .len = RUN), { { 0, 1, 1 } } },
	{ "first is 1,", CHUNK(.first = 1, .count = 1, .len = RUN),
	  { { 0, 1, 1 } } },
	{ "a chunk of channel 1 on channel 0",
	  CHUNK(.first = 512, .count = 1, .len = RUN), { { 0, 1, 1 } } },
	{ "count is 0", CHUNK(.len = RUN), { } },
	{ "count is 513", CHUNK(.count = 513, .len = 513 * RUN), { } },
	{ "len is 0", CHUNK(.count = 1), { } },
	{ "len is 9", CHUNK(.count = 1, .len = RUN + 1), { } },
	{ "len is 4294967295", CHUNK(.count = 1, .len = ~0U), { } },
	{ "flags 4 are unknown", CHUNK(.count = 1, .len = RUN, .flags = 4),
	  { { 0, 1, 1 } } },
	{ "kind 3", CHUNK(.count = 1, .len = RUN), { { 0, 1, 3 } } },
	{ "600 pages from 0, chunk has 512", CHUNK(.count = 1, .len = RUN),
	  { { 0, 600, 1 } } },
	{ "1 pages from 512", CHUNK(.count = 1, .len = RUN), { { 512, 1, 1 } } },
	{ "1 pages from 65535", CHUNK(.count = 1, .len = RUN),
	  { { 65535, 1, 2 } } },
	{ "0 pages", CHUNK(.count = 1, .len = RUN), { { 7, 0, 2 } } },
	{ "run 1: first is 3, run before ends at 4",
	  CHUNK(.count = 2, .len = 2 * RUN), { { 0, 4, 1 }, { 3, 1, 1 } } },
	{ "runs have 8192 bytes, frame has 4096",
	  CHUNK(.count = 1, .len = RUN + PAGE), { { 0, 2, 0 } } },
	{ "runs have 0 bytes, frame has 4096",
	  CHUNK(.count = 1, .len = RUN + PAGE), { { 0, 1, 1 } } },
	{ "seq is 3 instead of 2", .frame = { .type = VMIG_P_PING }, .seq = 1 },
	{ "seq is 1 instead of 2", .frame = { .type = VMIG_P_PING }, .seq = -1 },
	{ "HELLO: not expected now",
	  .frame = { .type = VMIG_P_HELLO,
		     .len = sizeof(struct vmig_wire_hello) } },
	{ "REGION: not expected now",
	  .frame = { .type = VMIG_P_REGION, .len = 11 } },
	{ "ROUND_ACK: not expected now",
	  .frame = { .type = VMIG_P_ROUND_ACK } },
	{ "PONG: not expected now", .frame = { .type = VMIG_P_PONG } },
	{ "FINAL_END: not expected now",
	  .frame = { .type = VMIG_P_FINAL_END,
		     .len = sizeof(struct vmig_wire_tally) } },
	{ "VERIFY: not expected now",
	  .frame = { .type = VMIG_P_VERIFY, .len = 8 } },
	{ "type 99 is unknown", .frame = { .type = 99 } },
	{ "PING: count is not 0",
	  .frame = { .type = VMIG_P_PING, .count = 1 } },
};

/* The kernel may close before it has all of the payload. */
static void send_bad(struct peer *peer, const struct bad_frame *bad)
{
	struct vmig_frame frame = bad->frame;
	struct vmig_wire_header header;
	uint8_t payload[2 * PAGE] = { 0 };

	frame.seq = peer->tx_seq++ + bad->seq;
	vmig_wire_encode(&frame, &header);
	vmig_wire_encode_runs(bad->runs, 3, (struct vmig_wire_run *)payload);
	send(peer->fd, &header, sizeof(header), MSG_NOSIGNAL);
	if (frame.len <= sizeof(payload))
		send(peer->fd, payload, frame.len, MSG_NOSIGNAL);
}

TEST_F_TIMEOUT(wire, bad_frames, 120)
{
	const char *abort_text;
	size_t i, at;

	for (i = 0; i < ARRAY_SIZE(bad_frames); i++) {
		const struct bad_frame *bad = &bad_frames[i];

		ASSERT_EQ(0, greet(self->pair, self->peer));
		send_bad(self->peer[0], bad);
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		EXPECT_EQ(EPROTO, nl_u32(&self->b->message,
					 VMIG_A_MIGRATION_ERROR));
		EXPECT_NE(NULL, strstr(side_reason(self->b), bad->text)) {
			TH_LOG("%s instead of %s", side_reason(self->b),
			       bad->text);
		}
		EXPECT_NE(NULL, strstr(side_reason(self->b),
				       "Node a sent a bad frame on channel 0"));
		/* The other channel is told why. */
		abort_text = peer_await_abort(self->peer[1]);
		ASSERT_NE(NULL, abort_text);
		EXPECT_NE(NULL, strstr(abort_text, bad->text));
		part(self->peer);
	}
	for (at = 0; at < SIZE; at++) {
		ASSERT_EQ(0, self->b->mem[at]) {
			TH_LOG("byte %zx was written", at);
		}
	}
}

static int send_bytes(struct peer *peer, const char *text)
{
	return send(peer->fd, text, strlen(text), 0) != (ssize_t)strlen(text);
}

TEST_F(wire, something_else_speaks)
{
	ASSERT_EQ(0, meet(self->pair, self->b, self->peer));
	ASSERT_EQ(0, send_bytes(self->peer[0],
				"GET /index.html HTTP/1.1\r\nHost: b\r\n\r\n"));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_NE(NULL, strstr(side_reason(self->b), "magic"));
	part(self->peer);
}

TEST_F(wire, another_version)
{
	struct vmig_frame frame = {
		.type = VMIG_P_HELLO, .len = sizeof(struct vmig_wire_hello),
	};
	struct vmig_wire_header header;

	ASSERT_EQ(0, meet(self->pair, self->b, self->peer));
	vmig_wire_encode(&frame, &header);
	header.version++;
	ASSERT_EQ((ssize_t)sizeof(header),
		  send(self->peer[0]->fd, &header, sizeof(header), 0));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_NE(NULL, strstr(side_reason(self->b),
			       "version is 2, this node speaks 1"));
	part(self->peer);
}

static const struct {
	const char *text;
	struct vmig_hello hello;
} bad_hellos[] = {
	{ "another migration",
	  { .token = "fedcba987654321", .channels = 2, .regions = 1 } },
	{ "sends channel 1 of 2 where this node has channel 0 of 2",
	  { .channel = 1, .channels = 2, .regions = 1 } },
	{ "channel 0 of 4", { .channels = 4, .regions = 1 } },
	{ "has 3 memory regions", { .channels = 2, .regions = 3 } },
	{ "to verify all memory",
	  { .channels = 2, .regions = 1, .verify = true } },
};

TEST_F_TIMEOUT(wire, bad_hellos, 120)
{
	struct vmig_frame frame = {
		.type = VMIG_P_HELLO, .len = sizeof(struct vmig_wire_hello),
	};
	struct vmig_wire_hello raw;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_hellos); i++) {
		struct vmig_hello hello = bad_hellos[i].hello;

		if (!hello.token[0])
			memcpy(hello.token, "0123456789abcdef", 16);
		ASSERT_EQ(0, meet(self->pair, self->b, self->peer));
		vmig_wire_encode_hello(&hello, &raw);
		ASSERT_EQ(0, peer_send(self->peer[0], frame, &raw));
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		EXPECT_NE(NULL, strstr(side_reason(self->b),
				       bad_hellos[i].text)) {
			TH_LOG("%s instead of %s", side_reason(self->b),
			       bad_hellos[i].text);
		}
		part(self->peer);
	}
}

/* What a peer says why it ends is shown, but not what a terminal obeys. */
TEST_F(wire, abort_with_escapes)
{
	struct vmig_frame frame = {
		.type = VMIG_P_ABORT, .count = ENOSPC, .len = 9,
	};

	ASSERT_EQ(0, greet(self->pair, self->peer));
	ASSERT_EQ(0, peer_send(self->peer[1], frame, "a\033[2J\nb%s"));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_EQ(ENOSPC, nl_u32(&self->b->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_STREQ("Node a: a?[2J?b%s", side_reason(self->b));
	part(self->peer);
}

/* In the middle of a header, of a table, of data for a new huge folio. */
TEST_F_TIMEOUT(wire, cut_in_the_middle, 120)
{
	static const size_t cuts[] = { 1, 31, 32, 36, 40, 41, 4136, 1000000 };
	const struct vmig_run all = { 0, 512, VMIG_RUN_DATA };
	static uint8_t bytes[32 + RUN + (2 << 20)];
	struct vmig_frame frame = {
		.type = VMIG_P_CHUNK, .seq = 2, .count = 1,
		.flags = VMIG_CHUNK_HUGE, .len = sizeof(bytes) - 32,
	};
	size_t i, at;

	memset(bytes, 0x77, sizeof(bytes));
	vmig_wire_encode(&frame, (struct vmig_wire_header *)bytes);
	vmig_wire_encode_runs(&all, 1, (struct vmig_wire_run *)(bytes + 32));
	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		ASSERT_EQ(0, greet(self->pair, self->peer));
		for (at = 0; at < cuts[i];) {
			ssize_t n = send(self->peer[0]->fd, bytes + at,
					 cuts[i] - at, 0);

			ASSERT_LT(0, n);
			at += n;
		}
		part(self->peer);
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		EXPECT_NE(NULL, strstr(side_reason(self->b),
				       "in the middle of a frame") ?:
			  strstr(side_reason(self->b), "closed channel 1")) {
			TH_LOG("cut at %zu: %s", cuts[i],
			       side_reason(self->b));
		}
		/* What came, and zeroes: nothing that was not sent. */
		for (at = 0; at < SIZE; at++) {
			ASSERT_TRUE(self->b->mem[at] == 0 ||
				    (at < 2 << 20 && self->b->mem[at] == 0x77));
		}
	}
}

TEST_F(wire, source_falls_silent)
{
	ASSERT_EQ(0, greet(self->pair, self->peer));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_EQ(ETIMEDOUT, nl_u32(&self->b->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(side_reason(self->b),
			       "Node a was silent for 10 seconds"));
	part(self->peer);
}

/* Wrong counts and a wrong digest at the end are found by the destination. */
TEST_F_TIMEOUT(wire, false_tally, 120)
{
	static const struct {
		const char *text;
		struct vmig_tally tally;
	} tallies[] = {
		{ "5 zero pages sent, 4 received", { { 0, 5, 0 }, 4, 0, 0 } },
		{ "1 hole pages sent, 0 received", { { 0, 4, 1 }, 4, 0, 0 } },
		{ "3 pages sent in the final pass, 4 received",
		  { { 0, 4, 0 }, 3, 0, 0 } },
		{ "memory of the final pass differs",
		  { { 0, 4, 0 }, 4, 12345, 0 } },
	};
	const struct vmig_run run = { 0, 4, VMIG_RUN_ZERO };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tallies); i++) {
		ASSERT_EQ(0, greet(self->pair, self->peer));
		ASSERT_EQ(0, peer_signal(self->peer[0], VMIG_P_FINAL_BEGIN, 0));
		ASSERT_EQ(0, peer_send_chunk(self->peer[0], 0, &run, 1));
		ASSERT_EQ(0, peer_send_tally(self->peer[0], VMIG_P_FINAL_END,
					&tallies[i].tally));
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		EXPECT_NE(NULL, strstr(side_reason(self->b), tallies[i].text)) {
			TH_LOG("%s instead of %s", side_reason(self->b),
			       tallies[i].text);
		}
		part(self->peer);
	}
}

TEST_HARNESS_MAIN
