/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is the disk that two nodes have by one path one disk? What can be told
 * without writing to it: a difference is a proof, its absence is none.
 */
#ifndef VMIG_DISK_H
#define VMIG_DISK_H

#include <stdint.h>

#include "../definition.h"
#include "../err.h"

struct json_object;

/**
 * struct vmig_disk_identity - what both nodes see of a disk that is shared
 * @kind: "file" or "block"
 * @size: of the block device, of the raw file, or the guest's of a qcow2 image;
 *	a running VM changes none of them
 * @wwid: of a block device; "" if it has none
 * @inode: of a file that a server numbers, as on NFS; else 0
 */
struct vmig_disk_identity {
	char kind[8];
	uint64_t size;
	char wwid[128];
	uint64_t inode;
};

int vmig_disk_identify(const struct vmig_disk *disk,
		       struct vmig_disk_identity *id, struct vmig_err *err);
struct json_object *vmig_disk_encode(const struct vmig_disk_identity *id);
/* @o comes from a peer. What it does not tell is empty. */
void vmig_disk_decode(struct json_object *o, struct vmig_disk_identity *id);
/* 0, or -EXDEV and a sentence about what differs from the disk of @node. */
int vmig_disk_compare(const struct vmig_disk_identity *here,
		      const struct vmig_disk_identity *there, const char *node,
		      struct vmig_err *err);

#endif /* VMIG_DISK_H */
