// SPDX-License-Identifier: GPL-2.0
/* Keys of persistent reservations: which VM, which node, which epoch. */
#include <errno.h>
#include <string.h>

#include "lease_slot.h"
#include "pr_disk.h"

uint16_t vmig_pr_tag(const char *name)
{
	uint32_t crc = vmig_lease_crc(name, strlen(name));
	uint16_t tag = crc >> 16 ^ (crc & 0xffff);

	return tag ? tag : 1;
}

uint64_t vmig_pr_key(const char *vm, const char *node, uint32_t epoch)
{
	return (uint64_t)vmig_pr_tag(vm) << 48 |
	       (uint64_t)vmig_pr_tag(node) << 32 | epoch;
}

int vmig_lease_nodes_check(const char * const *nodes, unsigned int n,
			   struct vmig_err *err)
{
	unsigned int i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			if (strcmp(nodes[i], nodes[j]) &&
			    vmig_pr_tag(nodes[i]) == vmig_pr_tag(nodes[j]))
				return vmig_err_set(err, EINVAL,
						    "nodes %s and %s cannot be told apart by their keys on SCSI disks (both 0x%04x): give one of them another name",
						    nodes[j], nodes[i],
						    vmig_pr_tag(nodes[i]));
	return 0;
}
