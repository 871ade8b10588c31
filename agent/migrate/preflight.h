/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Refuse early what cannot work: tables of named checks, one sentence each,
 * and nothing is changed.
 *
 * A migration stops at the first check that fails; `vmig-agent check` runs
 * every one. Those of the source are in preflight_source.c (what is known
 * without asking), preflight_qemu.c (what QEMU says) and preflight_node.c (what
 * the other node's greeting says), those of the destination in
 * preflight_destination.c; without a migration visit.c runs them. What both ask
 * of their host is in preflight_host.c.
 */
#ifndef VMIG_PREFLIGHT_H
#define VMIG_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>

#include "../config.h"
#include "../err.h"

struct json_object;
struct vmig_daemon;
struct vmig_definition;
struct vmig_machine;
struct vmig_preflight;

/* Of a check that says nothing about this VM or node: it leaves no line. */
#define VMIG_CHECK_NONE 1

/**
 * struct vmig_check - one line of a table
 * @name: how operators call it, and waive it
 * @run: 0, VMIG_CHECK_NONE, or a negative errno with a sentence in @said. What
 *	was found to be well may be told there, too.
 */
struct vmig_check {
	const char *name;
	int (*run)(struct vmig_preflight *p, struct vmig_err *said);
};

/**
 * struct vmig_preflight - a run through the checks
 * @m: the VM; at the destination of a mere check it is in no list
 * @peer: the other node
 * @transport: that is asked for; by default the configured one
 * @all: go on after a failure
 * @msg: the other node's greeting or setup; borrowed, for its checks only
 * @list: a JSON object a check, in their order; owned
 * @error: positive errno of the first failure, with @reason; 0 if there is none
 * @failures: how many have failed
 * @busy: it was the slot, so that it may be worth waiting
 * @done: called when QEMU has answered
 */
struct vmig_preflight {
	struct vmig_daemon *daemon;
	struct vmig_machine *m;
	const char *peer;
	enum vmig_request_transport transport;
	bool all;
	struct json_object *msg;
	struct json_object *list;
	int error;
	char reason[VMIG_TEXT_MAX + 1];
	unsigned int failures;
	bool busy;
	void (*done)(void *arg);
	void *arg;
};

/* preflight.c APIs: */
void vmig_preflight_init(struct vmig_preflight *p, struct vmig_daemon *daemon,
			 struct vmig_machine *m, const char *peer, bool all);
void vmig_preflight_exit(struct vmig_preflight *p);
/* Without a line again, for the same VM and node. */
void vmig_preflight_reset(struct vmig_preflight *p);
/* A line; @ret as of struct vmig_check's @run. */
void vmig_preflight_add(struct vmig_preflight *p, const char *name, int ret,
			const char *said);
/* May the next check run? */
bool vmig_preflight_goes_on(const struct vmig_preflight *p);
void vmig_preflight_run(struct vmig_preflight *p,
			const struct vmig_check *table, size_t n);
/* Lines that another node sent; what is no line is left out. */
void vmig_preflight_append(struct vmig_preflight *p, const char *node,
			   struct json_object *list);

/* preflight_source.c APIs: */
void vmig_preflight_source(struct vmig_preflight *p);
/* A "setup" of the VM, with what the destination compares with its own. */
struct json_object *vmig_preflight_setup(const struct vmig_preflight *p);

/* preflight_qemu.c APIs: p->done() follows, unless the VM's QMP is closed. */
void vmig_preflight_qemu(struct vmig_preflight *p);
void vmig_preflight_forget(struct vmig_preflight *p);

/* preflight_node.c APIs: */
void vmig_preflight_node(struct vmig_preflight *p, struct json_object *greeting);

/* preflight_destination.c APIs: */
void vmig_preflight_destination(struct vmig_preflight *p,
				struct json_object *setup);

/* preflight_host.c APIs: */
int vmig_check_migration_network(struct vmig_preflight *p,
				 struct vmig_err *said);
int vmig_check_same_subnet(struct vmig_preflight *p, struct vmig_err *said);
int vmig_check_slat(struct vmig_preflight *p, struct vmig_err *said);
int vmig_check_encryption(struct vmig_preflight *p, struct vmig_err *said);
/* For those that would add a VM to this node. */
int vmig_check_draining(struct vmig_preflight *p, struct vmig_err *said);
int vmig_check_slot(struct vmig_preflight *p, struct vmig_err *said);

#endif /* VMIG_PREFLIGHT_H */
