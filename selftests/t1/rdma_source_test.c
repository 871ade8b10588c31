// SPDX-License-Identifier: GPL-2.0
/*
 * A destination of RDMA migrations that is not a kernel: what it answers, grants
 * and does not do. The source fails with a reason, and its VM runs on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <asm/byteorder.h>
#include "kselftest_harness.h"
#include "moment.h"
#include "rdma_peer.h"
#include "soft_roce.h"

#define SIZE	(8UL << 20)
#define PAGE	VMIG_WIRE_PAGE_SIZE

FIXTURE(source)
{
	struct pair *pair;
	struct side *a;
	struct plan plan;
	struct rdma_peer *peer;
};

FIXTURE_SETUP(source)
{
	setenv("VMIG_RDMA", "keep", 1);
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	self->a = &self->pair->a;
	self->plan = (struct plan){ .channels = 1 };
	self->peer = calloc(1, sizeof(*self->peer));
	ASSERT_NE(NULL, self->peer);
	moment_fill(self->pair);
}

FIXTURE_TEARDOWN(source)
{
	rdma_peer_close(self->peer);
	pair_close(self->pair);
	free(self->peer);
}

static int listen_as_b(struct rdma_peer *peer, struct side *a)
{
	int port = verbs_listen(&peer->v, SOFT_ROCE_B);

	if (port < 0)
		return -1;
	a->rdma->address = SOFT_ROCE_B;
	a->rdma->port = port;
	return 0;
}

static struct vmig_rdma_key granted(uint64_t address, uint32_t key,
				    uint32_t len)
{
	return (struct vmig_rdma_key){
		.address = cpu_to_le64(address), .key = cpu_to_le32(key),
		.len = cpu_to_le32(len),
	};
}

struct bad_grant {
	const char *what;
	uint32_t len;		/* of each key */
	unsigned int keys;
	const char *text;
};

static const struct bad_grant bad_grants[] = {
	{ "a key for nothing", 0, 1, "whole pages" },
	{ "too little", PAGE, 1, "another number of pages" },
	{ "too much", 4UL << 20, 1, "another number of pages" },
	{ "part of a page", PAGE + 8, 1, "whole pages" },
	{ "more keys than there may be", PAGE, VMIG_RDMA_GRANT_KEYS + 1,
	  "GRANT" },
	{ "a key that there is not", 2UL << 20, 1, "" },
};

/* The source fails with a reason, and its VM runs on. */
TEST_F_TIMEOUT(source, bad_grants, 240)
{
	struct vmig_rdma_key keys[VMIG_RDMA_GRANT_KEYS + 1];
	const struct bad_grant *each;
	unsigned int i;

	for (each = bad_grants; each < bad_grants + ARRAY_SIZE(bad_grants);
	     each++) {
		memset(self->peer, 0, sizeof(*self->peer));
		ASSERT_EQ(0, listen_as_b(self->peer, self->a));
		ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
		ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
		ASSERT_EQ(0, rdma_peer_accept(self->peer));
		ASSERT_EQ(0, rdma_peer_take_greeting(self->peer));
		ASSERT_EQ(0, rdma_peer_await(self->peer, VMIG_P_CHUNK));
		for (i = 0; i < each->keys; i++)
			keys[i] = granted(0x1000, 0x1234, each->len);
		rdma_peer_say(self->peer, VMIG_RDMA_GRANT, keys,
			      each->keys * sizeof(*keys));
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED)) {
			TH_LOG("%s", each->what);
		}
		EXPECT_NE(NULL, strstr(side_reason(self->a), each->text));
		TH_LOG("%s: %s", each->what, side_reason(self->a));
		rdma_peer_close(self->peer);
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/*
 * The source has keys, prepares its writes, and lacks the credit to say that they
 * are placed; there are other keys for the same pages, and the peer goes.
 */
TEST_F_TIMEOUT(source, keys_twice_and_no_credit, 60)
{
	struct {
		struct vmig_rdma_header header;
		struct vmig_rdma_key keys[VMIG_RDMA_GRANT_KEYS];
	} message = { .header = {
		.type = VMIG_RDMA_GRANT, .len = cpu_to_le32(sizeof(message.keys)),
	} };
	unsigned int i;

	for (i = 0; i < VMIG_RDMA_GRANT_KEYS; i++)
		message.keys[i] = granted(i * 0x10000, 0x1234, 16 * PAGE);
	/* One for each frame of two chunks, and one that is kept. */
	self->peer->slots = 3;
	ASSERT_EQ(0, listen_as_b(self->peer, self->a));
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	ASSERT_EQ(0, rdma_peer_accept(self->peer));
	ASSERT_EQ(0, rdma_peer_take_greeting(self->peer));
	ASSERT_EQ(0, rdma_peer_await(self->peer, VMIG_P_CHUNK));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, rdma_peer_say_raw(self->peer, &message,
					       sizeof(message)));
	ASSERT_EQ(0, rdma_peer_await(self->peer, VMIG_P_CHUNK));
	rdma_peer_close(self->peer);
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	TH_LOG("%s", side_reason(self->a));
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/*
 * The source grants nothing. Its queue pair fails without any work of its own that
 * failed: what it waits for is flushed.
 */
TEST_F_TIMEOUT(source, writing_to_the_source, 60)
{
	ASSERT_EQ(0, listen_as_b(self->peer, self->a));
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	ASSERT_EQ(0, rdma_peer_accept(self->peer));
	ASSERT_EQ(0, rdma_peer_take_greeting(self->peer));
	EXPECT_NE(IBV_WC_SUCCESS,
		  verbs_write(&self->peer->v, 0x1000, 0x1234, PAGE));
	EXPECT_FAILED(self->a, "broke on channel 0: ");
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

TEST_F_TIMEOUT(source, deaf_destination, 120)
{
	const struct rdma_deafness *each;

	for (each = rdma_deafness; each->what; each++) {
		memset(self->peer, 0, sizeof(*self->peer));
		ASSERT_EQ(0, listen_as_b(self->peer, self->a));
		self->peer->v.deaf = true;
		self->peer->v.rnr_retry = each->rnr_retry;
		ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
		ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
		ASSERT_EQ(0, rdma_peer_accept(self->peer));
		EXPECT_FAILED(self->a, each->text);
		rdma_peer_close(self->peer);
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* A destination that turns the source down: each reason is a sentence. */
TEST_F_TIMEOUT(source, refusals_are_sentences, 240)
{
	uint8_t why;

	for (why = 0; why <= VMIG_RDMA_REFUSALS; why++) {
		memset(self->peer, 0, sizeof(*self->peer));
		ASSERT_EQ(0, listen_as_b(self->peer, self->a));
		ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
		ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
		ASSERT_EQ(0, verbs_await_request(&self->peer->v));
		ASSERT_EQ(0, verbs_reject(&self->peer->v, &why, sizeof(why)));
		EXPECT_FAILED(self->a, vmig_rdma_message_refusal(why));
		EXPECT_NE(NULL, self->a->message.attrs[VMIG_A_MIGRATION_UNCONNECTED]);
		rdma_peer_close(self->peer);
	}
}

/* A destination that accepts with something else than a hello. */
TEST_F_TIMEOUT(source, bad_acceptance, 60)
{
	ASSERT_EQ(0, listen_as_b(self->peer, self->a));
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	ASSERT_EQ(0, verbs_await_request(&self->peer->v));
	verbs_accept(&self->peer->v, "hello", 5);
	EXPECT_FAILED(self->a, "what answers is no vmig");
}

/* One that never answers: the time for connecting is limited. */
TEST_F_TIMEOUT(source, silent_destination, 60)
{
	ASSERT_EQ(0, listen_as_b(self->peer, self->a));
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	EXPECT_FAILED(self->a, "does not answer within 8 seconds");
	EXPECT_NE(NULL, self->a->message.attrs[VMIG_A_MIGRATION_UNCONNECTED]);
	EXPECT_GT(15000000, nl_u64(&self->a->message,
				   VMIG_A_MIGRATION_ELAPSED));
}

TEST_HARNESS_MAIN
