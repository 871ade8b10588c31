// SPDX-License-Identifier: GPL-2.0
/*
 * Memory moves from one node to another, byte for byte, whatever the number of
 * channels, the size of pages, and what is written meanwhile.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "pair.h"

#define SIZE		((32UL << 20) + 3 * PAIR_PAGE)
#define PAGES		(SIZE / PAIR_PAGE)
#define CHUNK_PAGES	512

static uint32_t random_state = 1;

static uint32_t random_u32(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static void fill_page(unsigned char *mem, unsigned int page)
{
	uint32_t *word = (uint32_t *)(mem + page * PAIR_PAGE);
	unsigned int i;

	for (i = 0; i < PAIR_PAGE / sizeof(*word); i++)
		word[i] = random_u32();
}

/*
 * Chunk by chunk what memory can be like: all data, all holes, zeroes, single
 * pages, alternating ones, a page with one byte in it, and the short last one.
 */
static void fill_memory(unsigned char *mem)
{
	unsigned int page;

	for (page = 0; page < PAGES; page++) {
		switch (page / CHUNK_PAGES) {
		case 0: case 1: case 2: case 9: case 16:
			fill_page(mem, page);
			break;
		case 4: case 10:
			*(volatile unsigned char *)(mem + page * PAIR_PAGE) = 0;
			break;
		case 5: case 11:
			if (page % 2)
				fill_page(mem, page);
			break;
		case 6:
			mem[page * PAIR_PAGE + page % PAIR_PAGE] = 1;
			break;
		case 7:
			if (!(page % 100))
				fill_page(mem, page);
			break;
		}
	}
}

FIXTURE(migrate)
{
	struct pair *pair;
};

FIXTURE_VARIANT(migrate)
{
	const char *options;
	struct plan plan;
};

FIXTURE_VARIANT_ADD(migrate, one_channel_huge)
{
	.options = "huge=always", .plan = { .channels = 1 },
};

FIXTURE_VARIANT_ADD(migrate, two_channels_small_verify)
{
	.options = "huge=never", .plan = { .channels = 2, .verify = true },
};

FIXTURE_VARIANT_ADD(migrate, four_channels_huge_verify)
{
	.options = "huge=always", .plan = { .channels = 4, .verify = true },
};

FIXTURE_VARIANT_ADD(migrate, sixteen_channels_small)
{
	.options = "huge=never", .plan = { .channels = 16 },
};

FIXTURE_SETUP(migrate)
{
	self->pair = pair_open(variant->options);
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
}

FIXTURE_TEARDOWN(migrate)
{
	pair_close(self->pair);
}

static long allocated(struct side *side)
{
	struct stat st;

	return fstat(side->fd, &st) ? -1 : st.st_blocks / 8;
}

TEST_F_TIMEOUT(migrate, idle_memory, 120)
{
	struct side *a = &self->pair->a, *b = &self->pair->b;
	uint64_t data, wire;

	fill_memory(a->mem);
	ASSERT_EQ(0, pair_start(self->pair, &variant->plan));
	ASSERT_EQ(0, side_wait_converged(a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(side_counter(a, VMIG_A_COUNTERS_DIGEST),
		  side_counter(b, VMIG_A_COUNTERS_DIGEST));
	data = side_counter(a, VMIG_A_COUNTERS_DATA_PAGES);
	wire = side_counter(a, VMIG_A_COUNTERS_WIRE_BYTES);
	EXPECT_EQ(data, side_counter(b, VMIG_A_COUNTERS_DATA_PAGES));
	EXPECT_GE(PAGES, data + side_counter(a, VMIG_A_COUNTERS_ZERO_PAGES) +
		  side_counter(a, VMIG_A_COUNTERS_HOLE_PAGES));
	/* Nothing is sent twice, and what is not data costs next to nothing. */
	EXPECT_GE(data * (PAIR_PAGE + 64) + 16384, wire);
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
	EXPECT_EQ(0, pair_remove_vm(a));
	EXPECT_EQ(0, pair_remove_vm(b));
}

/* SEEK_DATA on both sides: pages that are no holes on b are none on a. */
TEST_F_TIMEOUT(migrate, holes_stay_holes, 120)
{
	struct side *a = &self->pair->a, *b = &self->pair->b;
	off_t at = 0;

	fill_memory(a->mem);
	ASSERT_EQ(0, pair_start(self->pair, &variant->plan));
	ASSERT_EQ(0, side_wait_converged(a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_GE(allocated(a), allocated(b));
	for (;;) {
		off_t end;

		at = lseek(b->fd, at, SEEK_DATA);
		if (at < 0)
			break;
		end = lseek(b->fd, at, SEEK_HOLE);
		for (; at < end; at += PAIR_PAGE) {
			EXPECT_EQ(at, lseek(a->fd, at, SEEK_DATA)) {
				TH_LOG("page %ld is a hole on a only",
				       (long)(at / PAIR_PAGE));
				return;
			}
		}
	}
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

/* What the destination had before does not shine through. */
TEST_F_TIMEOUT(migrate, garbage_on_the_destination, 120)
{
	struct side *a = &self->pair->a, *b = &self->pair->b;

	fill_memory(a->mem);
	memset(b->mem, 0xa5, b->size);
	ASSERT_EQ(0, pair_start(self->pair, &variant->plan));
	ASSERT_EQ(0, side_wait_converged(a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

struct writer {
	pthread_t thread;
	struct side *side;
	atomic_bool stop;
	unsigned long writes;
	unsigned int pages;
	bool punch;
};

/* Writes words, zeroes and holes all over the memory until it is stopped. */
static void *write_all_the_time(void *arg)
{
	struct writer *writer = arg;
	unsigned char *mem = writer->side->mem;
	uint64_t value = 0;
	uint32_t state = 7;

	while (!atomic_load(&writer->stop)) {
		unsigned int page, word;

		state = state * 1664525 + 1013904223;
		page = (state >> 8) % writer->pages;
		word = (state >> 5) % (PAIR_PAGE / 8);
		if (writer->punch && !(state >> 8 & 0xff))
			fallocate(writer->side->fd,
				  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  page * PAIR_PAGE, (1 + page % 40) * PAIR_PAGE);
		else if (!(state >> 8 & 0x1f))
			memset(mem + page * PAIR_PAGE, 0, PAIR_PAGE);
		else
			((volatile uint64_t *)(mem + page * PAIR_PAGE))[word] =
				++value;
		writer->writes++;
	}
	return NULL;
}

TEST_F_TIMEOUT(migrate, under_a_writer, 400)
{
	struct writer writer = {
		.side = &self->pair->a, .pages = PAGES, .punch = true,
	};
	struct side *a = &self->pair->a;
	struct plan plan = variant->plan;

	/* Any blackout will do: what counts is the bytes. */
	plan.max_blackout = 60000;
	fill_memory(a->mem);
	ASSERT_EQ(0, pthread_create(&writer.thread, NULL, write_all_the_time,
				    &writer));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(a));
	/* A few rounds more. */
	ASSERT_EQ(0, side_wait_rounds(a, 5));
	atomic_store(&writer.stop, true);
	pthread_join(writer.thread, NULL);
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_LT(0, side_counter(a, VMIG_A_COUNTERS_TRACKED_FAULTS));
	EXPECT_LT(1000, writer.writes);
	EXPECT_EQ(-1, pair_differs(self->pair)) {
		TH_LOG("byte %lx differs after %lu writes",
		       pair_differs(self->pair), writer.writes);
	}
	ASSERT_EQ(0, pair_finish(self->pair));
}

/* There and back: what was the destination can be a source at once. */
TEST_F_TIMEOUT(migrate, there_and_back, 120)
{
	struct side *a = &self->pair->a, *b = &self->pair->b, third;

	fill_memory(a->mem);
	ASSERT_EQ(0, pair_start(self->pair, &variant->plan));
	ASSERT_EQ(0, side_wait_converged(a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
	fill_page(b->mem, 3);
	fill_page(b->mem, 4000);
	third = *a, *a = *b, *b = third;
	a->role = VMIG_ROLE_SOURCE;
	b->role = VMIG_ROLE_DESTINATION;
	ASSERT_EQ(0, pair_connect(self->pair, variant->plan.channels));
	ASSERT_EQ(0, side_new(b, "b", &variant->plan));
	ASSERT_EQ(0, side_new(a, "a", &variant->plan));
	ASSERT_EQ(0, side_call(b, VMIG_CMD_MIGRATION_START));
	ASSERT_EQ(0, side_call(a, VMIG_CMD_MIGRATION_START));
	ASSERT_EQ(0, side_wait_converged(a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

FIXTURE(busy)
{
	struct pair *pair;
};

FIXTURE_SETUP(busy)
{
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
}

FIXTURE_TEARDOWN(busy)
{
	pair_close(self->pair);
}

/*
 * A writer that dirties all of its memory faster than the cable lets it move:
 * without a throttle this never ends.
 */
TEST_F_TIMEOUT(busy, converges_by_throttle, 400)
{
	struct writer writer = { .side = &self->pair->a, .pages = PAGES };
	struct side *a = &self->pair->a;
	struct plan plan = { .channels = 2, .max_blackout = 500 };

	ASSERT_EQ(0, pair_impair(self->pair, "rate 64mbit limit 20000"));
	fill_memory(a->mem);
	ASSERT_EQ(0, pthread_create(&writer.thread, NULL, write_all_the_time,
				    &writer));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(a));
	EXPECT_GE(plan.max_blackout * 1000ULL,
		  side_counter(a, VMIG_A_COUNTERS_PREDICTED_BLACKOUT));
	EXPECT_LT(0, side_counter(a, VMIG_A_COUNTERS_THROTTLE));
	TH_LOG("round %lu, %lu KiB left, %lu ms of throttle",
	       (unsigned long)side_counter(a, VMIG_A_COUNTERS_ROUND),
	       (unsigned long)side_counter(a, VMIG_A_COUNTERS_REMAINING_BYTES) >> 10,
	       (unsigned long)side_counter(a, VMIG_A_COUNTERS_THROTTLE) / 1000);
	atomic_store(&writer.stop, true);
	pthread_join(writer.thread, NULL);
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

TEST_HARNESS_MAIN
