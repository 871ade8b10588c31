/* SPDX-License-Identifier: GPL-2.0 */
/* The port that other agents connect to: who may speak, and what for. */
#ifndef VMIG_LISTENER_H
#define VMIG_LISTENER_H

#include <systemd/sd-event.h>

#include "../config.h"
#include "conn.h"

struct json_object;
struct vmig_hello;
struct vmig_listener;
struct vmig_nodes;

/**
 * vmig_accepted_fn - a peer of ours connected and its greeting was answered
 * @conn: the callee's to close or to take
 * @kind: "control", "request", or "node" for the greeting only; or "channel" or
 *	"state", which are not answered yet and nobody's before they have proven it
 * @greeting: for what else it carries; not kept
 */
typedef void (*vmig_accepted_fn)(void *arg, struct vmig_conn *conn,
				 const struct vmig_hello *theirs,
				 const char *kind,
				 struct json_object *greeting);

int vmig_listener_open(struct vmig_listener **listener, sd_event *event,
		       const struct vmig_config *config,
		       struct vmig_nodes *nodes, vmig_accepted_fn fn,
		       void *arg, struct vmig_err *err);
void vmig_listener_close(struct vmig_listener *listener);

/* Count it, log it if that was not done lately, and close it. */
void vmig_listener_refuse(struct vmig_listener *listener,
			  struct vmig_conn *conn, enum vmig_refusal reason,
			  const char *why);
/* A channel has proven what it belongs to. */
void vmig_listener_welcome(struct vmig_listener *listener,
			   struct vmig_conn *conn);
const struct vmig_refusals *
vmig_listener_refusals(const struct vmig_listener *listener);

#endif /* VMIG_LISTENER_H */
