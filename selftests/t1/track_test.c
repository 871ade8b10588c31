// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking: what a harvest finds is what was written since the last one, no
 * page less and, while nobody writes, no page more; whoever writes and however.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "ram.h"

#define SIZE	(16UL << 20)
#define LIMIT	120

FIXTURE(track)
{
	struct ram ram;
	uint8_t *written;
};

FIXTURE_VARIANT(track)
{
	const char *options;
	bool huge;
};

FIXTURE_VARIANT_ADD(track, huge) { .options = "huge=always", .huge = true };
FIXTURE_VARIANT_ADD(track, small) { .options = "huge=never" };

/* All of the memory is allocated, tracked, and clean. */
FIXTURE_SETUP(track)
{
	unsigned int page;

	ASSERT_EQ(0, ram_open(&self->ram, SIZE, variant->options));
	self->written = calloc(self->ram.pages, 1);
	for (page = 0; page < self->ram.pages; page++)
		*ram_word(&self->ram, page, 0) = page;
	ASSERT_EQ(variant->huge ? (long)SIZE >> 10 : 0, ram_huge_kib());
	ASSERT_EQ(0, ram_start(&self->ram));
	ASSERT_EQ((int)self->ram.pages, ram_harvest(&self->ram, false));
	ASSERT_EQ(0, ram_harvest(&self->ram, false));
}

FIXTURE_TEARDOWN(track)
{
	EXPECT_EQ(0, ram_close(&self->ram));
	free(self->written);
}

#define NOTE(page)	(self->written[(page)] = 1)

#define EXPECT_WRITTEN_FOUND()						\
	do {								\
		EXPECT_LE(0, ram_harvest(&self->ram, false));		\
		EXPECT_EQ(0, memcmp(self->written, self->ram.found,	\
				    self->ram.pages));			\
		EXPECT_EQ(0, ram_harvest(&self->ram, false));		\
		memset(self->written, 0, self->ram.pages);		\
	} while (0)

static void write_word(struct ram *ram, unsigned int page)
{
	(*ram_word(ram, page, 7))++;
}

TEST_F_TIMEOUT(track, finds_what_was_written, LIMIT)
{
	uint32_t random = 1;
	unsigned int round, i;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < 300U << round; i++) {
			unsigned int page = ram_random(&random) % self->ram.pages;

			write_word(&self->ram, page);
			NOTE(page);
		}
		EXPECT_WRITTEN_FOUND();
	}
	EXPECT_EQ(0, ram_huge_kib());
}

TEST_F_TIMEOUT(track, finds_dense_and_sparse_runs, LIMIT)
{
	static const unsigned int runs[][3] = {	/* first, end, step */
		{ 0, 1, 1 }, { 511, 513, 1 }, { 600, 603, 1 }, { 700, 705, 1 },
		{ 1024, 1536, 1 }, { 1600, 1800, 2 }, { 2048, 2560, 511 },
		{ 4000, 4096, 1 },
	};
	unsigned int i, page;

	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		for (page = runs[i][0]; page < runs[i][1]; page += runs[i][2]) {
			write_word(&self->ram, page);
			NOTE(page);
		}
		EXPECT_WRITTEN_FOUND();
	}
}

TEST_F_TIMEOUT(track, reading_dirties_nothing, LIMIT)
{
	uint64_t sum = 0;
	unsigned int page;

	for (page = 0; page < self->ram.pages; page++)
		sum += *ram_word(&self->ram, page, 0);
	EXPECT_EQ((uint64_t)self->ram.pages * (self->ram.pages - 1) / 2, sum);
	EXPECT_WRITTEN_FOUND();
}

TEST_F_TIMEOUT(track, counts, LIMIT)
{
	struct ram_counters before, after;
	unsigned int page;

	ASSERT_EQ(0, ram_counters(&self->ram, &before));
	EXPECT_EQ(0, before.remaining);
	for (page = 0; page < 100; page++) {
		write_word(&self->ram, 3 * page);
		write_word(&self->ram, 3 * page);
	}
	ASSERT_EQ(0, ram_counters(&self->ram, &after));
	EXPECT_EQ(100, after.remaining);
	EXPECT_EQ(100, after.faults - before.faults);
	EXPECT_EQ(0, after.sticky);
}

TEST_F_TIMEOUT(track, sees_the_file_written, LIMIT)
{
	char text[3 * RAM_PAGE];

	memset(text, 'x', sizeof(text));
	ASSERT_EQ(10, pwrite(self->ram.fd, text, 10, 20 * RAM_PAGE + 4090));
	NOTE(20);
	NOTE(21);
	ASSERT_EQ((ssize_t)sizeof(text), pwrite(self->ram.fd, text,
						sizeof(text), 600 * RAM_PAGE));
	NOTE(600);
	NOTE(601);
	NOTE(602);
	EXPECT_WRITTEN_FOUND();
	EXPECT_EQ('x', self->ram.mem[21 * RAM_PAGE]);
}

/* read(2), a pipe, vmsplice(2): the kernel copies to the mapping. */
TEST_F_TIMEOUT(track, sees_the_kernel_copy, LIMIT)
{
	struct iovec iov = { self->ram.mem + 900 * RAM_PAGE, 2 * RAM_PAGE };
	int zero = open("/dev/zero", O_RDONLY), pipes[2];
	char text[2 * RAM_PAGE];

	memset(text, 'y', sizeof(text));
	ASSERT_EQ((ssize_t)RAM_PAGE, read(zero, self->ram.mem + 100 * RAM_PAGE,
					  RAM_PAGE));
	NOTE(100);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((ssize_t)sizeof(text), write(pipes[1], text, sizeof(text)));
	ASSERT_EQ((ssize_t)sizeof(text), read(pipes[0], self->ram.mem +
					      600 * RAM_PAGE, sizeof(text)));
	NOTE(600);
	NOTE(601);
	ASSERT_EQ((ssize_t)sizeof(text), write(pipes[1], text, sizeof(text)));
	ASSERT_EQ((ssize_t)sizeof(text), vmsplice(pipes[0], &iov, 1, 0));
	NOTE(900);
	NOTE(901);
	close(pipes[0]);
	close(pipes[1]);
	close(zero);
	EXPECT_WRITTEN_FOUND();
}

/* Another process writes through get_user_pages(), as a debugger does. */
TEST_F_TIMEOUT(track, sees_other_processes, LIMIT)
{
	struct iovec from = { "deed", 4 };
	struct iovec to = { self->ram.mem + 700 * RAM_PAGE, 4 };
	int mem = open("/proc/self/mem", O_RDWR), status;
	pid_t child;

	if (process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 4)
		NOTE(700);
	else
		ASSERT_EQ(ENOSYS, errno);
	ASSERT_EQ(4, pwrite(mem, "deed", 4, (off_t)(uintptr_t)self->ram.mem +
			    800 * RAM_PAGE));
	NOTE(800);
	close(mem);
	EXPECT_WRITTEN_FOUND();

	child = fork();
	if (!child) {
		write_word(&self->ram, 11);
		write_word(&self->ram, 1234);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	NOTE(11);
	NOTE(1234);
	EXPECT_WRITTEN_FOUND();
}

/* Mapped elsewhere, and where no huge page fits. */
TEST_F_TIMEOUT(track, sees_other_mappings, LIMIT)
{
	size_t part = 600 * RAM_PAGE;
	char *other, *moved, *odd;

	other = mmap(NULL, part, PROT_READ | PROT_WRITE, MAP_SHARED,
		     self->ram.fd, RAM_PAGE);
	ASSERT_NE(MAP_FAILED, other);
	other[5 * RAM_PAGE]++;
	NOTE(6);
	EXPECT_WRITTEN_FOUND();

	moved = mremap(other, part, 2 * part, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, moved);
	moved[5 * RAM_PAGE]++;
	moved[700 * RAM_PAGE]++;
	NOTE(6);
	NOTE(701);
	EXPECT_WRITTEN_FOUND();

	odd = mmap(NULL, 3 * part, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	ASSERT_NE(MAP_FAILED, odd);
	odd = mremap(moved, 2 * part, 2 * part, MREMAP_MAYMOVE | MREMAP_FIXED,
		     odd + 3 * RAM_PAGE);
	ASSERT_NE(MAP_FAILED, odd);
	odd[5 * RAM_PAGE]++;
	NOTE(6);
	EXPECT_WRITTEN_FOUND();
	munmap(odd, 2 * part);
	EXPECT_WRITTEN_FOUND();
}

TEST_F_TIMEOUT(track, sees_a_mapping_made_again, LIMIT)
{
	write_word(&self->ram, 77);
	NOTE(77);
	munmap(self->ram.mem, SIZE);
	EXPECT_WRITTEN_FOUND();

	self->ram.mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			     self->ram.fd, 0);
	ASSERT_NE(MAP_FAILED, self->ram.mem);
	write_word(&self->ram, 77);
	NOTE(77);
	EXPECT_WRITTEN_FOUND();
}

/*
 * mprotect() makes an entry that is dirty writable again without asking the
 * file system: a harvest has to leave none dirty.
 */
TEST_F_TIMEOUT(track, is_not_fooled_by_mprotect, LIMIT)
{
	unsigned int few = 3, many = 200, page;

	for (page = 0; page < few; page++)
		NOTE(page);
	for (page = 1024; page < 1024 + many; page++)
		NOTE(page);
	for (page = 0; page < self->ram.pages; page++)
		if (self->written[page])
			write_word(&self->ram, page);
	ASSERT_EQ(0, mprotect(self->ram.mem, SIZE, PROT_READ));
	ASSERT_EQ((int)(few + many), ram_harvest(&self->ram, false));
	ASSERT_EQ(0, mprotect(self->ram.mem, SIZE, PROT_READ | PROT_WRITE));
	for (page = 0; page < self->ram.pages; page++)
		if (self->written[page])
			write_word(&self->ram, page);
	EXPECT_WRITTEN_FOUND();
}

TEST_F_TIMEOUT(track, sees_punches, LIMIT)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	unsigned int page;

	ASSERT_EQ(0, fallocate(self->ram.fd, mode, 10 * RAM_PAGE, RAM_PAGE));
	NOTE(10);
	ASSERT_EQ(0, fallocate(self->ram.fd, mode, 30 * RAM_PAGE + 10, RAM_PAGE));
	NOTE(30);
	NOTE(31);
	ASSERT_EQ(0, fallocate(self->ram.fd, mode, 2 * RAM_CHUNK, RAM_CHUNK));
	for (page = 1024; page < 1536; page++)
		NOTE(page);
	EXPECT_WRITTEN_FOUND();
	EXPECT_EQ(0, *ram_word(&self->ram, 10, 0));
	EXPECT_EQ(9, *ram_word(&self->ram, 9, 0));
	EXPECT_EQ(0, *ram_word(&self->ram, 1500, 0));

	/* A hole that was punched before is no news, nor is reading it. */
	ASSERT_EQ(0, fallocate(self->ram.fd, mode, 10 * RAM_PAGE, RAM_PAGE));
	ASSERT_LE(0, ram_harvest(&self->ram, false));
	write_word(&self->ram, 1100);
	NOTE(1100);
	EXPECT_WRITTEN_FOUND();
}

TEST_F_TIMEOUT(track, throttles_writers_only, LIMIT)
{
	struct timespec begin, end;
	struct ram_counters c;
	unsigned int page;
	long ms;

	ASSERT_EQ(0, ram_command(&self->ram, "throttle 100"));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (page = 0; page < 21; page++)
		write_word(&self->ram, page);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ms = (end.tv_sec - begin.tv_sec) * 1000 +
	     (end.tv_nsec - begin.tv_nsec) / 1000000;
	EXPECT_LE(190, ms);
	ASSERT_EQ(0, ram_counters(&self->ram, &c));
	EXPECT_LE(150000, c.waited_us);

	/* Pages that are dirty already, and reads, pass. */
	ASSERT_EQ(0, ram_command(&self->ram, "throttle 100"));
	for (page = 0; page < 2000; page++)
		(void)*ram_word(&self->ram, page, 0);
	for (page = 0; page < 21; page++)
		write_word(&self->ram, page);
	ASSERT_EQ(0, ram_counters(&self->ram, &c));
	EXPECT_GT(300000, c.waited_us);
}

/* The next round of tracking knows nothing of this one. */
TEST_F_TIMEOUT(track, starts_anew, LIMIT)
{
	write_word(&self->ram, 5);
	ram_stop(&self->ram);
	write_word(&self->ram, 6);
	ASSERT_EQ(0, ram_start(&self->ram));
	EXPECT_EQ((int)self->ram.pages, ram_harvest(&self->ram, false));
	write_word(&self->ram, 7);
	NOTE(7);
	EXPECT_WRITTEN_FOUND();
}

/* How many areas map the region, and how many of them are not for children. */
static void count_areas(struct ram *ram, unsigned int *areas, unsigned int *kept)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool ours = false;

	*areas = 0;
	*kept = 0;
	while (fgets(line, sizeof(line), smaps)) {
		if (strstr(line, "-") && strstr(line, " r") &&
		    strchr(line, ':') && !strstr(line, "kB"))
			ours = strstr(line, ram->file);
		*areas += ours && strstr(line, ram->file);
		*kept += ours && !strncmp(line, "VmFlags", 7) &&
			 strstr(line, " dc") && strstr(line, " dd");
	}
	fclose(smaps);
}

/* Memory that was tracked is huge again, in the mapping that it was in. */
TEST_F_TIMEOUT(track, gets_huge_again, LIMIT)
{
	unsigned int page, areas, kept, bad = 0, tries = 0;
	long huge = variant->huge ? (long)SIZE >> 10 : 0;

	ASSERT_EQ(0, madvise(self->ram.mem, SIZE, MADV_DONTFORK));
	ASSERT_EQ(0, madvise(self->ram.mem, SIZE, MADV_DONTDUMP));
	for (page = 0; page < self->ram.pages; page++)
		*ram_word(&self->ram, page, 3) = page + 9;
	EXPECT_EQ(0, ram_huge_kib());
	ram_stop(&self->ram);
	do {
		for (page = 0; page < self->ram.pages; page++)
			bad += *ram_word(&self->ram, page, 3) != page + 9;
		usleep(10000);
	} while (ram_huge_kib() != huge && ++tries < 1000);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(huge, ram_huge_kib());
	count_areas(&self->ram, &areas, &kept);
	EXPECT_GE(2, areas);
	EXPECT_EQ(areas, kept);

	/* What cannot be kept by mapping anew is left alone. */
	ASSERT_EQ(0, ram_start(&self->ram));
	ASSERT_EQ((int)self->ram.pages, ram_harvest(&self->ram, false));
	ASSERT_EQ(0, mlock(self->ram.mem, RAM_CHUNK));
	ram_stop(&self->ram);
	EXPECT_EQ(0, munlock(self->ram.mem, RAM_CHUNK));
	for (page = 0; page < self->ram.pages; page++)
		bad += *ram_word(&self->ram, page, 3) != page + 9;
	EXPECT_EQ(0, bad);
}

FIXTURE(sparse)
{
	struct ram ram;
};

FIXTURE_VARIANT(sparse)
{
	const char *options;
	unsigned int unit;
};

FIXTURE_VARIANT_ADD(sparse, huge) {
	.options = "huge=always", .unit = RAM_CHUNK_PAGES,
};
FIXTURE_VARIANT_ADD(sparse, small) { .options = "huge=never", .unit = 1 };

/* 4 GiB without a page, and not a multiple of a chunk. */
FIXTURE_SETUP(sparse)
{
	ASSERT_EQ(0, ram_open(&self->ram, (4UL << 30) + 3 * RAM_PAGE,
			      variant->options));
}

FIXTURE_TEARDOWN(sparse)
{
	EXPECT_EQ(0, ram_close(&self->ram));
}

TEST_F_TIMEOUT(sparse, finds_only_what_is_there, LIMIT)
{
	struct ram_counters c;

	write_word(&self->ram, 0);
	write_word(&self->ram, 300000);
	write_word(&self->ram, self->ram.pages - 1);
	ASSERT_EQ(0, ram_start(&self->ram));
	ASSERT_EQ(0, ram_counters(&self->ram, &c));
	EXPECT_EQ(2 * variant->unit + 1, c.remaining);
	EXPECT_EQ((int)(2 * variant->unit + 1),
		  ram_harvest(&self->ram, false));
	EXPECT_EQ(1, self->ram.found[300000]);
	EXPECT_EQ(0, self->ram.found[299000]);
	EXPECT_EQ(1, self->ram.found[self->ram.pages - 1]);
	ASSERT_EQ(0, ram_counters(&self->ram, &c));
	EXPECT_EQ(0, c.remaining);

	/* Into a hole of a chunk that is tracked, and one that is not yet. */
	write_word(&self->ram, 1);
	write_word(&self->ram, 500000);
	EXPECT_EQ((int)(1 + variant->unit), ram_harvest(&self->ram, false));
	EXPECT_EQ(1, self->ram.found[1]);
	EXPECT_EQ(1, self->ram.found[500000]);
	EXPECT_EQ(0, ram_harvest(&self->ram, false));
}

TEST_F_TIMEOUT(sparse, costs_32_kib_a_gib, LIMIT)
{
	struct ram_counters c;

	ASSERT_EQ(0, ram_start(&self->ram));
	ASSERT_EQ(0, ram_counters(&self->ram, &c));
	EXPECT_GE(5 * 32 << 10, c.bytes);
	EXPECT_EQ(0, ram_harvest(&self->ram, false));
}

TEST_HARNESS_MAIN
