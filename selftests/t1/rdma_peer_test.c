// SPDX-License-Identifier: GPL-2.0
/*
 * A source of RDMA migrations that is not a kernel: strangers who connect, keys
 * that are used for what they are not for, messages that make no sense, a source
 * that dies. Refused by name; nothing is written but what was granted, and only
 * as long as it was; the migration fails at worst.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <asm/byteorder.h>
#include "kselftest_harness.h"
#include "moment.h"
#include "rdma_peer.h"
#include "soft_roce.h"

#define SIZE	(8UL << 20)
#define PAGE	VMIG_WIRE_PAGE_SIZE
#define MARK	0x5a

FIXTURE(peer)
{
	struct pair *pair;
	struct side *a;
	struct side *b;
	struct plan plan;
	struct rdma_peer *peer;
	struct rdma_peer *other;
};

FIXTURE_SETUP(peer)
{
	setenv("VMIG_RDMA", "keep", 1);
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	self->a = &self->pair->a;
	self->b = &self->pair->b;
	self->plan = (struct plan){ .channels = 1 };
	self->peer = calloc(2, sizeof(*self->peer));
	ASSERT_NE(NULL, self->peer);
	self->other = self->peer + 1;
	moment_fill(self->pair);
}

FIXTURE_TEARDOWN(peer)
{
	rdma_peer_close(self->peer);
	rdma_peer_close(self->other);
	pair_close(self->pair);
	free(self->peer);
}

/* The destination waits for a source; its port is in rdma->port. */
static int await_source(struct side *b, const struct plan *plan)
{
	return side_new(b, "a", plan) ||
	       side_call(b, VMIG_CMD_MIGRATION_START) ? -1 : 0;
}

/* A source that has greeted. */
static int greet(struct side *b, const struct plan *plan,
		 struct rdma_peer *peer)
{
	return await_source(b, plan) ||
	       rdma_peer_connect(peer, b->rdma->port, 0) ||
	       rdma_peer_greet(peer, 0, plan->channels, SIZE) ? -1 : 0;
}

static void mark_pages(struct rdma_peer *peer, unsigned char mark)
{
	memset(peer->v.buffer + VERBS_PAGES, mark, 2UL << 20);
}

/* Pages [@first, @end) of b are marked and all the others are zeroes. */
static bool only_marked(const struct side *b, size_t first, size_t end)
{
	size_t i;

	for (i = 0; i < b->size; i++) {
		if (b->mem[i] != (i >= first * PAGE && i < end * PAGE ?
				  MARK : 0)) {
			fprintf(stderr, "# byte %zx is %x\n", i, b->mem[i]);
			return false;
		}
	}
	return true;
}

static int place(struct rdma_peer *peer, const struct vmig_rdma_key *key,
		 size_t len)
{
	return verbs_write(&peer->v, le64_to_cpu(key->address),
			   le32_to_cpu(key->key), len);
}

/* What others are measured by: a source that does all as it should. */
TEST_F_TIMEOUT(peer, good_source, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	mark_pages(self->peer, MARK);
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 512, 512, &key));
	ASSERT_EQ(512 * PAGE, le32_to_cpu(key.len));
	ASSERT_EQ(0, place(self->peer, &key, 512 * PAGE));
	ASSERT_EQ(0, rdma_peer_say(self->peer, VMIG_RDMA_PLACED, NULL, 0));
	ASSERT_EQ(0, rdma_peer_round(self->peer, 1));
	EXPECT_TRUE(only_marked(self->b, 512, 1024));
}

static int placed(struct rdma_peer *peer, const struct vmig_rdma_key *key,
		  size_t len)
{
	return place(peer, key, len) ||
	       rdma_peer_say(peer, VMIG_RDMA_PLACED, NULL, 0) ? -1 : 0;
}

/* The keys of a chunk are there before the one before is written. */
TEST_F_TIMEOUT(peer, one_chunk_ahead, 60)
{
	struct vmig_rdma_key keys[2];
	unsigned int i;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	mark_pages(self->peer, MARK);
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 512, &keys[0]));
	for (i = 1; i < 4; i++) {
		ASSERT_EQ(0, rdma_peer_announce(self->peer, i * 512, 512,
						&keys[i % 2]));
		ASSERT_EQ(0, placed(self->peer, &keys[(i - 1) % 2],
				    512 * PAGE));
	}
	ASSERT_EQ(0, placed(self->peer, &keys[1], 512 * PAGE));
	ASSERT_EQ(0, rdma_peer_round(self->peer, 1));
	EXPECT_TRUE(only_marked(self->b, 0, 4 * 512));
}

TEST_F_TIMEOUT(peer, two_chunks_ahead, 60)
{
	struct vmig_rdma_key keys[2];

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &keys[0]));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 512, 4, &keys[1]));
	ASSERT_EQ(0, rdma_peer_propose(self->peer, 1024, 4));
	EXPECT_FAILED(self->b, "before pages that were announced");
}

/* What a source says at last is heard behind a frame that nobody reads any more. */
TEST_F_TIMEOUT(peer, abort_behind_a_chunk, 60)
{
	const struct vmig_frame abort = {
		.type = VMIG_P_ABORT, .count = ECANCELED, .len = 8,
	};
	struct vmig_rdma_key keys[2];

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &keys[0]));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 512, 4, &keys[1]));
	ASSERT_EQ(0, rdma_peer_propose(self->peer, 1024, 4));
	ASSERT_EQ(0, rdma_peer_send(self->peer, abort, "farewell", 8));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_CANCELLED));
	EXPECT_STREQ("Node a: farewell", side_reason(self->b));
}

/* No round is over while pages of it may be written. */
TEST_F_TIMEOUT(peer, round_before_its_pages, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &key));
	EXPECT_NE(0, rdma_peer_round(self->peer, 1));
	EXPECT_FAILED(self->b, "were not written within 30 seconds");
}

/* Of the same chunk the second pages are behind all that the first were about. */
TEST_F_TIMEOUT(peer, same_chunk_again, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	mark_pages(self->peer, 0xee);
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &key));
	ASSERT_EQ(0, rdma_peer_propose(self->peer, 0, 4));
	/* There is nothing to wait for: the keys must not come. */
	ASSERT_TRUE(verbs_is_quiet(&self->peer->v, 500));
	ASSERT_EQ(0, placed(self->peer, &key, 4 * PAGE));
	ASSERT_EQ(0, rdma_peer_await_key(self->peer, &key));
	EXPECT_EQ(0xee, self->b->mem[0]);
	mark_pages(self->peer, MARK);
	ASSERT_EQ(0, placed(self->peer, &key, 4 * PAGE));
	ASSERT_EQ(0, rdma_peer_round(self->peer, 1));
	EXPECT_TRUE(only_marked(self->b, 0, 4));
}

/* Leave something in memory that is free. */
static int soil_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -1;
	memset(mem, 0xa5, size);
	return munmap(mem, size);
}

/*
 * What a peer says it has written, and has not, is not what somebody else had in
 * that memory. Kernels that zero all they allocate show nothing here.
 */
TEST_F_TIMEOUT(peer, pages_only_claimed, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, soil_memory(256UL << 20));
	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 512, 512, &key));
	ASSERT_EQ(0, rdma_peer_say(self->peer, VMIG_RDMA_PLACED, NULL, 0));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 1024, 8, &key));
	ASSERT_EQ(0, rdma_peer_say(self->peer, VMIG_RDMA_PLACED, NULL, 0));
	ASSERT_EQ(0, rdma_peer_round(self->peer, 1));
	EXPECT_TRUE(only_marked(self->b, 0, 0));
}

/**
 * struct stranger - a connect request that is refused
 * @change: what is wrong with it
 * @len: of what it shows
 */
struct stranger {
	const char *what;
	void (*change)(struct vmig_rdma_hello *hello);
	size_t len;
	enum vmig_rdma_refusal why;
};

#define WHOLE	sizeof(struct vmig_rdma_hello)

static void keep(struct vmig_rdma_hello *hello)
{
	(void)hello;
}

static void change_all(struct vmig_rdma_hello *hello)
{
	memset(hello, 0xa5, sizeof(*hello));
}

static void change_magic(struct vmig_rdma_hello *hello)
{
	hello->magic ^= 1;
}

static void change_version(struct vmig_rdma_hello *hello)
{
	hello->version = cpu_to_le16(VMIG_RDMA_VERSION + 1);
}

static void change_credits(struct vmig_rdma_hello *hello)
{
	hello->credits = 0;
}

static void change_more_credits(struct vmig_rdma_hello *hello)
{
	hello->credits = 0xffff;
}

static void change_reserved(struct vmig_rdma_hello *hello)
{
	hello->reserved = 1;
}

static void change_first_byte(struct vmig_rdma_hello *hello)
{
	hello->secret[0] ^= 1;
}

static void change_last_byte(struct vmig_rdma_hello *hello)
{
	hello->secret[VMIG_RDMA_SECRET_LEN - 1] ^= 1;
}

static void change_channel(struct vmig_rdma_hello *hello)
{
	hello->channel = cpu_to_le16(1);
}

static void change_channel_far(struct vmig_rdma_hello *hello)
{
	hello->channel = 0xffff;
}

static const struct stranger strangers[] = {
	{ "nothing", keep, 0, VMIG_RDMA_REFUSE_MAGIC },
	{ "garbage", change_all, WHOLE, VMIG_RDMA_REFUSE_MAGIC },
	{ "wrong magic", change_magic, WHOLE, VMIG_RDMA_REFUSE_MAGIC },
	{ "wrong version", change_version, WHOLE, VMIG_RDMA_REFUSE_VERSION },
	{ "no credits", change_credits, WHOLE, VMIG_RDMA_REFUSE_MAGIC },
	{ "many credits", change_more_credits, WHOLE, VMIG_RDMA_REFUSE_MAGIC },
	{ "reserved bits", change_reserved, WHOLE, VMIG_RDMA_REFUSE_MAGIC },
	{ "half a secret", keep, WHOLE - 16, VMIG_RDMA_REFUSE_SECRET },
	{ "first byte", change_first_byte, WHOLE, VMIG_RDMA_REFUSE_SECRET },
	{ "last byte", change_last_byte, WHOLE, VMIG_RDMA_REFUSE_SECRET },
	{ "channel 1", change_channel, WHOLE, VMIG_RDMA_REFUSE_CHANNEL },
	{ "far channel", change_channel_far, WHOLE, VMIG_RDMA_REFUSE_CHANNEL },
};

/* Nobody of them harms the migration: the right one connects after them. */
TEST_F_TIMEOUT(peer, strangers_are_refused, 120)
{
	const struct stranger *each;

	ASSERT_EQ(0, side_new(self->b, "a", &self->plan));
	ASSERT_EQ(0, side_call(self->b, VMIG_CMD_MIGRATION_START));
	for (each = strangers; each < strangers + ARRAY_SIZE(strangers);
	     each++) {
		struct vmig_rdma_hello hello = rdma_peer_hello(0);
		struct verbs v = {};

		each->change(&hello);
		ASSERT_EQ(0, verbs_open(&v, SOFT_ROCE_A, SOFT_ROCE_B,
					self->b->rdma->port));
		ASSERT_EQ(1, verbs_connect(&v, &hello, each->len)) {
			TH_LOG("%s", each->what);
		}
		EXPECT_EQ(RDMA_CM_EVENT_REJECTED, v.event);
		EXPECT_LT(0, v.private_len);
		EXPECT_EQ(each->why, v.private[0]) {
			TH_LOG("%s", each->what);
		}
		verbs_close(&v);
	}
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	ASSERT_EQ(0, side_wait_converged(self->a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

/* The same request again, as somebody who has recorded it might send it. */
TEST_F_TIMEOUT(peer, replayed_request, 60)
{
	self->plan.channels = 2;
	ASSERT_EQ(0, await_source(self->b, &self->plan));
	ASSERT_EQ(0, rdma_peer_connect(self->peer, self->b->rdma->port, 0));
	ASSERT_EQ(1, rdma_peer_connect(self->other, self->b->rdma->port, 0));
	EXPECT_EQ(VMIG_RDMA_REFUSE_TAKEN, self->other->v.private[0]);
	rdma_peer_close(self->other);
	/* Also when the first one has gone. */
	rdma_peer_close(self->peer);
	EXPECT_NE(0, rdma_peer_connect(self->other, self->b->rdma->port, 0));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
}

/* Once all channels are there, nobody else is wanted. */
TEST_F_TIMEOUT(peer, late_request, 60)
{
	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	EXPECT_EQ(1, rdma_peer_connect(self->other, self->b->rdma->port, 0));
	EXPECT_EQ(RDMA_CM_EVENT_REJECTED, self->other->v.event);
	/* The one that is there goes on. */
	ASSERT_EQ(0, rdma_peer_round(self->peer, 1));
}

/* Requests that nobody follows up do not keep the right one out. */
TEST_F_TIMEOUT(peer, half_a_request, 60)
{
	struct vmig_rdma_hello hello = rdma_peer_hello(0);
	struct verbs v = {};

	ASSERT_EQ(0, await_source(self->b, &self->plan));
	change_last_byte(&hello);
	ASSERT_EQ(0, verbs_open(&v, SOFT_ROCE_A, SOFT_ROCE_B,
				self->b->rdma->port));
	verbs_connect(&v, &hello, sizeof(hello));
	verbs_close(&v);
	ASSERT_EQ(0, rdma_peer_connect(self->peer, self->b->rdma->port, 0));
	ASSERT_EQ(0, rdma_peer_greet(self->peer, 0, 1, SIZE));
}

/* A key ends with its chunk: before anything is acknowledged. */
TEST_F_TIMEOUT(peer, stale_key, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	mark_pages(self->peer, MARK);
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &key));
	ASSERT_EQ(0, place(self->peer, &key, 4 * PAGE));
	ASSERT_EQ(0, rdma_peer_say(self->peer, VMIG_RDMA_PLACED, NULL, 0));
	ASSERT_EQ(0, rdma_peer_round(self->peer, 1));
	mark_pages(self->peer, 0xee);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, place(self->peer, &key, PAGE));
	EXPECT_TRUE(only_marked(self->b, 0, 4));
	EXPECT_FAILED(self->b, "broke on channel 0: ");
}

/* A key is for the pages that were announced, and for writing. */
TEST_F_TIMEOUT(peer, beyond_the_key, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	mark_pages(self->peer, MARK);
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &key));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, place(self->peer, &key, 5 * PAGE));
	EXPECT_TRUE(only_marked(self->b, 0, 0));
	EXPECT_FAILED(self->b, "broke on channel 0: ");
}

TEST_F_TIMEOUT(peer, before_the_key, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	mark_pages(self->peer, MARK);
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 512, 4, &key));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  verbs_write(&self->peer->v, le64_to_cpu(key.address) - PAGE,
			      le32_to_cpu(key.key), PAGE));
	EXPECT_TRUE(only_marked(self->b, 0, 0));
	EXPECT_FAILED(self->b, "broke on channel 0: ");
}

TEST_F_TIMEOUT(peer, reading_with_the_key, 60)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &key));
	EXPECT_NE(IBV_WC_SUCCESS,
		  verbs_read(&self->peer->v, le64_to_cpu(key.address),
			     le32_to_cpu(key.key), PAGE));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
}

/* A key is for one channel. */
TEST_F_TIMEOUT(peer, key_of_another_channel, 60)
{
	struct vmig_rdma_key key;

	self->plan.channels = 2;
	ASSERT_EQ(0, await_source(self->b, &self->plan));
	ASSERT_EQ(0, rdma_peer_connect(self->peer, self->b->rdma->port, 0));
	ASSERT_EQ(0, rdma_peer_connect(self->other, self->b->rdma->port, 1));
	ASSERT_EQ(0, rdma_peer_greet(self->peer, 0, 2, SIZE));
	ASSERT_EQ(0, rdma_peer_greet(self->other, 1, 2, SIZE));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 4, &key));
	mark_pages(self->other, MARK);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, place(self->other, &key, PAGE));
	EXPECT_TRUE(only_marked(self->b, 0, 0));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
}

/* What a source may not say, after its greeting; @text is in the reason. */
struct nonsense {
	const char *what;
	uint8_t bytes[32];
	size_t len;
	const char *text;
};

static const struct nonsense nonsense[] = {
	{ "less than a header", { VMIG_RDMA_DATA }, 4, "header" },
	{ "nothing", { 0 }, 0, "header" },
	{ "an unknown type", { 77 }, 8, "unknown type" },
	{ "reserved bits", { VMIG_RDMA_CREDIT, 1 }, 8, "reserved" },
	{ "DATA without bytes", { VMIG_RDMA_DATA }, 8, "empty" },
	{ "a wrong length", { VMIG_RDMA_DATA, 0, 0, 0, 9 }, 16, "length" },
	{ "a huge length", { VMIG_RDMA_DATA, 0, 0, 0, 255, 255, 255, 255 }, 16,
	  "length" },
	{ "CREDIT with bytes", { VMIG_RDMA_CREDIT, 0, 0, 0, 8 }, 16, "length" },
	{ "too many credits", { VMIG_RDMA_CREDIT, 0, 255, 255 }, 8, "" },
	{ "GRANT of nothing", { VMIG_RDMA_GRANT }, 8, "GRANT" },
	{ "GRANT from the source", { VMIG_RDMA_GRANT, 0, 0, 0, 16 }, 24, "" },
	{ "PLACED out of the blue", { VMIG_RDMA_PLACED }, 8, "" },
	{ "DATA that is no frame", { VMIG_RDMA_DATA, 0, 0, 0, 24 }, 32, "" },
};

TEST_F_TIMEOUT(peer, nonsense, 240)
{
	const struct nonsense *each;

	for (each = nonsense; each < nonsense + ARRAY_SIZE(nonsense); each++) {
		ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
		rdma_peer_say_raw(self->peer, each->bytes, each->len);
		/* What is wrong for now is only seen when it is due. */
		rdma_peer_round(self->peer, 1);
		rdma_peer_close(self->peer);
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED)) {
			TH_LOG("%s", each->what);
		}
		EXPECT_NE(NULL, strstr(side_reason(self->b), each->text)) {
			TH_LOG("%s: %s", each->what, side_reason(self->b));
		}
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* More messages than the destination has buffers for. */
TEST_F_TIMEOUT(peer, more_than_the_credits, 60)
{
	const struct vmig_rdma_header credit = { .type = VMIG_RDMA_CREDIT };
	unsigned int i;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	for (i = 0; i < 1000; i++) {
		if (rdma_peer_say_raw(self->peer, &credit, sizeof(credit)))
			break;
	}
	TH_LOG("%u messages were taken", i);
	rdma_peer_close(self->peer);
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	TH_LOG("%s", side_reason(self->b));
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* The source dies: as connected, as greeted, with a key, half through. */
TEST_F_TIMEOUT(peer, source_dies, 120)
{
	struct vmig_rdma_key key;
	unsigned int when;

	for (when = 0; when < 4; when++) {
		ASSERT_EQ(0, await_source(self->b, &self->plan));
		ASSERT_EQ(0, rdma_peer_connect(self->peer, self->b->rdma->port,
					       0));
		if (when > 0)
			ASSERT_EQ(0, rdma_peer_greet(self->peer, 0, 1, SIZE));
		if (when > 1)
			ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 8,
							&key));
		if (when > 2)
			ASSERT_EQ(0, place(self->peer, &key, 4 * PAGE));
		rdma_peer_close(self->peer);
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		TH_LOG("%u: %s", when, side_reason(self->b));
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* The source falls silent with a key in its hands: it is taken back. */
TEST_F_TIMEOUT(peer, silent_source, 120)
{
	struct vmig_rdma_key key;

	ASSERT_EQ(0, greet(self->b, &self->plan, self->peer));
	ASSERT_EQ(0, rdma_peer_announce(self->peer, 0, 8, &key));
	EXPECT_FAILED(self->b, "were not written within 30 seconds");
	mark_pages(self->peer, MARK);
	EXPECT_NE(IBV_WC_SUCCESS, place(self->peer, &key, PAGE));
	EXPECT_TRUE(only_marked(self->b, 0, 0));
}

/* The source falls silent before it was greeted, on all channels. */
TEST_F_TIMEOUT(peer, farewells_share_their_time, 120)
{
	struct rdma_peer *peers = calloc(PAIR_CHANNELS, sizeof(*peers));
	uint64_t before;
	unsigned int i;

	ASSERT_NE(NULL, peers);
	self->plan.channels = PAIR_CHANNELS;
	ASSERT_EQ(0, side_new(self->b, "a", &self->plan));
	for (i = 0; i < PAIR_CHANNELS; i++) {
		ASSERT_EQ(0, rdma_peer_connect(&peers[i], self->b->rdma->port,
					       i));
		ASSERT_EQ(0, verbs_die(&peers[i].v));
	}
	ASSERT_EQ(0, side_get(self->b));
	before = nl_u64(&self->b->message, VMIG_A_MIGRATION_ELAPSED);
	ASSERT_EQ(0, side_call(self->b, VMIG_CMD_MIGRATION_CANCEL));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_CANCELLED));
	EXPECT_GT(before + 15000000, nl_u64(&self->b->message,
					    VMIG_A_MIGRATION_ELAPSED));
	for (i = 0; i < PAIR_CHANNELS; i++)
		rdma_peer_close(&peers[i]);
	free(peers);
}

/* A peer has none of the buffers that it says it has. */
TEST_F_TIMEOUT(peer, deaf_source, 120)
{
	const struct vmig_rdma_hello hello = rdma_peer_hello(0);
	struct verbs *v = &self->peer->v;
	const struct rdma_deafness *each;

	for (each = rdma_deafness; each->what; each++) {
		ASSERT_EQ(0, await_source(self->b, &self->plan));
		memset(self->peer, 0, sizeof(*self->peer));
		v->deaf = true;
		v->rnr_retry = each->rnr_retry;
		ASSERT_EQ(0, verbs_open(v, SOFT_ROCE_A, SOFT_ROCE_B,
					self->b->rdma->port));
		ASSERT_EQ(0, verbs_connect(v, &hello, sizeof(hello)));
		self->peer->credits = 4;
		EXPECT_NE(0, rdma_peer_greet(self->peer, 0, 1, SIZE));
		EXPECT_FAILED(self->b, each->text);
		rdma_peer_close(self->peer);
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

TEST_HARNESS_MAIN
