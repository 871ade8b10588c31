/* SPDX-License-Identifier: GPL-2.0 */
/* Is the host of another node still there? For when that must be known soon. */
#ifndef VMIG_PULSE_H
#define VMIG_PULSE_H

#include <stdint.h>

#include <systemd/sd-event.h>

struct vmig_conn;
struct vmig_pulse;

/* Called every now and then until the host is heard of again. */
typedef void (*vmig_missed_fn)(void *arg, uint64_t ms);

/* To be stopped before @conn is closed. */
struct vmig_pulse *vmig_pulse_start(sd_event *event, struct vmig_conn *conn,
				    vmig_missed_fn fn, void *arg);
/* Clears @pulse, which may be NULL already. */
void vmig_pulse_stop(struct vmig_pulse **pulse);

#endif /* VMIG_PULSE_H */
