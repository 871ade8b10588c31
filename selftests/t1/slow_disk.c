// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "slow_disk.h"

#define NULLB	"/sys/kernel/config/nullb"
#define CGROUP	"/sys/fs/cgroup"

static char config[64];
static char group[64];

static int put(const char *folder, const char *name, const char *value)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Kernels differ in naming a disk by its folder or by its number. */
static int open_disk(void)
{
	char path[192], index[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", strrchr(config, '/') + 1);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/index", config);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, index, sizeof(index) - 1) <= 0)
		return -errno;
	close(fd);
	snprintf(path, sizeof(path), "/dev/nullb%d", atoi(index));
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int slow_disk_open(unsigned int mib)
{
	char size[16];
	int err;

	if (access(NULLB, F_OK) &&
	    (system("modprobe -a configfs; modprobe null_blk nr_devices=0") ||
	     access(NULLB, F_OK)))
		return -ENODEV;
	snprintf(config, sizeof(config), NULLB "/vmig%d", getpid());
	snprintf(size, sizeof(size), "%u", mib);
	if (mkdir(config, 0700))
		return -errno;
	err = put(config, "memory_backed", "1") ?: put(config, "size", size) ?:
	      put(config, "blocksize", "4096") ?: put(config, "power", "1");
	if (!err)
		err = open_disk();
	if (err < 0)
		rmdir(config);
	return err;
}

int slow_disk_slow(int fd, unsigned int iops)
{
	char limit[64];
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	put(CGROUP, "cgroup.subtree_control", "+io");
	snprintf(group, sizeof(group), CGROUP "/slow.%d", getpid());
	if (mkdir(group, 0700))
		return -errno;
	snprintf(limit, sizeof(limit), "%u:%u riops=%u", major(st.st_rdev),
		 minor(st.st_rdev), iops);
	return put(group, "io.max", limit) ?: put(group, "cgroup.procs", "0");
}

void slow_disk_close(int fd)
{
	if (fd >= 0)
		close(fd);
	if (*group) {
		put(CGROUP, "cgroup.procs", "0");
		rmdir(group);
	}
	rmdir(config);
}
