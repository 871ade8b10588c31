/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SCSI disks that are made up, in place of agent/storage/pr_disk.c. They follow
 * SPC-4 revision 17, 5.7, as far as it is used.
 */
#ifndef FAKE_DISK_H
#define FAKE_DISK_H

#include <semaphore.h>
#include <stdint.h>

#define FAKE_DISKS	3
#define FAKE_NEXUSES	4	/* initiators, as the disks tell them apart */

enum fake_fault {
	FAKE_WELL,
	FAKE_DIE_BEFORE,	/* the node, with status 9 */
	FAKE_DIE_AFTER,
	FAKE_FAIL_BEFORE,	/* the command */
	FAKE_FAIL_AFTER,	/* its answer, that is */
};

struct fake_disk {
	uint64_t keys[FAKE_NEXUSES];	/* registered, or 0 */
	int holder;			/* nexus, or -1 */
	uint32_t generation;
};

/* disk0 and so on; may be memory that processes share. */
extern struct fake_disk *fake_disks;

/* Who sends commands from this thread. */
struct fake_node {
	int nexus;
	unsigned int commands;		/* so far */
	enum fake_fault fault;
	unsigned int fault_at;		/* command number, from 1 */
	sem_t *turn, *done;		/* if not NULL, around each command */
};

extern __thread struct fake_node fake_node;

#endif /* FAKE_DISK_H */
