// SPDX-License-Identifier: GPL-2.0
/* Which nodes a VM may be sent to, the best first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "placement.h"

void vmig_candidate_read(struct vmig_candidate *c, const char *node,
			 struct json_object *shown)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->node, sizeof(c->node), "%s", node);
	c->room = vmig_json_uint(shown, "memory_room", 0);
	if (vmig_json_uint(shown, "draining", 0))
		snprintf(c->why, sizeof(c->why), "it is being drained itself");
}

static int compare(const void *a, const void *b)
{
	const struct vmig_candidate *one = a, *other = b;

	if (!*one->why != !*other->why)
		return *one->why ? 1 : -1;
	if (one->room != other->room)
		return one->room > other->room ? -1 : 1;
	return strcmp(one->node, other->node);
}

size_t vmig_placement_sort(struct vmig_candidate *candidates, size_t n,
			   uint64_t memory)
{
	size_t i, fit = 0;

	for (i = 0; i < n; i++) {
		struct vmig_candidate *c = &candidates[i];

		if (!*c->why && c->room < memory)
			snprintf(c->why, sizeof(c->why),
				 "%llu MiB of its memory are not promised to its VMs, and the VM needs %llu MiB",
				 (unsigned long long)c->room >> 20,
				 (unsigned long long)memory >> 20);
		fit += !*c->why;
	}
	qsort(candidates, n, sizeof(*candidates), compare);
	return fit;
}
