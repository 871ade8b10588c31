/* SPDX-License-Identifier: GPL-2.0 */
/* Moments of a migration at which something happens to it. */
#ifndef VMIG_T1_MOMENT_H
#define VMIG_T1_MOMENT_H

#include "pair.h"

enum moment { SETUP, MEMORY, STOPPED, READY, MOMENTS };

extern const char *const moment_names[MOMENTS];

/*
 * All return 0 or -1, and say on stderr what went wrong.
 *
 * Bring both sides to a moment. A migration that is to be met in PRECOPY or
 * STOPCOPY is slow enough to be met there.
 */
int moment_bring(struct pair *pair, struct plan plan, enum moment moment);

/* Fill the source's memory with what moment_check_usable() expects. */
void moment_fill(struct pair *pair);

/*
 * The VM is the source's own again, as it was, can be written and can be moved
 * after all; both VMs are gone afterwards.
 */
int moment_check_usable(struct pair *pair);

/* In a test: the side ended as FAILED, and says why; @text is part of it. */
#define EXPECT_FAILED(side, text) do {					\
	ASSERT_EQ(0, side_wait(side, VMIG_STATE_FAILED));		\
	EXPECT_NE(NULL, strstr(side_reason(side), text)) {		\
		TH_LOG("%s: %s", (side)->name, side_reason(side));	\
	}								\
} while (0)

#endif /* VMIG_T1_MOMENT_H */
