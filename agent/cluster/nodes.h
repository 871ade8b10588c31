/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The processors of the cluster: this node's own, and of each peer what it
 * told last, which outlives the daemon.
 */
#ifndef VMIG_NODES_H
#define VMIG_NODES_H

#include <systemd/sd-event.h>

#include "../config.h"
#include "../cpu/cpu.h"
#include "../err.h"

struct json_object;
struct vmig_nl;
struct vmig_nodes;

int vmig_nodes_open(struct vmig_nodes **nodes, const struct vmig_config *config,
		    struct vmig_nl *nl, sd_event *event, struct vmig_err *err);

/*
 * Both return NULL with a sentence if it is not known. What they return is good
 * until the event loop runs again.
 */
const struct vmig_cpu *vmig_nodes_here(struct vmig_nodes *nodes,
				       struct vmig_err *err);
const struct vmig_cpu *vmig_nodes_cpu(struct vmig_nodes *nodes,
				      const char *name, struct vmig_err *err);

/* Why a peer did not answer when it was asked last; NULL if it did. */
const char *vmig_nodes_silent(struct vmig_nodes *nodes, const char *name);

/* A peer's, also of a node without KVM; "" if it never told. */
const char *vmig_nodes_vendor(struct vmig_nodes *nodes, const char *name);

/* What a greeting tells of the processor of who greets. */
void vmig_nodes_add(struct vmig_nodes *nodes, struct json_object *greeting);
void vmig_nodes_learn(struct vmig_nodes *nodes, const char *name,
		      struct json_object *greeting);

/**
 * vmig_nodes_ask() - Have peers tell their processors.
 * @wanted: bit i stands for the configuration's peer i
 * @fn: called once when each has told or failed to, possibly at once
 */
void vmig_nodes_ask(struct vmig_nodes *nodes, uint64_t wanted,
		    void (*fn)(void *arg), void *arg);
/* Those that never told. */
uint64_t vmig_nodes_unknown(struct vmig_nodes *nodes);

/* inquiry.c APIs: @why is NULL if @peer has answered. */
typedef void (*vmig_inquiry_fn)(void *arg, const struct vmig_peer *peer,
				struct json_object *greeting, const char *why);
void vmig_inquiry_start(sd_event *event, const struct vmig_config *config,
			const struct vmig_peer *peer,
			struct json_object *greeting, vmig_inquiry_fn fn,
			void *arg);

#endif /* VMIG_NODES_H */
