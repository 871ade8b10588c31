/* SPDX-License-Identifier: GPL-2.0 */
/* One SCSI disk and the persistent reservation on it. */
#ifndef VMIG_PR_DISK_H
#define VMIG_PR_DISK_H

#include "job.h"

/*
 * What of the key stands for whom; a disk without a reservation has none.
 *
 *	bits 63 to 48	of the VM's name
 *	bits 47 to 32	of the node's name
 *	bits 31 to 0	epoch
 *
 * The 16 bits of a name are its CRC-32C, upper half xor lower half, and 1
 * instead of 0.
 */
uint16_t vmig_pr_tag(const char *name);
uint64_t vmig_pr_key(const char *vm, const char *node, uint32_t epoch);

static inline uint16_t vmig_pr_key_vm(uint64_t key)
{
	return key >> 48;
}

static inline uint16_t vmig_pr_key_node(uint64_t key)
{
	return key >> 32 & 0xffff;
}

static inline uint32_t vmig_pr_key_epoch(uint64_t key)
{
	return (uint32_t)key;
}

struct vmig_pr_disk {
	const char *path;
	int fd;
	uint64_t holder;	/* key of the reservation, 0 without one */
	uint8_t type;		/* of the reservation */
	uint32_t generation;	/* counts changes since the disk was switched on */
	unsigned int nkeys;	/* registered */
};

/* PERSISTENT RESERVE OUT service actions. */
enum vmig_pr_action {
	VMIG_PR_REGISTER = 0,
	VMIG_PR_RESERVE = 1,
	VMIG_PR_CLEAR = 3,
	VMIG_PR_PREEMPT = 4,
	VMIG_PR_REGISTER_AND_IGNORE = 6,
};

/* The type of every reservation of ours. */
#define VMIG_PR_WRITE_EXCLUSIVE	1

/*
 * Open and lock the disk at @disk->path against other processes of this node.
 * All functions: 0, or -1 and the result says why.
 */
int vmig_pr_open(struct vmig_lease_job *job, struct vmig_pr_disk *disk);
void vmig_pr_close(struct vmig_pr_disk *disk);
/* Does the disk know reservations, and still know them without power? */
int vmig_pr_check(struct vmig_lease_job *job, struct vmig_pr_disk *disk);
/* Fill in @disk. */
int vmig_pr_read(struct vmig_lease_job *job, struct vmig_pr_disk *disk);
/* As above, or 1 for a RESERVATION CONFLICT, of which the result says nothing. */
int vmig_pr_out(struct vmig_lease_job *job, struct vmig_pr_disk *disk,
		enum vmig_pr_action action, uint64_t key, uint64_t other);

#endif /* VMIG_PR_DISK_H */
