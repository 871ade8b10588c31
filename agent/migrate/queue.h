/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Migrations out of this node that wait until both nodes have a slot for them.
 *
 * First come, first served, but one whose other node was busy steps aside for
 * a moment, so that the next one may go elsewhere. A place in the queue is the
 * daemon's: whoever asked for it may go, the daemon's end ends it.
 */
#ifndef VMIG_QUEUE_H
#define VMIG_QUEUE_H

#include "source.h"

int vmig_queue_open(struct vmig_daemon *daemon, struct vmig_err *err);
/*
 * 0 if @moved will be called, or without it the request be answered, once the
 * migration has ended or cannot begin for another reason than a slot.
 */
int vmig_queue_add(struct vmig_daemon *daemon,
		   const struct vmig_request *request, vmig_moved_fn moved,
		   void *arg, struct vmig_err *err);
/* -EBUSY with a sentence if the VM waits already. */
int vmig_queue_check(struct vmig_daemon *daemon, const char *vm,
		     struct vmig_err *err);
/* Take a VM out that waits. -ENOENT if it does not. */
int vmig_queue_cancel(struct vmig_daemon *daemon, const char *vm);
/* A slot of this node may be free: try again from the event loop. */
void vmig_queue_kick(struct vmig_daemon *daemon);
/* [{"position", "vm", "node", "seconds", "why"}, ...] */
struct json_object *vmig_queue_describe(struct vmig_daemon *daemon);

#endif /* VMIG_QUEUE_H */
