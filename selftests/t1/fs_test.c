// SPDX-License-Identifier: GPL-2.0
/*
 * vmigfs: directories are VMs, files are memory that is nothing but memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "ram.h"
#include "slow_disk.h"

#define SIZE	(8UL << 20)
#define LIMIT	60
#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

FIXTURE(fs)
{
	struct ram ram;
};

FIXTURE_VARIANT(fs)
{
	const char *options;
	size_t unit;
};

FIXTURE_VARIANT_ADD(fs, huge) {
	.options = "huge=always,size=64M", .unit = RAM_CHUNK,
};
FIXTURE_VARIANT_ADD(fs, small) {
	.options = "huge=never,size=64M", .unit = RAM_PAGE,
};

FIXTURE_SETUP(fs)
{
	ASSERT_EQ(0, ram_open(&self->ram, SIZE, variant->options));
}

FIXTURE_TEARDOWN(fs)
{
	EXPECT_EQ(0, ram_close(&self->ram));
}

static blkcnt_t blocks(struct ram *ram)
{
	struct stat st;

	return fstat(ram->fd, &st) ? -1 : st.st_blocks;
}

static unsigned long free_pages(struct ram *ram)
{
	struct statfs st;

	return statfs(ram->dir, &st) ? 0 : st.f_bfree;
}

TEST_F_TIMEOUT(fs, size_is_set_once_and_grows, LIMIT)
{
	struct stat st;

	EXPECT_EQ(-1, ftruncate(self->ram.fd, SIZE + 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ftruncate(self->ram.fd, SIZE - RAM_PAGE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, open(self->ram.file, O_RDWR | O_TRUNC));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, ftruncate(self->ram.fd, SIZE + RAM_PAGE));
	ASSERT_EQ(0, fstat(self->ram.fd, &st));
	EXPECT_EQ((off_t)(SIZE + RAM_PAGE), st.st_size);
	EXPECT_EQ(0, st.st_blocks);
}

TEST_F_TIMEOUT(fs, tree_has_two_levels, LIMIT)
{
	char path[256], name[70];
	unsigned int i;

	snprintf(path, sizeof(path), "%s/file", self->ram.dir);
	EXPECT_EQ(-1, open(path, O_RDWR | O_CREAT, 0600));
	EXPECT_EQ(EACCES, errno);
	snprintf(path, sizeof(path), "%s/dir", self->ram.vm);
	EXPECT_EQ(-1, mkdir(path, 0700));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, symlink("x", path));
	EXPECT_EQ(-1, mknod(path, S_IFIFO | 0600, 0));
	EXPECT_EQ(-1, link(self->ram.file, path));
	EXPECT_EQ(-1, rename(self->ram.file, path));
	EXPECT_EQ(-1, rmdir(self->ram.vm));
	EXPECT_EQ(ENOTEMPTY, errno);

	memset(name, 'n', sizeof(name));
	name[64] = 0;
	snprintf(path, sizeof(path), "%s/%s", self->ram.dir, name);
	EXPECT_EQ(-1, mkdir(path, 0700));
	EXPECT_EQ(ENAMETOOLONG, errno);
	snprintf(path, sizeof(path), "%s/a b", self->ram.dir);
	EXPECT_EQ(-1, mkdir(path, 0700));
	EXPECT_EQ(EINVAL, errno);

	for (i = 1; i < 17; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/r%u", self->ram.vm, i);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		EXPECT_EQ(i < 16, fd >= 0);
		close(fd);
	}
	EXPECT_EQ(-1, open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
	EXPECT_EQ(EMLINK, errno);
	while (--i) {
		snprintf(path, sizeof(path), "%s/r%u", self->ram.vm, i);
		unlink(path);
	}
}

/* One name, one VM in a network namespace, whatever is mounted where. */
TEST_F_TIMEOUT(fs, names_are_unique, LIMIT)
{
	char other[] = "/tmp/other.XXXXXX", path[256];

	ASSERT_NE(NULL, mkdtemp(other));
	ASSERT_EQ(0, mount("vmig", other, "vmigfs", 0, NULL));
	snprintf(path, sizeof(path), "%s%s", other,
		 strrchr(self->ram.vm, '/'));
	EXPECT_EQ(-1, mkdir(path, 0700));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, umount(other));

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, mount("vmig", other, "vmigfs", 0, NULL));
	EXPECT_EQ(0, mkdir(path, 0700));
	/* An unmount takes VMs with it, as with tmpfs. */
	EXPECT_EQ(0, umount(other));
	EXPECT_EQ(0, rmdir(other));
}

TEST_F_TIMEOUT(fs, only_shared_mappings_that_may_write, LIMIT)
{
	int rdonly = open(self->ram.file, O_RDONLY);
	void *mem;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, self->ram.fd, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE,
				   self->ram.fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, rdonly,
				   0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ | PROT_EXEC,
				   MAP_SHARED, self->ram.fd, 0));
	EXPECT_EQ(EPERM, errno);
	mem = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->ram.fd, 0);
	EXPECT_NE(MAP_FAILED, mem);
	munmap(mem, SIZE);
	close(rdonly);
}

TEST_F_TIMEOUT(fs, a_touch_allocates_a_unit, LIMIT)
{
	unsigned long before = free_pages(&self->ram);

	EXPECT_EQ(0, blocks(&self->ram));
	*ram_word(&self->ram, 600, 0) = 1;
	EXPECT_EQ((blkcnt_t)(variant->unit / 512), blocks(&self->ram));
	EXPECT_EQ(variant->unit / RAM_PAGE, before - free_pages(&self->ram));
	EXPECT_EQ(variant->unit == RAM_CHUNK ? RAM_CHUNK >> 10 : 0,
		  ram_huge_kib());
	EXPECT_EQ(0, *ram_word(&self->ram, 601, 0));
}

TEST_F_TIMEOUT(fs, reading_a_hole_allocates_nothing, LIMIT)
{
	char text[3 * RAM_PAGE];
	unsigned int i, sum = 0;

	memset(text, 1, sizeof(text));
	*ram_word(&self->ram, 0, 0) = 0x4142;
	EXPECT_EQ((ssize_t)sizeof(text), pread(self->ram.fd, text,
					       sizeof(text), SIZE / 2 + 5));
	for (i = 0; i < sizeof(text); i++)
		sum += text[i];
	EXPECT_EQ(0, sum);
	EXPECT_EQ((blkcnt_t)(variant->unit / 512), blocks(&self->ram));
	EXPECT_EQ(2, pread(self->ram.fd, text, 2, 0));
	EXPECT_EQ('B', text[0]);
	EXPECT_EQ(3, pread(self->ram.fd, text, 10, SIZE - 3));
	EXPECT_EQ(0, pread(self->ram.fd, text, 10, SIZE));
}

TEST_F_TIMEOUT(fs, writes_stay_within_the_region, LIMIT)
{
	char text[2 * RAM_PAGE + 10];
	void *nowhere = mmap(NULL, RAM_PAGE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(text, 'w', sizeof(text));
	EXPECT_EQ((ssize_t)sizeof(text), pwrite(self->ram.fd, text,
						sizeof(text), RAM_PAGE - 5));
	EXPECT_EQ(0, self->ram.mem[RAM_PAGE - 6]);
	EXPECT_EQ('w', self->ram.mem[RAM_PAGE - 5]);
	EXPECT_EQ('w', self->ram.mem[3 * RAM_PAGE + 4]);
	EXPECT_EQ(0, self->ram.mem[3 * RAM_PAGE + 5]);
	EXPECT_EQ(7, pwrite(self->ram.fd, text, 10, SIZE - 7));
	EXPECT_EQ(-1, pwrite(self->ram.fd, text, 10, SIZE));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(-1, pwrite(self->ram.fd, nowhere, 10, 0));
	EXPECT_EQ(EFAULT, errno);
	/* Memory copied onto itself: the page is locked and wanted at once. */
	EXPECT_EQ((ssize_t)RAM_PAGE, pwrite(self->ram.fd, self->ram.mem,
					    RAM_PAGE, 0));
	EXPECT_EQ((ssize_t)RAM_PAGE, pwrite(self->ram.fd, self->ram.mem +
					    SIZE / 2, RAM_PAGE, SIZE / 2));
}

TEST_F_TIMEOUT(fs, finds_data_and_holes, LIMIT)
{
	off_t unit = variant->unit;

	EXPECT_EQ(-1, lseek(self->ram.fd, 0, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(5, lseek(self->ram.fd, 5, SEEK_HOLE));
	self->ram.mem[RAM_CHUNK] = 1;
	self->ram.mem[RAM_CHUNK + unit] = 1;
	EXPECT_EQ((off_t)RAM_CHUNK, lseek(self->ram.fd, 0, SEEK_DATA));
	EXPECT_EQ((off_t)RAM_CHUNK + 9, lseek(self->ram.fd, RAM_CHUNK + 9,
					      SEEK_DATA));
	EXPECT_EQ((off_t)RAM_CHUNK + 2 * unit, lseek(self->ram.fd, RAM_CHUNK,
						     SEEK_HOLE));
	self->ram.mem[SIZE - 1] = 1;
	EXPECT_EQ((off_t)SIZE, lseek(self->ram.fd, SIZE - 1, SEEK_HOLE));
	EXPECT_EQ(-1, lseek(self->ram.fd, SIZE, SEEK_DATA));
}

TEST_F_TIMEOUT(fs, a_punch_frees_and_zeroes, LIMIT)
{
	unsigned long before = free_pages(&self->ram);
	unsigned int page;

	for (page = 0; page < self->ram.pages; page++)
		*ram_word(&self->ram, page, 0) = page + 1;
	EXPECT_EQ(-1, fallocate(self->ram.fd, 0, 0, RAM_PAGE));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(0, fallocate(self->ram.fd, PUNCH, RAM_CHUNK, RAM_CHUNK));
	EXPECT_EQ((blkcnt_t)((SIZE - RAM_CHUNK) / 512), blocks(&self->ram));
	EXPECT_EQ(513, *ram_word(&self->ram, 512, 0) + 513);
	EXPECT_EQ(512, *ram_word(&self->ram, 511, 0));
	EXPECT_EQ(1025, *ram_word(&self->ram, 1024, 0));

	/* A page out of a huge folio is freed, too, and only that. */
	EXPECT_EQ(0, fallocate(self->ram.fd, PUNCH, 3 * RAM_PAGE, RAM_PAGE));
	EXPECT_EQ((off_t)(3 * RAM_PAGE), lseek(self->ram.fd, 0, SEEK_HOLE));
	EXPECT_EQ(3, *ram_word(&self->ram, 2, 0));
	EXPECT_EQ(0, *ram_word(&self->ram, 3, 0));
	EXPECT_EQ(5, *ram_word(&self->ram, 4, 0));
	EXPECT_EQ(0, fallocate(self->ram.fd, PUNCH, 0, SIZE));
	EXPECT_EQ(0, blocks(&self->ram));
	EXPECT_EQ(before, free_pages(&self->ram));
}

TEST_F_TIMEOUT(fs, size_limits_all_regions, LIMIT)
{
	char path[256];
	int fd, status;
	pid_t child;

	snprintf(path, sizeof(path), "%s/more", self->ram.vm);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 128UL << 20));
	self->ram.mem[0] = 1;
	EXPECT_EQ(64UL << 20, variant->unit + (free_pages(&self->ram) << 12));
	child = fork();
	if (!child) {
		char *mem = mmap(NULL, 128UL << 20, PROT_READ | PROT_WRITE,
				 MAP_SHARED, fd, 0);
		unsigned long at;

		for (at = 0; at < 128UL << 20; at += RAM_PAGE)
			mem[at] = 1;
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	EXPECT_EQ(0, free_pages(&self->ram));
	EXPECT_EQ(-1, pwrite(fd, "x", 1, 127UL << 20));
	EXPECT_EQ(ENOSPC, errno);
	close(fd);
	EXPECT_EQ(0, unlink(path));
	EXPECT_EQ(64UL << 20, variant->unit + (free_pages(&self->ram) << 12));
}

TEST_F_TIMEOUT(fs, drop_caches_loses_nothing, LIMIT)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	unsigned int page, bad = 0;
	blkcnt_t before;

	for (page = 0; page < self->ram.pages; page += 3)
		*ram_word(&self->ram, page, 1) = page + 1;
	before = blocks(&self->ram);
	EXPECT_EQ(1, write(fd, "3", 1));
	close(fd);
	EXPECT_EQ(before, blocks(&self->ram));
	munmap(self->ram.mem, SIZE);
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	EXPECT_EQ(1, write(fd, "3", 1));
	close(fd);
	EXPECT_EQ(before, blocks(&self->ram));
	self->ram.mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			     self->ram.fd, 0);
	for (page = 0; page < self->ram.pages; page += 3)
		bad += *ram_word(&self->ram, page, 1) != page + 1;
	EXPECT_EQ(0, bad);
}

/* Memory moves about under compaction, and stays what it was. */
TEST_F_TIMEOUT(fs, compaction_loses_nothing, LIMIT)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	unsigned int page, bad = 0;

	for (page = 0; page < self->ram.pages; page++)
		*ram_word(&self->ram, page, 1) = page + 1;
	EXPECT_EQ(1, write(fd, "1", 1));
	close(fd);
	for (page = 0; page < self->ram.pages; page++)
		bad += *ram_word(&self->ram, page, 1) != page + 1;
	EXPECT_EQ(0, bad);
}

/* O_DIRECT pins pages, which not every kind of mapping allows. */
TEST_F_TIMEOUT(fs, takes_direct_io, LIMIT)
{
	int disk = slow_disk_open(1);

	if (disk == -ENODEV)
		SKIP(return, "no null_blk with configfs here");
	ASSERT_LE(0, disk);
	memset(self->ram.mem, 'd', 4 * RAM_PAGE);
	EXPECT_EQ((ssize_t)(4 * RAM_PAGE),
		  pwrite(disk, self->ram.mem, 4 * RAM_PAGE, 0));
	EXPECT_EQ((ssize_t)(4 * RAM_PAGE),
		  pread(disk, self->ram.mem + RAM_CHUNK, 4 * RAM_PAGE, 0));
	EXPECT_EQ(0, memcmp(self->ram.mem, self->ram.mem + RAM_CHUNK,
			    4 * RAM_PAGE));
	slow_disk_close(disk);
}

static long long charged(const char *group)
{
	char path[256], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/memory.current", group);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	close(fd);
	return atoll(text);
}

static int put(const char *group, const char *file, const char *text)
{
	char path[256];
	int fd, n;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY);
	n = fd < 0 ? -1 : (int)write(fd, text, strlen(text));
	close(fd);
	return n > 0 ? 0 : -errno;
}

TEST_F_TIMEOUT(fs, charges_the_memory_cgroup, LIMIT)
{
	char group[] = "/sys/fs/cgroup/vmig.XXXXXX";
	int status;
	pid_t child;

	put("/sys/fs/cgroup", "cgroup.subtree_control", "+memory");
	ASSERT_NE(NULL, mkdtemp(group));
	if (charged(group) < 0) {
		rmdir(group);
		SKIP(return, "no memory controller in /sys/fs/cgroup");
	}
	child = fork();
	if (!child) {
		long long before;
		unsigned long i;

		if (put(group, "cgroup.procs", "0"))
			_exit(1);
		before = charged(group);
		for (i = 0; i < SIZE; i += RAM_PAGE)
			self->ram.mem[i] = 1;
		_exit(charged(group) - before >= (long long)SIZE ? 0 : 2);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, fallocate(self->ram.fd, PUNCH, 0, SIZE));
	EXPECT_GT(1LL << 20, charged(group));
	EXPECT_EQ(0, rmdir(group));
}

/* Two threads that fault one chunk get one folio. */
static void *touch(void *arg)
{
	unsigned char *mem = arg;
	unsigned long i;

	for (i = 0; i < SIZE; i += RAM_PAGE)
		__atomic_fetch_add(mem + i, 1, __ATOMIC_RELAXED);
	return NULL;
}

TEST_F_TIMEOUT(fs, faults_race, LIMIT)
{
	pthread_t threads[4];
	unsigned int i, round, bad = 0;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, touch,
						    self->ram.mem));
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			pthread_join(threads[i], NULL);
		for (i = 0; i < self->ram.pages; i++)
			bad += self->ram.mem[i * RAM_PAGE] != 4;
		EXPECT_EQ((blkcnt_t)(SIZE / 512), blocks(&self->ram));
		EXPECT_EQ(0, fallocate(self->ram.fd, PUNCH, 0, SIZE));
	}
	EXPECT_EQ(0, bad);
}

TEST_F_TIMEOUT(fs, busy_while_in_use, LIMIT)
{
	struct ram second = self->ram;
	unsigned int tries = 0;

	self->ram.mem[0] = 1;
	EXPECT_EQ(-1, umount(self->ram.dir));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "vmig", O_NONBLOCK));
	EXPECT_TRUE(errno == EBUSY || errno == EAGAIN);

	/* A claim keeps it busy without an open file, and unchanged. */
	ASSERT_EQ(0, ram_start(&self->ram));
	EXPECT_EQ(-EBUSY, ram_start(&second));
	close(second.session);
	EXPECT_EQ(-1, ftruncate(self->ram.fd, 2 * SIZE));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, unlink(self->ram.file));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, fallocate(self->ram.fd, PUNCH, 0, RAM_PAGE));
	ram_stop(&self->ram);

	/* A lazy unmount waits for the claim's end. */
	ASSERT_EQ(0, ram_start(&self->ram));
	munmap(self->ram.mem, SIZE);
	self->ram.mem = NULL;
	close(self->ram.fd);
	self->ram.fd = -1;
	ASSERT_EQ(0, umount2(self->ram.dir, MNT_DETACH));
	EXPECT_LE(0, ram_harvest(&self->ram, false));
	ram_stop(&self->ram);
	while (!access(self->ram.debug, F_OK) && ++tries < 1000)
		usleep(10000);
	EXPECT_EQ(-1, access(self->ram.debug, F_OK));
	ASSERT_EQ(0, mount("vmig", self->ram.dir, "vmigfs", 0, NULL));
}

TEST(options)
{
	char dir[] = "/tmp/options.XXXXXX", line[512];
	struct statfs st;
	FILE *mounts;
	int found = 0;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_NE(NULL, mkdtemp(dir));
	EXPECT_EQ(-1, mount("vmig", dir, "vmigfs", 0, "size=12x"));
	EXPECT_EQ(-1, mount("vmig", dir, "vmigfs", 0, "huge=maybe"));
	EXPECT_EQ(-1, mount("vmig", dir, "vmigfs", 0, "color=blue"));
	ASSERT_EQ(0, mount("vmig", dir, "vmigfs", 0,
			   "size=1G,huge=never,mode=750,uid=7,gid=8"));
	mounts = fopen("/proc/self/mounts", "r");
	while (fgets(line, sizeof(line), mounts))
		found += strstr(line, dir) &&
			 strstr(line, "size=1048576k,huge=never,mode=750,uid=7,gid=8");
	fclose(mounts);
	EXPECT_EQ(1, found);
	ASSERT_EQ(0, statfs(dir, &st));
	EXPECT_EQ(1UL << 18, st.f_blocks);
	EXPECT_EQ(1UL << 18, st.f_bavail);
	EXPECT_EQ(0, mount("vmig", dir, "vmigfs", MS_REMOUNT, "size=2G"));
	ASSERT_EQ(0, statfs(dir, &st));
	EXPECT_EQ(1UL << 19, st.f_blocks);
	EXPECT_EQ(0, umount(dir));
	EXPECT_EQ(0, mount("vmig", dir, "vmigfs", 0, NULL));
	ASSERT_EQ(0, statfs(dir, &st));
	EXPECT_NE(0, st.f_bavail);
	EXPECT_EQ(0, umount(dir));
	rmdir(dir);
}

TEST_HARNESS_MAIN
