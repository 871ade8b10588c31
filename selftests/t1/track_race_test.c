// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking while everything goes on at once: a copy that is made of what the
 * harvests find, page by page, as a migration makes it, ends up equal to the
 * memory. A write that is lost once stays lost here, as each page belongs to
 * one writer that comes back to it seldom.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "ram.h"

#define SIZE	(8UL << 20)
#define PAGES	(SIZE / RAM_PAGE)
#define LIMIT	120
#define SECONDS	4
#define ROUNDS	5
#define WORKERS	6

FIXTURE(race)
{
	struct ram ram;
	unsigned char *copy;
	atomic_bool stop;
	atomic_uint failed;
	pthread_t threads[WORKERS];
	unsigned int nthreads;
};

FIXTURE_VARIANT(race)
{
	const char *options;
};

FIXTURE_VARIANT_ADD(race, huge) { .options = "huge=always" };
FIXTURE_VARIANT_ADD(race, small) { .options = "huge=never" };

/* Half of it is allocated. */
FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, ram_open(&self->ram, SIZE, variant->options));
	self->copy = calloc(1, SIZE);
	ASSERT_NE(NULL, self->copy);
	memset(self->ram.mem, 0x55, SIZE / 2);
	ASSERT_EQ(0, ram_start(&self->ram));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, ram_close(&self->ram));
	free(self->copy);
}

/* What a thread works on: pages first, first + WORKERS, ... are its own. */
struct worker {
	FIXTURE_DATA(race) *self;
	unsigned int first;
	uint32_t random;
};

static unsigned int own_page(struct worker *w)
{
	return ram_random(&w->random) % (PAGES / WORKERS) * WORKERS + w->first;
}

static void write_some(struct worker *w, unsigned char *mem, unsigned int n)
{
	while (n--) {
		uint32_t *word = (uint32_t *)(mem + own_page(w) * RAM_PAGE);

		word[ram_random(&w->random) % 1024] = ram_random(&w->random);
	}
}

static void work(struct worker *w)
{
	write_some(w, w->self->ram.mem, 10);
}

/* Through the file. */
static void work_file(struct worker *w)
{
	uint32_t value = ram_random(&w->random);
	off_t at = own_page(w) * RAM_PAGE + value % 1000 * 4;

	if (pwrite(w->self->ram.fd, &value, 4, at) != 4)
		atomic_fetch_add(&w->self->failed, 1);
}

/* A mapping that comes, changes and goes, and lies so that nothing is huge. */
static void work_mapping(struct worker *w)
{
	size_t room = SIZE + RAM_PAGE;
	unsigned char *mem, *odd;

	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   w->self->ram.fd, 0);
	odd = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || odd == MAP_FAILED) {
		atomic_fetch_add(&w->self->failed, 1);
		return;
	}
	write_some(w, mem, 10);
	mprotect(mem, SIZE, PROT_READ);
	mprotect(mem, SIZE, PROT_READ | PROT_WRITE);
	write_some(w, mem, 10);
	if (mremap(mem, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   odd + RAM_PAGE) == MAP_FAILED)
		atomic_fetch_add(&w->self->failed, 1);
	else
		write_some(w, odd + RAM_PAGE, 10);
	munmap(odd, room);
}

/* What a balloon does. */
static void work_punch(struct worker *w)
{
	if (fallocate(w->self->ram.fd, FALLOC_FL_PUNCH_HOLE |
		      FALLOC_FL_KEEP_SIZE, own_page(w) * RAM_PAGE, RAM_PAGE))
		atomic_fetch_add(&w->self->failed, 1);
	write_some(w, w->self->ram.mem, 3);
}

static void work_fork(struct worker *w)
{
	pid_t child = fork();

	if (!child) {
		write_some(w, w->self->ram.mem, 20);
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		atomic_fetch_add(&w->self->failed, 1);
	/* The child used up numbers of its own. */
	ram_random(&w->random);
}

/* The kernel copies, through get_user_pages() and by page faults. */
static void work_kernel(struct worker *w)
{
	unsigned char *at = w->self->ram.mem + own_page(w) * RAM_PAGE;
	uint32_t value = ram_random(&w->random);
	int pipes[2];

	if (pipe(pipes) || write(pipes[1], &value, 4) != 4 ||
	    read(pipes[0], at, 4) != 4)
		atomic_fetch_add(&w->self->failed, 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void (*const works[WORKERS])(struct worker *w) = {
	work, work_file, work_mapping, work_punch, work_fork, work_kernel,
};

static void *run_worker(void *arg)
{
	/* On one processor there would hardly be a round of harvests. */
	struct timespec pause = { .tv_nsec = 1000000 };
	struct worker *w = arg;

	while (!atomic_load(&w->self->stop)) {
		works[w->first](w);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static unsigned int differing(unsigned char *a, unsigned char *b)
{
	unsigned int page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += !!memcmp(a + page * RAM_PAGE, b + page * RAM_PAGE,
			      RAM_PAGE);
	return n;
}

TEST_F_TIMEOUT(race, no_write_is_lost, LIMIT)
{
	int compact = open("/proc/sys/vm/compact_memory", O_WRONLY);
	struct worker workers[WORKERS];
	unsigned int i, rounds = 0;
	time_t end = time(NULL) + SECONDS;

	for (i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ self, i, i + 1 };
		ASSERT_EQ(0, pthread_create(&self->threads[i], NULL, run_worker,
					    &workers[i]));
	}
	do {
		ASSERT_LE(0, ram_collect(&self->ram, self->copy, false));
		if (++rounds % 16 == 0)
			ASSERT_EQ(1, write(compact, "1", 1));
	} while (time(NULL) < end || rounds < ROUNDS);
	atomic_store(&self->stop, true);
	for (i = 0; i < WORKERS; i++)
		pthread_join(self->threads[i], NULL);
	close(compact);
	EXPECT_EQ(0, atomic_load(&self->failed));
	ASSERT_LE(0, ram_collect(&self->ram, self->copy, true));
	TH_LOG("%u rounds", rounds);
	EXPECT_EQ(0, differing(self->ram.mem, self->copy));
	EXPECT_EQ(0, ram_harvest(&self->ram, false));
}

/* One page a chunk, each written again the moment it is write-protected. */
static void *heat(void *arg)
{
	struct worker *w = arg;
	unsigned int page = 0;

	while (!atomic_load(&w->self->stop)) {
		(*ram_word(&w->self->ram, page, w->first))++;
		page = (page + RAM_CHUNK_PAGES) % PAGES;
	}
	return NULL;
}

/*
 * What a harvest without the folio lock would lose: it gets between the fault's
 * note and its entry, and the page stays writable and clean for good. Takes two
 * processors to happen, and final harvests: others find the fault's reference.
 */
TEST_F_TIMEOUT(race, no_write_slips_through, LIMIT)
{
	struct worker w[2] = { { self, 0, 0 }, { self, 1, 0 } };
	unsigned int i, rounds = 0, found = 0;
	time_t end = time(NULL) + SECONDS;

	ASSERT_LE(0, ram_collect(&self->ram, self->copy, false));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&self->threads[i], NULL, heat,
					    &w[i]));
	do {
		int n = ram_collect(&self->ram, self->copy, true);

		ASSERT_LE(0, n);
		found += n;
		rounds++;
	} while (time(NULL) < end);
	atomic_store(&self->stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(self->threads[i], NULL);
	ASSERT_LE(0, ram_collect(&self->ram, self->copy, true));
	TH_LOG("%u rounds, %u pages", rounds, found);
	EXPECT_EQ(0, differing(self->ram.mem, self->copy));
}

/* Tracking stops and starts under writers; the last round still has it all. */
TEST_F_TIMEOUT(race, starts_and_stops, LIMIT)
{
	struct worker w[2] = { { self, 0, 1 }, { self, 3, 2 } };
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&self->threads[i], NULL, run_worker,
					    &w[i]));
	for (i = 0; i < 10; i++) {
		ASSERT_LE(0, ram_collect(&self->ram, self->copy, false));
		ASSERT_LE(0, ram_collect(&self->ram, self->copy, false));
		ram_stop(&self->ram);
		memset(self->copy, 0, SIZE);
		ASSERT_EQ(0, ram_start(&self->ram));
	}
	ASSERT_LE(0, ram_collect(&self->ram, self->copy, false));
	atomic_store(&self->stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(self->threads[i], NULL);
	ASSERT_LE(0, ram_collect(&self->ram, self->copy, true));
	EXPECT_EQ(0, differing(self->ram.mem, self->copy));
}

TEST_HARNESS_MAIN
