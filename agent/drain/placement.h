/* SPDX-License-Identifier: GPL-2.0 */
/* Which nodes a VM may be sent to, the best first. No I/O. */
#ifndef VMIG_PLACEMENT_H
#define VMIG_PLACEMENT_H

#include <stddef.h>
#include <stdint.h>

#include <linux/vmig.h>

struct json_object;

/**
 * struct vmig_candidate - a node that a VM could go to
 * @room: bytes that nobody there has been promised
 * @why: it cannot take the VM; "" if it may be asked
 */
struct vmig_candidate {
	char node[VMIG_NAME_MAX + 1];
	uint64_t room;
	char why[192];
};

/* @shown is what the node says of itself (node-show); not trusted. */
void vmig_candidate_read(struct vmig_candidate *c, const char *node,
			 struct json_object *shown);
/**
 * vmig_placement_sort() - Order candidates for a VM that needs @memory bytes.
 *
 * Those with the most room come first, by name where that is equal, and then
 * those that have no room or another reason, which is in their @why.
 *
 * Return: how many may be asked.
 */
size_t vmig_placement_sort(struct vmig_candidate *candidates, size_t n,
			   uint64_t memory);

#endif /* VMIG_PLACEMENT_H */
