/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who may run a VM: its lease, a record on the storage that all nodes see.
 *
 * A lease is {holder, epoch}; the holder "" is nobody. Every change adds to the
 * epoch, so that a change which is based on what somebody saw earlier fails
 * instead of undoing another one. See Documentation/lease.rst.
 */
#ifndef VMIG_LEASE_H
#define VMIG_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include <linux/vmig.h>

#include "../err.h"

#define VMIG_LEASE_DISKS_MAX	16
#define VMIG_LEASE_EVIDENCE_MAX	2048
/* The lease file of /srv/web1.img is /srv/web1.img.lease. */
#define VMIG_LEASE_SUFFIX	".lease"

enum vmig_lease_kind {
	VMIG_LEASE_NONE,	/* no shared disk: every request is granted */
	VMIG_LEASE_FILE,	/* a record beside the image */
	VMIG_LEASE_SCSI_PR,	/* SCSI-3 persistent reservations */
};

enum vmig_lease_action {
	/* Who holds it. */
	VMIG_LEASE_READ = 1,
	/* The VM starts here: take it if nobody or this node holds it. */
	VMIG_LEASE_ACQUIRE,
	/* {expect} to {node, epoch + 1}: the commit, asked for by the destination. */
	VMIG_LEASE_HANDOFF,
	/*
	 * {node, epoch} to {node, epoch + 1}: a handoff that is still under way
	 * somewhere fails from now on. What a source has to do before its VM
	 * goes on, if it does not know what became of the handoff.
	 */
	VMIG_LEASE_KEEP,
	/* The VM is off: {node, epoch} to nobody. */
	VMIG_LEASE_RELEASE,
	/* {expect} to this node, after an operator made sure the holder is dead. */
	VMIG_LEASE_TAKE_OVER,
};

enum vmig_lease_status {
	VMIG_LEASE_DONE = 1,
	VMIG_LEASE_HELD,	/* by result->record.holder */
	VMIG_LEASE_CHANGED,	/* it is not, or no longer, what was expected */
	VMIG_LEASE_FOREIGN,	/* of another VM, or of other software */
	VMIG_LEASE_MALFORMED,	/* no record that can be trusted */
	VMIG_LEASE_TIMEOUT,	/* the storage, or a lock on it, takes too long */
	VMIG_LEASE_IO_ERROR,	/* the storage says no */
	VMIG_LEASE_INVALID,	/* the request, or not for this storage */
};

struct vmig_lease_record {
	char holder[VMIG_NAME_MAX + 1];		/* "" is nobody */
	uint64_t epoch;
};

/**
 * struct vmig_lease_request - What to do with which lease.
 * @vm: its name; a lease of another VM is never touched
 * @node: this node, on whose behalf it is done
 * @paths: images or disks, the same order on every node: the first one decides
 *	who holds the lease; a lease file is beside the first one
 * @nodes: names of the cluster's nodes, by which keys on disks are told apart
 * @expect: what the lease is believed to be; not for READ and ACQUIRE
 * @fence_confirmed: an operator says that the holder is dead
 * @limit_ms: after that long the answer is VMIG_LEASE_TIMEOUT
 */
struct vmig_lease_request {
	enum vmig_lease_kind kind;
	enum vmig_lease_action action;
	const char *vm;
	const char *node;
	const char * const *paths;
	unsigned int npaths;
	const char * const *nodes;
	unsigned int nnodes;
	struct vmig_lease_record expect;
	bool fence_confirmed;
	unsigned int limit_ms;
};

/**
 * struct vmig_lease_result - What came of it.
 * @known: @record is what the storage said last
 * @complete: every disk follows @record; if not, whoever holds the lease
 *	repeats the request before the VM runs
 * @unsure: not DONE, but it may have happened or happen yet: a destination
 *	repeats the request until it is answered, a source uses
 *	VMIG_LEASE_KEEP
 * @evidence: what was found, for an operator; lines, the last without an end
 * @err: one sentence that names the VM, disk or file, holder and what to do
 */
struct vmig_lease_result {
	enum vmig_lease_status status;
	bool known;
	bool complete;
	bool unsure;
	struct vmig_lease_record record;
	char evidence[VMIG_LEASE_EVIDENCE_MAX];
	struct vmig_err err;
};

/* "done", "held" ...; for logs and tests. */
const char *vmig_lease_status_name(enum vmig_lease_status status);
/* False if there is no such kind. */
bool vmig_lease_kind_parse(const char *text, enum vmig_lease_kind *kind);

/**
 * vmig_lease_nodes_check() - Can these nodes be told apart on a disk?
 *
 * A key has room for 16 bits of a node's name.
 * Return: 0, or -EINVAL with the two nodes of which one needs another name.
 */
int vmig_lease_nodes_check(const char * const *nodes, unsigned int n,
			   struct vmig_err *err);

/**
 * vmig_lease_run() - Do it here and now.
 *
 * Context: Blocks, and for as long as the storage hangs whatever
 * @request->limit_ms says: only locks are given up in time. Not for a daemon.
 */
void vmig_lease_run(const struct vmig_lease_request *request,
		    struct vmig_lease_result *result);

struct vmig_lease_op;

/* @result is valid during the call only. */
typedef void (*vmig_lease_fn)(void *arg,
			      const struct vmig_lease_result *result);

/**
 * vmig_lease_start() - Do it in a process of its own.
 * @request: need not outlive the call
 * @op: for vmig_lease_abandon(), until @fn is called
 *
 * Context: Single-threaded process; does not block.
 * Return: 0 if @fn will be called exactly once, from the event loop and not
 * later than @request->limit_ms; or a negative errno if it never will.
 */
int vmig_lease_start(sd_event *event, const struct vmig_lease_request *request,
		     vmig_lease_fn fn, void *arg, struct vmig_lease_op **op,
		     struct vmig_err *err);

/**
 * vmig_lease_abandon() - Its callback is not called any more.
 * @op: may be NULL
 *
 * What it was about to do may still happen.
 */
void vmig_lease_abandon(struct vmig_lease_op *op);

#endif /* VMIG_LEASE_H */
