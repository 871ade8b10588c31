// SPDX-License-Identifier: GPL-2.0
/*
 * DMA in flight: a disk is read with O_DIRECT into memory that is harvested and
 * copied meanwhile. Data that lands after the copy must make the page dirty
 * again. Each block is read once and the disk is slow: with a fast one, or when
 * pages are read again, a loss heals before it is seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "ram.h"
#include "slow_disk.h"

#define MIB	4U
#define SIZE	((size_t)MIB << 20)
#define PAGES	(SIZE / RAM_PAGE)
#define READERS	8
#define LIMIT	120

FIXTURE(dma)
{
	struct ram ram;
	unsigned char *copy;
	int disk;
	atomic_uint next;	/* block to be read next */
	atomic_uint failed;
	atomic_uint ended;	/* readers */
};

FIXTURE_VARIANT(dma)
{
	const char *options;
};

FIXTURE_VARIANT_ADD(dma, huge) { .options = "huge=always" };
FIXTURE_VARIANT_ADD(dma, small) { .options = "huge=never" };

static void fill(unsigned char *page, unsigned int block)
{
	uint32_t state = block * 7919 + 1, *word = (uint32_t *)page;
	unsigned int i;

	for (i = 0; i < RAM_PAGE / sizeof(*word); i++)
		word[i] = ram_random(&state);
}

/* A disk of blocks that all differ, and memory that is all allocated. */
FIXTURE_SETUP(dma)
{
	unsigned int block;

	ASSERT_EQ(0, ram_open(&self->ram, SIZE, variant->options));
	self->disk = slow_disk_open(MIB);
	if (self->disk == -ENODEV)
		SKIP(return, "no null_blk with configfs here");
	ASSERT_LE(0, self->disk);
	for (block = 0; block < PAGES; block++)
		fill(self->ram.mem + block * RAM_PAGE, block);
	ASSERT_EQ((ssize_t)SIZE, write(self->disk, self->ram.mem, SIZE));
	memset(self->ram.mem, 0xee, SIZE);
	ASSERT_EQ(0, slow_disk_slow(self->disk, 200));
	self->copy = calloc(1, SIZE);
	ASSERT_NE(NULL, self->copy);
	ASSERT_EQ(0, ram_start(&self->ram));
	ASSERT_EQ((int)PAGES, ram_collect(&self->ram, self->copy, false));
}

FIXTURE_TEARDOWN(dma)
{
	slow_disk_close(self->disk);
	EXPECT_EQ(0, ram_close(&self->ram));
	free(self->copy);
}

/* Blocks go to pages in another order, so that neighbours land at odd times. */
static unsigned int page_of(unsigned int block)
{
	return block * 101 % PAGES;
}

static void *read_blocks(void *arg)
{
	FIXTURE_DATA(dma) *self = arg;
	unsigned int block;

	while ((block = atomic_fetch_add(&self->next, 1)) < PAGES)
		if (pread(self->disk, self->ram.mem + page_of(block) * RAM_PAGE,
			  RAM_PAGE, block * RAM_PAGE) != RAM_PAGE)
			atomic_fetch_add(&self->failed, 1);
	atomic_fetch_add(&self->ended, 1);
	return NULL;
}

TEST_F_TIMEOUT(dma, late_data_is_not_lost, LIMIT)
{
	struct timespec pause = { .tv_nsec = 5000000 };
	unsigned int i, block, bad = 0, lost = 0;
	pthread_t readers[READERS];
	unsigned char want[RAM_PAGE];
	struct ram_counters c;

	for (i = 0; i < READERS; i++)
		ASSERT_EQ(0, pthread_create(&readers[i], NULL, read_blocks,
					    self));
	while (atomic_load(&self->ended) < READERS) {
		ASSERT_LE(0, ram_collect(&self->ram, self->copy, false));
		nanosleep(&pause, NULL);
	}
	for (i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	ASSERT_EQ(0, atomic_load(&self->failed));
	ASSERT_EQ(0, ram_counters(&self->ram, &c));
	ASSERT_LE(0, ram_collect(&self->ram, self->copy, true));

	for (block = 0; block < PAGES; block++) {
		fill(want, block);
		i = page_of(block);
		bad += !!memcmp(want, self->ram.mem + i * RAM_PAGE, RAM_PAGE);
		lost += !!memcmp(want, self->copy + i * RAM_PAGE, RAM_PAGE);
	}
	TH_LOG("%zu pages read, %llu times one was sent and left dirty", PAGES,
	       c.sticky);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, lost);
	/* Otherwise no data landed late, and this has shown nothing. */
	EXPECT_LT(100, c.sticky);
	EXPECT_EQ(0, ram_harvest(&self->ram, false));
}

TEST_HARNESS_MAIN
