// SPDX-License-Identifier: GPL-2.0
/*
 * The run builder against a page-by-page model, and the test for zeroes against
 * a page with a single bit set anywhere.
 */
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "migrate/runs.h"

static void build(struct vmig_runs *runs, const u8 *kinds, unsigned int n)
{
	unsigned int i;

	vmig_runs_init(runs);
	for (i = 0; i < n; i++) {
		if (kinds[i] < VMIG_RUN_KINDS)
			vmig_runs_add(runs, i, 1, kinds[i]);
	}
}

static void compare(struct __test_metadata *_metadata,
		    const struct vmig_runs *runs, const u8 *kinds,
		    unsigned int n)
{
	unsigned int pages[VMIG_RUN_KINDS] = { 0 };
	u8 seen[VMIG_WIRE_CHUNK_PAGES];
	unsigned int i, page;

	memset(seen, 0xff, sizeof(seen));
	for (i = 0; i < runs->nruns; i++) {
		const struct vmig_run *run = &runs->run[i];

		for (page = run->first; page < run->first + run->npages; page++) {
			ASSERT_LT(page, n);
			EXPECT_EQ(0xff, seen[page]);
			seen[page] = run->kind;
			pages[run->kind]++;
		}
		/* Neighbours of one kind are one run. */
		if (i && run->first == run[-1].first + run[-1].npages)
			EXPECT_NE(run[-1].kind, run->kind);
	}
	for (i = 0; i < n; i++)
		EXPECT_EQ(kinds[i] < VMIG_RUN_KINDS ? kinds[i] : 0xff, seen[i]);
	for (i = 0; i < VMIG_RUN_KINDS; i++)
		EXPECT_EQ(pages[i], runs->pages[i]);
}

TEST(empty)
{
	struct vmig_runs *runs = malloc(sizeof(*runs));

	vmig_runs_init(runs);
	EXPECT_EQ(0, runs->nruns);
	EXPECT_EQ(0, runs->pages[VMIG_RUN_DATA]);
	free(runs);
}

TEST(alternating_fills_the_table)
{
	struct vmig_runs *runs = malloc(sizeof(*runs));
	u8 kinds[VMIG_WIRE_CHUNK_PAGES];
	unsigned int i;

	for (i = 0; i < VMIG_WIRE_CHUNK_PAGES; i++)
		kinds[i] = i % 2;
	build(runs, kinds, VMIG_WIRE_CHUNK_PAGES);
	EXPECT_EQ(VMIG_WIRE_CHUNK_PAGES, runs->nruns);
	compare(_metadata, runs, kinds, VMIG_WIRE_CHUNK_PAGES);
	free(runs);
}

TEST(random_kinds)
{
	struct vmig_runs *runs = malloc(sizeof(*runs));
	u8 kinds[VMIG_WIRE_CHUNK_PAGES];
	unsigned int turn, i;

	srand(1);
	for (turn = 0; turn < 200; turn++) {
		unsigned int n = 1 + rand() % VMIG_WIRE_CHUNK_PAGES;

		/* 3 stands for a page that is not sent at all. */
		for (i = 0; i < n; i++)
			kinds[i] = i && rand() % 4 ? kinds[i - 1] : rand() % 4;
		build(runs, kinds, n);
		compare(_metadata, runs, kinds, n);
	}
	free(runs);
}

TEST(many_pages_at_once)
{
	struct vmig_runs *runs = malloc(sizeof(*runs));

	vmig_runs_init(runs);
	vmig_runs_add(runs, 0, 100, VMIG_RUN_DATA);
	vmig_runs_add(runs, 100, 12, VMIG_RUN_DATA);
	vmig_runs_add(runs, 112, 400, VMIG_RUN_HOLE);
	EXPECT_EQ(2, runs->nruns);
	EXPECT_EQ(112, runs->run[0].npages);
	EXPECT_EQ(112, runs->pages[VMIG_RUN_DATA]);
	EXPECT_EQ(400, runs->pages[VMIG_RUN_HOLE]);
	free(runs);
}

TEST(zero_page)
{
	u8 *page = aligned_alloc(VMIG_WIRE_PAGE_SIZE, VMIG_WIRE_PAGE_SIZE);
	unsigned int byte;

	memset(page, 0, VMIG_WIRE_PAGE_SIZE);
	EXPECT_TRUE(vmig_runs_page_is_zero(page));
	for (byte = 0; byte < VMIG_WIRE_PAGE_SIZE; byte++) {
		page[byte] = 1 << (byte % 8);
		EXPECT_FALSE(vmig_runs_page_is_zero(page))
			TH_LOG("byte %u", byte);
		page[byte] = 0;
	}
	free(page);
}

TEST_HARNESS_MAIN
