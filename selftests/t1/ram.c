// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ram.h"

int ram_mount(struct ram *ram, const char *options)
{
	static unsigned int mounts;

	*ram = (struct ram){ .fd = -1, .session = -1 };
	/* The name is known to all of the network namespace, the mount to none. */
	snprintf(ram->dir, sizeof(ram->dir), "/tmp/ram.%d.%u", getpid(),
		 mounts++);
	snprintf(ram->vm, sizeof(ram->vm), "%s/%s", ram->dir,
		 strrchr(ram->dir, '/') + 1);
	snprintf(ram->file, sizeof(ram->file), "%s/ram", ram->vm);
	snprintf(ram->debug, sizeof(ram->debug), "/sys/kernel/debug/vmig/%s",
		 strrchr(ram->dir, '/') + 1);
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir(ram->dir, 0700) ||
	    mount("vmig", ram->dir, "vmigfs", 0, options))
		return -errno;
	return 0;
}

int ram_create(struct ram *ram, size_t size)
{
	if (mkdir(ram->vm, 0700))
		return -errno;
	ram->fd = open(ram->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (ram->fd < 0 || ftruncate(ram->fd, size))
		return -errno;
	ram->size = size;
	ram->pages = size / RAM_PAGE;
	ram->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ram->fd,
			0);
	if (ram->mem == MAP_FAILED) {
		ram->mem = NULL;
		return -errno;
	}
	ram->found = calloc(ram->pages + RAM_CHUNK_PAGES, 1);
	return ram->found ? 0 : -ENOMEM;
}

int ram_open(struct ram *ram, size_t size, const char *options)
{
	int err = ram_mount(ram, options);

	return err ?: ram_create(ram, size);
}

int ram_close(struct ram *ram)
{
	int err = 0;

	ram_stop(ram);
	if (ram->mem)
		munmap(ram->mem, ram->size);
	if (ram->fd >= 0)
		close(ram->fd);
	free(ram->found);
	if ((unlink(ram->file) && errno != ENOENT) ||
	    (rmdir(ram->vm) && errno != ENOENT))
		err = -errno;
	if (umount(ram->dir) || rmdir(ram->dir))
		err = err ?: -errno;
	return err;
}

int ram_start(struct ram *ram)
{
	ram->session = open(ram->debug, O_RDWR | O_CLOEXEC);
	if (ram->session < 0)
		return -errno;
	return ram_command(ram, "start");
}

int ram_command(struct ram *ram, const char *command)
{
	if (write(ram->session, command, strlen(command)) < 0)
		return -errno;
	return 0;
}

void ram_stop(struct ram *ram)
{
	if (ram->session >= 0)
		close(ram->session);
	ram->session = -1;
}

int ram_harvest(struct ram *ram, bool final)
{
	int err = ram_command(ram, final ? "harvest ram final" : "harvest ram");

	return err ?: ram_read_found(ram);
}

/* The kernel's bitmap, unpacked to bytes. Return: how many pages it names. */
int ram_read_found(struct ram *ram)
{
	unsigned char bits[4096];
	unsigned int page = 0, n = 0;
	ssize_t got, i;
	off_t pos = 0;

	while ((got = pread(ram->session, bits, sizeof(bits), pos)) > 0) {
		for (i = 0; i < got * 8; i++, page++) {
			bool bit = bits[i / 8] >> i % 8 & 1;

			/* Past the end of the region there is nothing. */
			if (page >= ram->pages && bit)
				return -ERANGE;
			if (page < ram->pages)
				ram->found[page] = bit;
			n += bit;
		}
		pos += got;
	}
	if (got < 0)
		return -errno;
	return page < ram->pages ? -ENODATA : (int)n;
}

int ram_counters(struct ram *ram, struct ram_counters *c)
{
	char text[256];
	ssize_t n;

	/* What was found is in the way of the counters until the next command. */
	if (write(ram->session, "throttle 0", 10) < 0)
		return -errno;
	n = pread(ram->session, text, sizeof(text) - 1, 0);
	if (n < 0)
		return -errno;
	text[n] = 0;
	n = sscanf(text, "remaining %llu faults %llu sticky %llu bytes %llu waited_us %llu",
		   &c->remaining, &c->faults, &c->sticky, &c->bytes,
		   &c->waited_us);
	return n == 5 ? 0 : -EPROTO;
}

int ram_collect(struct ram *ram, unsigned char *copy, bool final)
{
	int n = ram_harvest(ram, final);
	unsigned int first, end;

	for (first = 0; n > 0 && first < ram->pages; first = end + 1) {
		size_t at = first * RAM_PAGE, size;

		for (end = first; end < ram->pages && ram->found[end]; end++)
			;
		size = (end - first) * RAM_PAGE;
		if (size && pread(ram->fd, copy + at, size, at) != (ssize_t)size)
			return -EIO;
	}
	return n;
}

long ram_huge_kib(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[256];
	long sum = 0, kib;

	while (smaps && fgets(line, sizeof(line), smaps))
		if (sscanf(line, "FilePmdMapped: %ld kB", &kib) == 1)
			sum += kib;
	if (smaps)
		fclose(smaps);
	return sum;
}
