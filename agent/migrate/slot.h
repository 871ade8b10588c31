/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many migrations a node takes part in at once, in or out.
 *
 * Nothing is counted up and down: who holds a slot is a migration that exists,
 * so that none can be lost or held by nobody.
 */
#ifndef VMIG_SLOT_H
#define VMIG_SLOT_H

#include "../daemon.h"
#include "../err.h"

struct json_object;
struct vmig_machine;

/**
 * vmig_slot_check() - Is there room for one more?
 * @m: the VM that is to move
 * @peer: the node that wants to send a VM; NULL for one that is to leave
 *
 * Return: 0, or -EBUSY and a sentence that names who holds it.
 */
int vmig_slot_check(struct vmig_daemon *daemon, const struct vmig_machine *m,
		    const char *peer, struct vmig_err *err);
/* A migration is over: tell those who may wait for that. */
void vmig_slot_freed(struct vmig_daemon *daemon);
/* {"limit": 1, "holders": [{"vm", "from", "to", "seconds"}, ...]} */
struct json_object *vmig_slot_describe(struct vmig_daemon *daemon);

#endif /* VMIG_SLOT_H */
