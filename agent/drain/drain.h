/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sending every running VM of this node away, and bringing back what left.
 *
 * drain.c has the state of both and what is told of it, away.c finds a node for
 * each VM, back.c asks the nodes for them, record.c is what outlives a daemon.
 */
#ifndef VMIG_DRAIN_H
#define VMIG_DRAIN_H

#include <stdbool.h>
#include <sys/queue.h>

#include <systemd/sd-event.h>

#include "../daemon.h"
#include "placement.h"
#include "record.h"

struct json_object;
struct vmig_checkup;
struct vmig_errand;
struct vmig_preflight;

enum vmig_task_state {
	VMIG_TASK_WAITS,
	VMIG_TASK_ASKS,		/* nodes are asked how they are, or for it */
	VMIG_TASK_CHECKS,	/* would a node take it? */
	VMIG_TASK_MOVES,	/* its migration waits or is under way */
	VMIG_TASK_MOVED,	/* it runs where it was to go */
	VMIG_TASK_STAYED,	/* it does not, and @whys tells the reasons */
	VMIG_TASK_GONE,		/* it ended meanwhile, or moved elsewhere */
};

/**
 * struct vmig_task - one VM of a drain
 * @node: where it goes, or comes from; "" while that is not known
 * @candidates: @ncandidates nodes, of which @next is to be tried next
 * @pending: nodes that have not told yet how they are
 * @errands: one for each peer in the configuration, or NULL
 * @whys: [{"node", "why"}], owned
 * @queued: its migration is this node's, and its end will be told
 * @tries: how often it did not come back
 */
struct vmig_task {
	TAILQ_ENTRY(vmig_task) entry;
	struct vmig_daemon *daemon;
	char vm[VMIG_NAME_MAX + 1];
	char node[VMIG_NAME_MAX + 1];
	enum vmig_task_state state;
	struct vmig_candidate candidates[VMIG_PEERS_MAX];
	size_t ncandidates;
	size_t next;
	unsigned int pending;
	struct vmig_errand *errands[VMIG_PEERS_MAX];
	struct vmig_checkup *checkup;
	struct json_object *whys;
	bool queued;
	unsigned int tries;
	sd_event_source *retry;
};

/**
 * struct vmig_drain - the state of this node
 * @record: as on disk
 * @kick: takes it on from the event loop
 * @again: ... a moment later; or NULL
 * @grace: until then a VM whose QEMU has not told yet may be running,
 *	CLOCK_MONOTONIC us
 */
struct vmig_drain {
	struct vmig_drain_record record;
	TAILQ_HEAD(, vmig_task) tasks;
	sd_event_source *kick;
	sd_event_source *again;
	uint64_t grace;
};

/* drain.c APIs: */
int vmig_drain_open(struct vmig_daemon *daemon, struct vmig_err *err);
/* After the VMs of an earlier daemon have been found: go on. */
void vmig_drain_resume(struct vmig_daemon *daemon);
int vmig_drain_start(struct vmig_daemon *daemon, struct vmig_err *err);
int vmig_drain_end(struct vmig_daemon *daemon, struct vmig_err *err);
bool vmig_drain_is_on(struct vmig_daemon *daemon);
/* Something has ended that it may wait for. */
void vmig_drain_kick(struct vmig_daemon *daemon);
struct json_object *vmig_drain_describe(struct vmig_daemon *daemon);

/* ... for away.c and back.c: */
struct vmig_task *vmig_task_find(struct vmig_daemon *daemon, const char *vm);
struct vmig_task *vmig_task_new(struct vmig_daemon *daemon, const char *vm);
void vmig_task_free(struct vmig_task *t);
void vmig_task_say(struct vmig_task *t, const char *node, const char *why);
void vmig_task_end(struct vmig_task *t, enum vmig_task_state state);
unsigned int vmig_tasks_under_way(struct vmig_daemon *daemon);
/* Does this node have the VM? Not while it arrives. */
bool vmig_drain_is_here(struct vmig_daemon *daemon, const char *vm);
int vmig_drain_save(struct vmig_daemon *daemon, struct vmig_err *err);
/* Kick again after a while. */
void vmig_drain_later(struct vmig_daemon *daemon);

/* away.c APIs: */
/* All VMs that have to go have their task. */
void vmig_away_collect(struct vmig_daemon *daemon);
void vmig_away_begin(struct vmig_task *t);

/* back.c APIs: */
void vmig_back_collect(struct vmig_daemon *daemon);
void vmig_back_begin(struct vmig_task *t);

#endif /* VMIG_DRAIN_H */
