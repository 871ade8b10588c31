// SPDX-License-Identifier: GPL-2.0
/* Moments of a migration. */
#include <stdio.h>
#include <unistd.h>
#include "moment.h"

const char *const moment_names[MOMENTS] = {
	"setup", "memory", "stopped", "ready",
};

/* Over RDMA the nodes may not have met yet in PRECOPY: wait for the first pages. */
static int wait_met(struct side *side)
{
	do {
		usleep(10000);
		if (side_get(side))
			return -1;
		if (nl_u32(&side->message, VMIG_A_MIGRATION_STATE) !=
		    VMIG_STATE_PRECOPY) {
			fprintf(stderr, "# %s ended before the first pages: %s\n",
				side->name, side_reason(side));
			return -1;
		}
	} while (!side_counter(side, VMIG_A_COUNTERS_DATA_PAGES));
	return 0;
}

int moment_bring(struct pair *pair, struct plan plan, enum moment moment)
{
	if (moment == MEMORY)
		plan.bandwidth = 1 << 20;
	if (moment == SETUP)
		return pair_new(pair, &plan);
	if (pair_start(pair, &plan))
		return -1;
	if (moment == MEMORY)
		return side_wait(&pair->a, VMIG_STATE_PRECOPY) ||
		       side_wait(&pair->b, VMIG_STATE_INCOMING) ||
		       (pair->a.rdma && wait_met(&pair->a)) ? -1 : 0;
	if (side_wait_converged(&pair->a))
		return -1;
	if (moment == STOPPED)
		return side_call(&pair->a, VMIG_CMD_MIGRATION_STOP_COPY) ?
		       -1 : 0;
	return pair_stop_copy(pair);
}

void moment_fill(struct pair *pair)
{
	size_t i;

	for (i = 0; i < pair->a.size; i += 8)
		*(uint64_t *)(pair->a.mem + i) = i + 1;
}

int moment_check_usable(struct pair *pair)
{
	const struct plan plan = { .channels = 3 };
	size_t i;

	for (i = 0; i < pair->a.size; i += PAIR_PAGE) {
		volatile uint64_t *word = (uint64_t *)(pair->a.mem + i);

		if (*word != i + 1) {
			fprintf(stderr, "# byte %zx of the source changed\n", i);
			return -1;
		}
		*word = i + 1;
	}
	if (pair_start(pair, &plan) || side_wait_converged(&pair->a) ||
	    pair_stop_copy(pair))
		return -1;
	if (pair_differs(pair) != -1) {
		fprintf(stderr, "# byte %lx differs\n", pair_differs(pair));
		return -1;
	}
	return pair_finish(pair) || pair_remove_vm(&pair->a) ||
	       pair_remove_vm(&pair->b) ? -1 : 0;
}
