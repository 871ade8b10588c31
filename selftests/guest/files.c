// SPDX-License-Identifier: GPL-2.0
/*
 * The file checker: one thread writes files of all sizes, each with a checksum
 * of itself, syncs and renames them over older ones, and reads any of them back
 * from the disk. What the file system says in the kernel's log counts as well.
 *
 * Locking: lock protects seen and frozen. The table belongs to the thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define FILES_MAX	64
#define FILE_MAX	(64 * 1024)
#define NAME_LEN	64
#define LOG_LEN		(256 * 1024)
#define SYSLOG_ACTION_READ_ALL	3

/* At the beginning of each file; @sum is of all that follows it. */
struct head {
	uint64_t sum;
	uint64_t seq;
	uint32_t file;
	uint32_t size;
};

struct seen {
	uint64_t written;
	uint64_t verified;
	uint64_t bad;		/* files that were not what was written */
	uint64_t errors;	/* calls that failed */
	int last_errno;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen seen;
static bool frozen;

static int folder_fd = -1;
static unsigned int files_rate;
static uint64_t file_seq[FILES_MAX];	/* 0: not written by this run */
static union {
	struct head head;
	uint64_t words[FILE_MAX / sizeof(uint64_t)];
	char bytes[FILE_MAX];
} file __attribute__((aligned(4096)));	/* for O_DIRECT */

/* FNV-1a; bit flips and stale blocks are what it has to notice. */
static uint64_t sum_up(size_t size)
{
	uint64_t sum = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = sizeof(file.head.sum); i < size; i++)
		sum = (sum ^ (uint8_t)file.bytes[i]) * 0x100000001b3ULL;
	return sum;
}

static void fill(uint32_t nr, uint64_t seq)
{
	uint32_t size = sizeof(file.head) + (seq * 2654435761U >> 8) %
			(FILE_MAX - sizeof(file.head));
	size_t i;

	for (i = 0; i < FILE_MAX / sizeof(uint64_t); i++)
		file.words[i] = (seq + i) * 0x9e3779b97f4a7c15ULL;
	file.head = (struct head){ .seq = seq, .file = nr, .size = size };
	file.head.sum = sum_up(size);
}

static void account(uint64_t *counter, bool failed)
{
	pthread_mutex_lock(&lock);
	if (failed) {
		seen.errors++;
		seen.last_errno = errno;
	} else {
		(*counter)++;
	}
	pthread_mutex_unlock(&lock);
}

static void name_of(uint32_t nr, char name[NAME_LEN])
{
	snprintf(name, NAME_LEN, "file-%u", nr);
}

/* As an editor saves: whole under another name, then in its place. */
static bool save(uint32_t nr, uint64_t seq)
{
	char name[NAME_LEN];
	bool ok;
	int fd;

	fill(nr, seq);
	fd = openat(folder_fd, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return false;
	name_of(nr, name);
	ok = write(fd, file.bytes, file.head.size) == file.head.size &&
	     !fsync(fd) && !renameat(folder_fd, "new", folder_fd, name) &&
	     !fsync(folder_fd);
	close(fd);
	return ok;
}

/* From the disk: O_DIRECT has no cache to ask. */
static ssize_t load(uint32_t nr)
{
	char name[NAME_LEN];
	ssize_t n;
	int fd;

	name_of(nr, name);
	fd = openat(folder_fd, name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -1;
	memset(file.bytes, 0, FILE_MAX);
	n = read(fd, file.bytes, FILE_MAX);
	close(fd);
	return n;
}

static void verify(uint32_t nr)
{
	bool good;
	ssize_t n;

	if (!file_seq[nr])
		return;
	n = load(nr);
	account(&seen.verified, n < 0);
	if (n < 0)
		return;
	good = n >= (ssize_t)sizeof(file.head) && n == file.head.size &&
	       file.head.seq == file_seq[nr] && file.head.file == nr &&
	       file.head.sum == sum_up(n);
	if (good)
		return;
	printf("FILE BAD file=%u want=%llu found=%llu size=%zd\n", nr,
	       (unsigned long long)file_seq[nr],
	       (unsigned long long)file.head.seq, n);
	account(&seen.bad, false);
}

static bool is_frozen(void)
{
	bool now;

	pthread_mutex_lock(&lock);
	now = frozen;
	pthread_mutex_unlock(&lock);
	return now;
}

static void *write_and_check(void *unused)
{
	unsigned int seed = 1;
	uint64_t seq;

	for (seq = 1; !is_frozen(); seq++) {
		uint32_t nr = (uint32_t)rand_r(&seed) % FILES_MAX;
		bool ok = save(nr, seq);

		account(&seen.written, !ok);
		/* After an error either of the two may be there. */
		file_seq[nr] = ok ? seq : 0;
		verify(nr);
		verify((uint32_t)rand_r(&seed) % FILES_MAX);
		if (files_rate)
			usleep(1000000 / files_rate);
	}
	return unused;
}

/**
 * files_start() - Start the file checker, once.
 * @folder: where the files are written; made if it is missing
 * @rate: files a second, 0 for as many as the disk takes
 *
 * Return: 0 or a negative errno.
 */
int files_start(const char *folder, unsigned int rate)
{
	pthread_t thread;

	if (mkdir(folder, 0700) && errno != EEXIST)
		return -errno;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0)
		return -errno;
	files_rate = rate;
	return -pthread_create(&thread, NULL, write_and_check, NULL);
}

/**
 * files_freeze() - Bring all to the disk, for others to check it; for good.
 *
 * Return: 0 or a negative errno, -ENOENT if there is no file checker.
 */
int files_freeze(void)
{
	if (folder_fd < 0)
		return -ENOENT;
	pthread_mutex_lock(&lock);
	frozen = true;
	pthread_mutex_unlock(&lock);
	return ioctl(folder_fd, FIFREEZE, 0) ? -errno : 0;
}

/* Lines of the kernel's log that a good disk leaves none of. */
static unsigned int count_complaints(void)
{
	static const char * const words[] = {
		"I/O error", "EXT4-fs error", "EXT4-fs warning", "JBD2: ",
		"Remounting filesystem read-only", "hung task",
	};
	char *log = calloc(1, LOG_LEN), *line, *rest;
	unsigned int n = 0, i;

	if (!log)
		return 1;
	klogctl(SYSLOG_ACTION_READ_ALL, log, LOG_LEN - 1);
	for (line = strtok_r(log, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strstr(line, words[i])) {
				printf("FILE LOG %s\n", line);
				n++;
				break;
			}
		}
	}
	free(log);
	return n;
}

/** files_print() - The verdict as a JSON object, or null without files. */
void files_print(char *buf, size_t len)
{
	struct seen s;

	if (folder_fd < 0) {
		snprintf(buf, len, "null");
		return;
	}
	pthread_mutex_lock(&lock);
	s = seen;
	pthread_mutex_unlock(&lock);
	snprintf(buf, len,
		 "{\"written\":%llu,\"verified\":%llu,\"bad\":%llu,\"errors\":%llu,\"last_error\":\"%s\",\"complaints\":%u}",
		 (unsigned long long)s.written, (unsigned long long)s.verified,
		 (unsigned long long)s.bad, (unsigned long long)s.errors,
		 s.last_errno ? strerror(s.last_errno) : "",
		 count_complaints());
}
