// SPDX-License-Identifier: GPL-2.0
/*
 * The guest: a count in its memory, and the same count in a file that all
 * nodes share, as a disk would be.
 *
 * Whoever runs has the file locked and finds in it what the guest's memory
 * says, or has caught a failure: another one that runs (TWO), or memory of
 * long ago (STALE). What is found is a line in the log; nothing is refused, as
 * QEMU would not know either.
 *
 * $STANDIN_FOLDER/NAME.disk	struct disk
 * $STANDIN_FOLDER/NAME.log	one line an event: NODE PID EVENT BOOT COUNT TEXT
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "standin.h"

#define GUEST_MAGIC 0x76436f756e746572ULL

/* @boot: grows with every cold start, so that memory of an older one is told */
struct disk {
	uint64_t boot;
	uint64_t count;
};

struct memory {
	uint64_t magic;
	uint64_t boot;
	uint64_t count;
};

static struct disk *disk;
static struct memory *memory;
static int disk_fd, log_fd;
static const char *node;

static int open_shared(const char *suffix, int flags)
{
	const char *folder = getenv("STANDIN_FOLDER");
	char path[PATH_MAX];
	int fd;

	if (!folder)
		standin_exit(1, "STANDIN_FOLDER is not set");
	snprintf(path, sizeof(path), "%s/%s.%s", folder, standin_options.name,
		 suffix);
	fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		standin_exit(1, path);
	return fd;
}

static void *map(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		standin_exit(1, "mmap");
	return at;
}

/* guest_log() - One line, whole even if several nodes write. */
void guest_log(const char *event, const char *text)
{
	char line[512];
	int len = snprintf(line, sizeof(line), "%s %d %s %llu %llu %s\n", node,
			   (int)getpid(), event,
			   (unsigned long long)memory->boot,
			   (unsigned long long)memory->count, text);

	if (write(log_fd, line, (size_t)len) != len)
		standin_exit(1, "cannot write the log");
}

void guest_open(void)
{
	int fd = open(standin_options.ram_path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		standin_exit(1, standin_options.ram_path);
	memory = map(fd, standin_options.ram_size);
	close(fd);
	node = getenv("STANDIN_NODE");
	if (!node)
		standin_exit(1, "STANDIN_NODE is not set");
	log_fd = open_shared("log", O_WRONLY | O_APPEND);
	disk_fd = open_shared("disk", O_RDWR);
	if (ftruncate(disk_fd, sizeof(*disk)))
		standin_exit(1, "cannot make the disk");
	disk = map(disk_fd, sizeof(*disk));
}

static void check_memory(void)
{
	char text[160];

	if (memory->magic == GUEST_MAGIC && memory->boot == disk->boot &&
	    memory->count == disk->count)
		return;
	snprintf(text, sizeof(text), "the disk says %llu %llu",
		 (unsigned long long)disk->boot,
		 (unsigned long long)disk->count);
	guest_log("STALE", text);
	/* Once is enough. */
	memory->magic = GUEST_MAGIC;
	memory->boot = disk->boot;
	memory->count = disk->count;
}

static void boot(void)
{
	disk->boot++;
	disk->count = 0;
	memory->magic = GUEST_MAGIC;
	memory->boot = disk->boot;
	memory->count = 0;
}

void guest_run(void)
{
	if (standin_state == STANDIN_RUNNING)
		return;
	if (flock(disk_fd, LOCK_EX | LOCK_NB))
		guest_log("TWO", "another one runs");
	if (standin_state == STANDIN_PRELAUNCH)
		boot();
	else
		check_memory();
	standin_state = STANDIN_RUNNING;
	guest_log("run", "");
}

void guest_stop(void)
{
	if (standin_state != STANDIN_RUNNING)
		return;
	guest_log("stop", "");
	flock(disk_fd, LOCK_UN);
	standin_state = STANDIN_PAUSED;
}

void guest_tick(void)
{
	size_t at;

	if (standin_state != STANDIN_RUNNING)
		return;
	check_memory();
	memory->count++;
	disk->count++;
	/* Another page each time, so that there is something to move. */
	at = memory->count * 4096 % standin_options.ram_size;
	if (at)
		*(uint64_t *)((char *)memory + at) = memory->count;
}

void guest_save(uint64_t state[2])
{
	state[0] = memory->boot;
	state[1] = memory->count;
}

void guest_check(const uint64_t state[2])
{
	char text[160];

	if (state[0] == memory->boot && state[1] == memory->count)
		return;
	snprintf(text, sizeof(text), "the device state says %llu %llu",
		 (unsigned long long)state[0], (unsigned long long)state[1]);
	guest_log("MEMORY", text);
}
