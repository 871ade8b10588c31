// SPDX-License-Identifier: GPL-2.0
/*
 * The disk checker: one thread writes numbered 4 KiB records round and round
 * with O_DIRECT | O_SYNC and after each write reads some record back. A write
 * that was acknowledged and is gone, or one that lands late, shows as a record
 * with the wrong number.
 *
 * Locking: lock protects seen. The tables belong to the thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "stall.h"

#define RECORD_SIZE	4096
#define RECORD_WORDS	(RECORD_SIZE / sizeof(uint64_t))
#define RECORD_MAGIC	0x766d69674449534bULL	/* "vmigDISK" */
#define SLOTS_MAX	4096
#define FILE_SIZE	(SLOTS_MAX * (off_t)RECORD_SIZE)

struct seen {
	uint64_t records;	/* written and acknowledged */
	uint64_t reads;
	uint64_t bad;		/* records that were not what was written */
	uint64_t errors;	/* failed reads and writes */
	int last_errno;
	uint64_t last_seq;
	uint64_t longest_us;	/* slowest single read or write */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen seen;

static const char *disk_path;
static int disk_fd = -1;
static unsigned int disk_rate;
static uint32_t nr_slots;
static uint64_t slot_seq[SLOTS_MAX];	/* 0: not written by this run */
static uint64_t *record;		/* RECORD_SIZE aligned, for O_DIRECT */

static void fill_record(uint32_t slot, uint64_t seq)
{
	unsigned int i;

	record[0] = RECORD_MAGIC;
	record[1] = seq;
	record[2] = slot;
	for (i = 3; i < RECORD_WORDS; i++)
		record[i] = seq * 0x9e3779b97f4a7c15ULL + i;
}

static int record_is_good(uint32_t slot, uint64_t seq)
{
	unsigned int i;

	if (record[0] != RECORD_MAGIC || record[1] != seq || record[2] != slot)
		return 0;
	for (i = 3; i < RECORD_WORDS; i++) {
		if (record[i] != seq * 0x9e3779b97f4a7c15ULL + i)
			return 0;
	}
	return 1;
}

/* Account one transfer; returns whether it was complete. */
static int account_io(ssize_t done, uint64_t began)
{
	uint64_t us = stall_now_us() - began;
	int ok = done == RECORD_SIZE;

	pthread_mutex_lock(&lock);
	if (us > seen.longest_us)
		seen.longest_us = us;
	if (!ok) {
		seen.errors++;
		seen.last_errno = done < 0 ? errno : EIO;
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

static void write_record(uint64_t seq)
{
	uint32_t slot = seq % nr_slots;
	uint64_t began = stall_now_us();

	fill_record(slot, seq);
	if (!account_io(pwrite(disk_fd, record, RECORD_SIZE,
			       (off_t)slot * RECORD_SIZE), began)) {
		/* Old, new or torn: nothing can be said of it any more. */
		slot_seq[slot] = 0;
		return;
	}
	slot_seq[slot] = seq;
	pthread_mutex_lock(&lock);
	seen.records++;
	seen.last_seq = seq;
	pthread_mutex_unlock(&lock);
}

static void read_record(uint32_t slot)
{
	uint64_t began = stall_now_us();
	int good;

	if (!slot_seq[slot])
		return;
	memset(record, 0, RECORD_SIZE);
	if (!account_io(pread(disk_fd, record, RECORD_SIZE,
			      (off_t)slot * RECORD_SIZE), began))
		return;
	good = record_is_good(slot, slot_seq[slot]);
	if (!good)
		printf("DISK BAD slot=%u want=%llu found=%llu\n", slot,
		       (unsigned long long)slot_seq[slot],
		       (unsigned long long)record[1]);
	pthread_mutex_lock(&lock);
	seen.reads++;
	seen.bad += !good;
	pthread_mutex_unlock(&lock);
}

static void *write_and_check(void *unused)
{
	unsigned int seed = 1;
	uint64_t seq;

	for (seq = 1;; seq++) {
		write_record(seq);
		/* The one just written, then any: the cache of the host and the
		 * platter may disagree about either.
		 */
		read_record(seq % nr_slots);
		read_record((uint32_t)rand_r(&seed) % nr_slots);
		if (disk_rate)
			usleep(1000000 / disk_rate);
	}
	return unused;
}

static int open_disk(const char *path, uint64_t *bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_SYNC | O_CLOEXEC, 0600);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		goto err_close;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, bytes))
			goto err_close;
		return fd;
	}
	if (ftruncate(fd, FILE_SIZE))
		goto err_close;
	*bytes = FILE_SIZE;
	return fd;

err_close:
	err = -errno;
	close(fd);
	return err;
}

/**
 * disk_start() - Start the disk checker, once.
 * @path: a block device, whose content is lost, or a file, made if missing
 * @rate: records a second, 0 for as many as the disk takes
 *
 * Return: 0, -ENOSPC if the device holds no record, or another negative errno.
 */
int disk_start(const char *path, unsigned int rate)
{
	uint64_t bytes = 0;
	pthread_t thread;
	int fd, err;

	fd = open_disk(path, &bytes);
	if (fd < 0)
		return fd;
	err = ENOSPC;
	if (bytes < RECORD_SIZE)
		goto err_close;
	nr_slots = bytes / RECORD_SIZE < SLOTS_MAX ? bytes / RECORD_SIZE : SLOTS_MAX;
	err = posix_memalign((void **)&record, RECORD_SIZE, RECORD_SIZE);
	if (err)
		goto err_close;
	disk_path = path;
	disk_rate = rate;
	disk_fd = fd;
	err = pthread_create(&thread, NULL, write_and_check, NULL);
	if (!err)
		return 0;

	free(record);
	disk_fd = -1;
err_close:
	close(fd);
	return -err;
}

void disk_reset(void)
{
	pthread_mutex_lock(&lock);
	seen = (struct seen){ .last_seq = seen.last_seq };
	pthread_mutex_unlock(&lock);
}

/** disk_print() - The verdict as a JSON object, or null without a disk. */
void disk_print(char *buf, size_t len)
{
	struct seen s;

	if (disk_fd < 0) {
		snprintf(buf, len, "null");
		return;
	}
	pthread_mutex_lock(&lock);
	s = seen;
	pthread_mutex_unlock(&lock);
	snprintf(buf, len,
		 "{\"path\":\"%s\",\"records\":%llu,\"last_seq\":%llu,\"reads\":%llu,\"bad\":%llu,\"errors\":%llu,\"last_error\":\"%s\",\"longest_io_ms\":%.1f}",
		 disk_path, (unsigned long long)s.records,
		 (unsigned long long)s.last_seq, (unsigned long long)s.reads,
		 (unsigned long long)s.bad, (unsigned long long)s.errors,
		 s.last_errno ? strerror(s.last_errno) : "",
		 s.longest_us / 1e3);
}
