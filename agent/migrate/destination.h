/* SPDX-License-Identifier: GPL-2.0 */
/* A VM on its way into this node. */
#ifndef VMIG_DESTINATION_H
#define VMIG_DESTINATION_H

#include "../daemon.h"
#include "../definition.h"

struct json_object;
struct vmig_incoming;
struct vmig_machine;

/* destination.c APIs: */
void vmig_incoming_accept(void *daemon, struct vmig_conn *conn,
			  const struct vmig_hello *theirs, const char *kind,
			  struct json_object *greeting);
struct vmig_incoming *vmig_incoming_find(struct vmig_daemon *daemon,
					 uint32_t id);
void vmig_incoming_notify(struct vmig_incoming *in,
			  const struct vmig_mig_info *info);
void vmig_incoming_recover(struct vmig_daemon *daemon, struct vmig_machine *m,
			   const struct vmig_mig_info *info);

enum vmig_outcome {
	VMIG_OUTCOME_ABORTED,
	VMIG_OUTCOME_COMMITTED,
	VMIG_OUTCOME_PENDING,
};

enum vmig_outcome vmig_incoming_outcome(struct vmig_daemon *daemon,
					const char *vm, const uint8_t *token);

/* preflight.c APIs: */
int vmig_preflight_destination(struct vmig_daemon *daemon,
			       const struct vmig_definition *def,
			       struct vmig_err *err);

/* outcome.c APIs: */
void vmig_outcome_answer(struct vmig_daemon *daemon, struct vmig_conn *conn,
			 struct json_object *query);

#endif /* VMIG_DESTINATION_H */
