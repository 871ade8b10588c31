/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What carries the memory of a migration: TCP, or RDMA where both nodes can.
 *
 * The source offers what it can ("transports" in "setup"), the destination
 * chooses ("transport" in "accepted") and says why. An agent that knows neither
 * means TCP. RDMA does not encrypt: a node refuses it on a network that is not
 * declared trusted.
 */
#ifndef VMIG_MIGRATE_TRANSPORT_H
#define VMIG_MIGRATE_TRANSPORT_H

#include <stdbool.h>

#include <linux/vmig.h>

#include "../err.h"

struct json_object;
struct vmig_daemon;
struct vmig_preflight;

/*
 * Can and may this node use RDMA? 0 with its device in @said, or a negative
 * errno with the reason.
 */
int vmig_transport_rdma(struct vmig_daemon *daemon, struct vmig_err *said);

/*
 * Put into a "setup" what this node can of what @p->transport asks for. Return:
 * true if RDMA is offered; if not, @said has the reason where it could be.
 */
bool vmig_transport_offer(const struct vmig_preflight *p,
			  struct json_object *setup, struct vmig_err *said);

/*
 * What of the offer in @setup this node takes: @said is the device, or why not
 * RDMA if that was offered. A negative errno if it can do nothing of it.
 */
int vmig_transport_choose(struct vmig_daemon *daemon, struct json_object *setup,
			  enum vmig_transport *transport,
			  struct vmig_err *said);

/* Preflight checks, of the source and of the destination. */
int vmig_check_transport_offer(struct vmig_preflight *p,
			       struct vmig_err *said);
int vmig_check_transport_choice(struct vmig_preflight *p,
				struct vmig_err *said);
/* Add a line for a peer whose checks had none, if it has to know RDMA. */
void vmig_transport_check_peer(struct vmig_preflight *p);

#endif /* VMIG_MIGRATE_TRANSPORT_H */
