/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls that write, made to fail, to hang or to be the last one of their
 * process. What was not synced by then is torn. Needs the linker's --wrap for
 * pwrite, fsync and link.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stddef.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_FAIL,		/* EIO */
	FAULT_KILL,		/* SIGKILL, and the storage loses power */
	FAULT_HANG,		/* until SIGKILL */
};

/*
 * At the call number @at, from 1; of each write that is not on the storage by
 * then, @torn bytes get there.
 */
void fault_set(enum fault_kind kind, unsigned int at, size_t torn);

#endif /* FAULT_H */
