// SPDX-License-Identifier: GPL-2.0
/* A network namespace as a node. */
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "node.h"

/* A tmpfs of the mount namespace's own is above it: nothing to clean up. */
#define MOUNTPOINT	"/tmp/vmig"

static int raise_loopback(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int err;

	if (fd < 0)
		return -1;
	err = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return err;
}

int node_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmp", "/tmp", "tmpfs", 0, NULL))
		return -1;
	return raise_loopback();
}

int node_mount(const char *options)
{
	if (mkdir(MOUNTPOINT, 0700))
		return -1;
	return mount("vmig", MOUNTPOINT, "vmigfs", 0, options);
}

const char *node_mountpoint(void)
{
	return MOUNTPOINT;
}

int node_make_vm(const char *name, size_t size)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s", MOUNTPOINT, name);
	if (mkdir(path, 0700))
		return -1;
	snprintf(path, sizeof(path), "%s/%s/ram", MOUNTPOINT, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	err = ftruncate(fd, size);
	close(fd);
	return err;
}

int node_remove_vm(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/ram", MOUNTPOINT, name);
	if (unlink(path))
		return -1;
	snprintf(path, sizeof(path), "%s/%s", MOUNTPOINT, name);
	return rmdir(path);
}

int node_connect(int fds[2])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = -1;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener >= 0 && fds[0] >= 0 &&
	    !bind(listener, (struct sockaddr *)&address, len) &&
	    !listen(listener, 1) &&
	    !getsockname(listener, (struct sockaddr *)&address, &len) &&
	    !connect(fds[0], (struct sockaddr *)&address, len)) {
		fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		err = fds[1] < 0 ? -1 : 0;
	}
	close(listener);
	return err;
}
