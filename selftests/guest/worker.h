/* SPDX-License-Identifier: GPL-2.0 */
/* The thread that dirties and checks the memory under test. */
#ifndef VMIG_GUEST_WORKER_H
#define VMIG_GUEST_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "pages.h"

enum worker_mode {
	WORKER_RANDOM,	/* any page, all equally likely */
	WORKER_SWEEP,	/* one page after the other */
	WORKER_IDLE,	/* nothing is written, reads are few */
};

#define WORKER_MODES	3

extern const char * const worker_mode_names[WORKER_MODES];

bool worker_parse_mode(const char *name, enum worker_mode *mode);
int worker_start(struct pages *pages, enum worker_mode mode, unsigned int rate);
void worker_set(enum worker_mode mode, unsigned int rate);
void worker_get(enum worker_mode *mode, unsigned int *rate);
bool worker_is_filled(void);
uint64_t worker_sweeps(void);
void worker_reset(void);
int worker_verify(unsigned int timeout_s);
int worker_corrupt(unsigned int timeout_s);

#endif
