/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lease of a VM, asked for on behalf of this node.
 *
 * The storage is asked in a process of its own, one request of a VM at a time;
 * Documentation/lease.rst says what the requests do.
 */
#ifndef VMIG_OWNERSHIP_H
#define VMIG_OWNERSHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "../storage/lease.h"

struct json_object;
struct vmig_machine;

/*
 * What one request may take. Below the limits of the steps that wait for it
 * (source.c), so that the answer says what the storage does.
 */
#define VMIG_OWNERSHIP_LIMIT_MS	10000
/* Between two requests, where only the storage can end the asking. */
#define VMIG_OWNERSHIP_PACE_US	(500 * 1000ULL)

/* @m may be gone afterwards; see vmig_ownership_let_go(). */
typedef void (*vmig_ownership_fn)(struct vmig_machine *m, bool released,
				  const struct vmig_lease_result *why);

/**
 * struct vmig_ownership - what this node knows of a VM's lease
 * @record: what the storage said last, if @known; it may have changed since
 * @complete: ... and all disks followed it
 * @held: it was this node's, or of a QEMU that was found running is taken to be:
 *	release it when QEMU is dead
 * @tries: how often a start has repeated its request
 * @op: under way, with whom to tell
 */
struct vmig_ownership {
	struct vmig_lease_record record;
	bool known;
	bool complete;
	bool held;
	unsigned int tries;
	struct vmig_lease_op *op;
	vmig_lease_fn fn;
	void *arg;
	vmig_ownership_fn let_go;
};

/* False for "none". */
bool vmig_ownership_is_used(const struct vmig_machine *m);
/* Are the two guarded by the same record? Of "none" there is none. */
bool vmig_ownership_is_same(const struct vmig_machine *m,
			    const struct vmig_machine *other);
/* Is the storage being asked? */
bool vmig_ownership_is_busy(const struct vmig_machine *m);

/**
 * vmig_ownership_ask() - Read or change the lease.
 * @expect: see struct vmig_lease_request; NULL where nothing is expected. What
 *	TAKE_OVER expects an operator has confirmed.
 * @fn: called once, perhaps before this returns, unless
 *	vmig_ownership_forget() comes first
 */
void vmig_ownership_ask(struct vmig_machine *m, enum vmig_lease_action action,
			const struct vmig_lease_record *expect,
			vmig_lease_fn fn, void *arg);
/* @arg does not hear any more of what it asked for. */
void vmig_ownership_forget(struct vmig_machine *m, const void *arg);

/* Is what the storage said a lease of this node, on all disks? */
bool vmig_ownership_is_mine(const struct vmig_machine *m,
			    const struct vmig_lease_result *result);

/* Take the lease and start QEMU; start_request is answered as it goes. */
void vmig_ownership_start(struct vmig_machine *m);
/* A QEMU was found: the lease is this node's until the storage says otherwise. */
void vmig_ownership_presume(struct vmig_machine *m);
/* The VM was found running: see that it may. */
void vmig_ownership_learn(struct vmig_machine *m);
/**
 * vmig_ownership_let_go() - Release the lease if it is this node's.
 * @fn: with whether it was, and with an answer that is no success or NULL
 */
void vmig_ownership_let_go(struct vmig_machine *m, vmig_ownership_fn fn);
/* QEMU is dead: stop_request is answered when the lease is released. */
void vmig_ownership_end(struct vmig_machine *m);

/* See vm-show in answer.h. */
struct json_object *vmig_ownership_describe(const struct vmig_machine *m);

#endif /* VMIG_OWNERSHIP_H */
