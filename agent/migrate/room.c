// SPDX-License-Identifier: GPL-2.0
/* Memory of this node that nobody has been promised. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../cluster/handshake.h"
#include "../daemon.h"
#include "../vmm/machine.h"
#include "room.h"

static uint64_t allocated_of(const struct vmig_vm_info *list, size_t n,
			     const char *name)
{
	uint64_t sum = 0;
	unsigned int r;
	size_t i;

	for (i = 0; i < n; i++)
		for (r = 0; r < list[i].nregions && !strcmp(list[i].name, name);
		     r++)
			sum += list[i].regions[r].allocated;
	return sum;
}

/* What VMs may take of the memory that is free now. */
static uint64_t promised(struct vmig_daemon *daemon, bool arriving_only)
{
	struct vmig_vm_info *list = NULL;
	struct vmig_machine *m;
	uint64_t sum = 0, has;
	size_t n = 0;

	/* Without the kernel's word all of it counts as promised. */
	if (vmig_nl_vm_list(daemon->nl, &list, &n, NULL))
		n = 0;
	LIST_FOREACH(m, &daemon->machines, entry) {
		if (m->pidfd < 0 || (arriving_only && !m->incoming))
			continue;
		has = allocated_of(list, n, m->name);
		if (has < m->def->memory)
			sum += m->def->memory - has;
	}
	free(list);
	return sum;
}

static uint64_t rest(struct vmig_daemon *daemon, bool arriving_only)
{
	uint64_t have = vmig_memory_free();
	uint64_t less = promised(daemon, arriving_only);

	return have > less ? have - less : 0;
}

uint64_t vmig_room_now(struct vmig_daemon *daemon)
{
	return rest(daemon, true);
}

uint64_t vmig_room_lasting(struct vmig_daemon *daemon)
{
	return rest(daemon, false);
}
