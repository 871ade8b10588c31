// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault.h"

#define BLOCK	4096

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t offset);
int __real_fsync(int fd);
int __real_link(const char *from, const char *to);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset);
int __wrap_fsync(int fd);
int __wrap_link(const char *from, const char *to);

/* A write that power would take. */
struct pending {
	int fd;
	off_t offset;
	char before[BLOCK];
	char after[BLOCK];
};

static struct {
	enum fault_kind kind;
	unsigned int at, calls;
	size_t torn;
	unsigned int npending;
	struct pending pending[4];
} fault;

void fault_set(enum fault_kind kind, unsigned int at, size_t torn)
{
	memset(&fault, 0, sizeof(fault));
	fault.kind = kind;
	fault.at = at;
	fault.torn = torn;
}

static void tear(void)
{
	static char block[BLOCK] __attribute__((aligned(BLOCK)));
	unsigned int i;

	for (i = 0; i < fault.npending; i++) {
		struct pending *p = &fault.pending[i];

		memcpy(block, p->before, BLOCK);
		memcpy(block, p->after, fault.torn);
		if (__real_pwrite(p->fd, block, BLOCK, p->offset) != BLOCK)
			abort();
	}
}

/* Is it this call's turn to fail? */
static int strike(void)
{
	if (++fault.calls != fault.at)
		return 0;
	if (fault.kind == FAULT_NONE)
		return 0;
	if (fault.kind == FAULT_HANG)
		for (;;)
			pause();
	tear();
	if (fault.kind == FAULT_KILL)
		kill(getpid(), SIGKILL);
	errno = EIO;
	return -1;
}

static void remember(int fd, const void *data, size_t len, off_t offset)
{
	static char block[BLOCK] __attribute__((aligned(BLOCK)));
	struct pending *p;

	if (len != BLOCK || fault.npending == 4)
		abort();
	p = &fault.pending[fault.npending++];
	p->fd = fd;
	p->offset = offset;
	memset(block, 0, BLOCK);
	if (pread(fd, block, BLOCK, offset) < 0)
		abort();
	memcpy(p->before, block, BLOCK);
	memcpy(p->after, data, BLOCK);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (fault.kind != FAULT_NONE) {
		remember(fd, data, len, offset);
		if (strike())
			return -1;
	}
	return __real_pwrite(fd, data, len, offset);
}

int __wrap_fsync(int fd)
{
	if (fault.kind != FAULT_NONE) {
		if (strike())
			return -1;
		fault.npending = 0;
	}
	return __real_fsync(fd);
}

int __wrap_link(const char *from, const char *to)
{
	if (fault.kind != FAULT_NONE && strike())
		return -1;
	return __real_link(from, to);
}
