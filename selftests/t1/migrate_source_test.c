// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel as the source of a peer that is not the kernel: one that keeps to
 * the protocol and checks all that it is told, and many that do not.
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
#define RUN	sizeof(struct vmig_wire_run)
#define PAGE	VMIG_WIRE_PAGE_SIZE

FIXTURE(source)
{
	struct pair *pair;
	struct side *a;
	struct peer *peer;
};

FIXTURE_SETUP(source)
{
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	self->a = &self->pair->a;
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	self->peer = malloc(sizeof(*self->peer));
	ASSERT_NE(NULL, self->peer);
	memset(self->a->mem, 0x11, SIZE / 2);
}

FIXTURE_TEARDOWN(source)
{
	free(self->peer);
	pair_close(self->pair);
}

/* Apply a CHUNK to a copy of the memory, counting and digesting. */
static void take_chunk(struct __test_metadata *_metadata, struct peer *peer,
		       uint8_t *copy, struct vmig_tally *tally,
		       struct vmig_digest *digest)
{
	const struct vmig_frame *frame = &peer->frame;
	uint8_t *data = peer->payload + frame->count * RUN;
	struct vmig_run runs[VMIG_WIRE_CHUNK_PAGES];
	char why[VMIG_WIRE_WHY_MAX];
	unsigned int i, page;

	ASSERT_EQ(0, vmig_wire_decode_runs((void *)peer->payload, frame->count,
					   512, frame->len - frame->count * RUN,
					   runs, why, sizeof(why))) {
		TH_LOG("%s", why);
	}
	for (i = 0; i < frame->count; i++) {
		tally->pages[runs[i].kind] += runs[i].npages;
		for (page = 0; page < runs[i].npages; page++) {
			uint64_t index = frame->first + runs[i].first + page;
			uint8_t *to = copy + index * PAGE;

			if (runs[i].kind == VMIG_RUN_DATA) {
				memcpy(to, data, PAGE);
				data += PAGE;
			} else {
				memset(to, 0, PAGE);
			}
			if (digest) {
				vmig_digest_page(digest, 0, index, to);
				tally->final_pages++;
			}
		}
	}
}

/* Take frames of a channel up to @type. */
static void take_until(struct __test_metadata *_metadata, struct peer *peer,
		       enum vmig_pkt type, uint8_t *copy,
		       struct vmig_tally *tally, struct vmig_digest *digest)
{
	for (;;) {
		struct vmig_wire_rules rules = {
			.allowed = ~0U, .seq = peer->frame.seq + 1,
			.channel = 0, .channels = 1, .regions = 1,
			.region_pages = (u64[]){ PAGES },
		};
		char why[VMIG_WIRE_WHY_MAX];

		ASSERT_EQ(0, peer_recv(peer));
		ASSERT_EQ(0, vmig_wire_check(&peer->frame, &rules, why,
					     sizeof(why))) {
			TH_LOG("%s", why);
		}
		if (peer->frame.type == VMIG_P_CHUNK)
			take_chunk(_metadata, peer, copy, tally, digest);
		if (peer->frame.type == VMIG_P_PING)
			ASSERT_EQ(0, peer_signal(peer, VMIG_P_PONG, 0));
		if (peer->frame.type == VMIG_P_ROUND && type != VMIG_P_ROUND)
			ASSERT_EQ(0, peer_signal(peer, VMIG_P_ROUND_ACK,
						 peer->frame.first));
		if (peer->frame.type == type)
			return;
		ASSERT_NE(VMIG_P_ABORT, peer->frame.type);
	}
}

static int meet_one(struct pair *pair, struct peer *peer)
{
	/* The first round converges, however slow the machine is. */
	struct plan plan = { .channels = 1, .max_blackout = 60000 };

	if (pair_connect(pair, 1) || side_new(&pair->a, "b", &plan))
		return -1;
	peer->fd = pair->b.sockets[0];
	peer->tx_seq = 0;
	return side_call(&pair->a, VMIG_CMD_MIGRATION_START) ||
	       peer_take_hello(peer, true, 1);
}

/*
 * A destination written from the protocol's description gets the memory, and
 * proves it. @spoil is what it lies about in the end.
 */
static void receive_all(struct __test_metadata *_metadata, struct pair *pair,
			struct peer *peer, void (*spoil)(struct vmig_tally *))
{
	struct vmig_tally tally = { 0 }, sent;
	uint8_t *copy = malloc(SIZE);
	struct vmig_digest digest;
	size_t at;

	memset(copy, 0xee, SIZE);
	ASSERT_EQ(0, meet_one(pair, peer));
	take_until(_metadata, peer, VMIG_P_ROUND, copy, &tally, NULL);
	ASSERT_EQ(0, peer_signal(peer, VMIG_P_ROUND_ACK, peer->frame.first));
	ASSERT_EQ(0, side_wait_converged(&pair->a));
	for (at = 0; at < SIZE; at += 5 * PAGE)
		pair->a.mem[at] = at >> 12;
	ASSERT_EQ(0, side_call(&pair->a, VMIG_CMD_MIGRATION_STOP_COPY));
	take_until(_metadata, peer, VMIG_P_FINAL_BEGIN, copy, &tally, NULL);
	vmig_digest_init(&digest);
	take_until(_metadata, peer, VMIG_P_FINAL_END, copy, &tally, &digest);
	tally.final_digest = vmig_digest_value(&digest);
	free(digest.xxh.input);
	vmig_wire_decode_tally((void *)peer->payload, &sent);
	EXPECT_EQ(tally.pages[VMIG_RUN_DATA], sent.pages[VMIG_RUN_DATA]);
	EXPECT_EQ(tally.pages[VMIG_RUN_HOLE], sent.pages[VMIG_RUN_HOLE]);
	EXPECT_EQ(tally.final_pages, sent.final_pages);
	EXPECT_EQ(tally.final_digest, sent.final_digest);
	EXPECT_EQ(0, memcmp(copy, pair->a.mem, SIZE));
	if (spoil)
		spoil(&tally);
	ASSERT_EQ(0, peer_send_tally(peer, VMIG_P_FINAL_ACK, &tally));
	free(copy);
}

TEST_F(source, honest_destination)
{
	receive_all(_metadata, self->pair, self->peer, NULL);
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_HANDOFF));
	/* It is watched until the end. */
	ASSERT_EQ(0, peer_await(self->peer, VMIG_P_PING));
	close(self->peer->fd);
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "closed channel 0"));
}

static void spoil_digest(struct vmig_tally *tally)
{
	tally->final_digest ^= 1;
}

static void spoil_count(struct vmig_tally *tally)
{
	tally->pages[VMIG_RUN_DATA]--;
}

static void spoil_final(struct vmig_tally *tally)
{
	tally->final_pages++;
}

TEST_F_TIMEOUT(source, dishonest_destination, 120)
{
	static const struct {
		void (*spoil)(struct vmig_tally *tally);
		int error;
		const char *text;
	} lies[] = {
		{ spoil_digest, EBADMSG, "memory of the final pass differs" },
		{ spoil_count, EPROTO, "data pages sent" },
		{ spoil_final, EPROTO, "pages sent in the final pass" },
	};
	const char *text;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		receive_all(_metadata, self->pair, self->peer,
			    lies[i].spoil);
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
		EXPECT_EQ(lies[i].error, nl_u32(&self->a->message,
						VMIG_A_MIGRATION_ERROR));
		EXPECT_NE(NULL, strstr(side_reason(self->a), lies[i].text)) {
			TH_LOG("%s", side_reason(self->a));
		}
		text = peer_await_abort(self->peer);
		ASSERT_NE(NULL, text);
		EXPECT_NE(NULL, strstr(text, lies[i].text));
		close(self->peer->fd);
	}
}

TEST_F_TIMEOUT(source, bad_answers, 120)
{
	static const struct {
		enum vmig_pkt type;
		uint64_t first;
		const char *text;
	} answers[] = {
		{ VMIG_P_ROUND_ACK, 7, "ROUND_ACK: first is not the round" },
		{ VMIG_P_HELLO_ACK, 0, "HELLO_ACK: not expected now" },
		{ VMIG_P_ROUND, 1, "ROUND: not expected now" },
	};
	uint8_t *copy = malloc(SIZE);
	struct vmig_tally tally;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		ASSERT_EQ(0, meet_one(self->pair, self->peer));
		take_until(_metadata, self->peer, VMIG_P_ROUND, copy,
			   &tally, NULL);
		ASSERT_EQ(0, peer_signal(self->peer, answers[i].type,
					 answers[i].first));
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
		EXPECT_NE(NULL, strstr(side_reason(self->a),
				       answers[i].text)) {
			TH_LOG("%s", side_reason(self->a));
		}
		close(self->peer->fd);
	}
	free(copy);
}

/* It takes no more bytes: the send queue is full, and stays so. */
TEST_F_TIMEOUT(source, destination_stops_reading, 120)
{
	ASSERT_EQ(0, pair_remove_vm(self->a));
	ASSERT_EQ(0, side_make_vm(self->a, 64 << 20));
	memset(self->a->mem, 0x22, 64 << 20);
	ASSERT_EQ(0, meet_one(self->pair, self->peer));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	EXPECT_EQ(ETIMEDOUT, nl_u32(&self->a->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "silent"));
	close(self->peer->fd);
	/* Nothing that was queued keeps the memory. */
	EXPECT_EQ(0, pair_remove_vm(self->a));
}

TEST_HARNESS_MAIN
