/* SPDX-License-Identifier: GPL-2.0 */
/* A VM on its way into this node. */
#ifndef VMIG_DESTINATION_H
#define VMIG_DESTINATION_H

#include <stdbool.h>
#include <sys/queue.h>

#include "../daemon.h"
#include "../definition.h"
#include "../storage/lease.h"

struct json_object;
struct vmig_machine;

enum vmig_incoming_step {
	VMIG_IN_VISIT,	/* a peer is connected and has not said what for */
	VMIG_IN_CHECK,	/* whether the VM's lease is the source's */
	VMIG_IN_PREPARE,	/* channels are made, QEMU starts */
	VMIG_IN_INCOMING,	/* memory arrives, QEMU may still start */
	VMIG_IN_LOADED,	/* all is here; the source decides */
	VMIG_IN_RECORD,	/* it has: its word is being written down */
	VMIG_IN_HANDOFF,	/* the storage is asked for the lease */
	VMIG_IN_RESUME,	/* committed; QEMU was told to continue */
	VMIG_IN_NETWORK,	/* the VM runs; the network is told */
	VMIG_IN_DROP,	/* failed; QEMU is being killed */
};

/* What the commit took here, in us. */
struct vmig_incoming_parts {
	uint64_t record;
	uint64_t lease;
	uint64_t cont;
};

/**
 * struct vmig_incoming - one migration, from the peer's first word
 * @m: the VM; NULL in VMIG_IN_VISIT. Its ops are ours.
 * @since: when the VM was announced to us, CLOCK_MONOTONIC us
 * @setup: put off until an earlier QEMU of the VM has died; or NULL
 * @nchannels: that the memory travels on
 * @fds: @nsockets data channels, all but with RDMA, and the state connection;
 *	-1 while missing
 * @id: in the kernel, 0 before VMIG_IN_INCOMING
 * @params: of the kernel's migration, as @setup has them; @why: their transport
 * @unconnected: the kernel takes no channels: another transport may do
 * @answered: QEMU is up; @receptive: ... and waits for the device state
 * @ready: the kernel has all memory, and it is right
 * @loaded: QEMU has read the device state
 * @handoff: the lease that was promised with "commit"
 * @told: the last trouble with the lease, which is logged once
 * @refused: QEMU has refused to continue, and that is logged
 * @lost: nobody knows what lease was promised: an operator decides
 * @mark: when the part of the commit that goes on began, CLOCK_MONOTONIC us
 */
struct vmig_incoming {
	LIST_ENTRY(vmig_incoming) entry;
	struct vmig_daemon *daemon;
	struct vmig_machine *m;
	uint64_t since;
	struct json_object *setup;
	struct vmig_conn *control;
	char node[VMIG_NAME_MAX + 1];
	uint8_t token[VMIG_TOKEN_LEN];
	enum vmig_incoming_step step;
	sd_event_source *limit;
	uint32_t id;

	unsigned int nchannels;
	int fds[VMIG_CHANNELS_MAX + 1];
	unsigned int nsockets;
	unsigned int connected;
	struct vmig_mig_params params;
	char why[512];
	bool unconnected;
	bool answered;
	bool receptive;
	bool ready;
	bool loaded;

	struct vmig_lease_record handoff;
	enum vmig_lease_status told;
	bool refused;
	bool lost;
	uint64_t mark;
	struct vmig_incoming_parts parts;
};

/* arrival.c APIs: */
void vmig_incoming_accept(struct vmig_daemon *daemon, struct vmig_conn *conn,
			  const struct vmig_hello *theirs, const char *kind,
			  struct json_object *greeting);
void vmig_incoming_refuse(struct vmig_incoming *in, bool busy,
			  const struct vmig_err *why);
void vmig_incoming_admit(struct vmig_incoming *in);

/* destination.c APIs: */
extern const struct vmig_machine_ops vmig_incoming_machine_ops;
struct vmig_incoming *vmig_incoming_create(struct vmig_daemon *daemon,
					   const char *node);
void vmig_incoming_destroy(struct vmig_incoming *in);
struct vmig_incoming *vmig_incoming_find_token(struct vmig_daemon *daemon,
					       const uint8_t *token);
void vmig_incoming_say(struct vmig_incoming *in, const char *type,
		       const char *reason);
void vmig_incoming_drop(struct vmig_incoming *in, const char *type,
			const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vmig_incoming_start(struct vmig_incoming *in);
void vmig_incoming_commit(struct vmig_incoming *in, struct json_object *msg);
void vmig_incoming_resume(struct vmig_incoming *in);
struct vmig_incoming *vmig_incoming_find(struct vmig_daemon *daemon,
					 uint32_t id);
void vmig_incoming_notify(struct vmig_incoming *in,
			  const struct vmig_mig_info *info);
void vmig_incoming_recover(struct vmig_daemon *daemon, struct vmig_machine *m,
			   const struct vmig_mig_info *info);

/* handoff.c APIs: */

/* run/NAME/handoff; @whole if it could be read. */
struct vmig_handoff_file {
	bool whole;
	uint8_t token[VMIG_TOKEN_LEN];
	struct vmig_lease_record record;
};

/* Is the lease the source's? vmig_incoming_admit() or _refuse() follows. */
void vmig_handoff_check(struct vmig_incoming *in);
/* "commit": vmig_incoming_resume() or vmig_incoming_drop() follows. */
void vmig_handoff_begin(struct vmig_incoming *in, struct json_object *commit);
/* The same for what an earlier daemon began. */
void vmig_handoff_recover(struct vmig_incoming *in);
/* One that does not know what lease it waits for, or NULL. */
struct vmig_incoming *vmig_handoff_find_lost(const struct vmig_machine *m);
/*
 * An operator decides: the VM goes on here if the lease is this node's (@mine),
 * else what arrived is thrown away. @keep: its definition stays.
 */
void vmig_handoff_decide(struct vmig_incoming *in, bool mine, bool keep);
bool vmig_handoff_find(const struct vmig_machine *m,
		       struct vmig_handoff_file *found);
void vmig_handoff_forget(const struct vmig_machine *m);

/* outcome.c APIs: */
void vmig_outcome_refuse(struct vmig_daemon *daemon, const uint8_t *token);
bool vmig_outcome_refused(struct vmig_daemon *daemon, const uint8_t *token);
void vmig_outcome_answer(struct vmig_daemon *daemon, struct vmig_conn *conn,
			 struct json_object *query);

#endif /* VMIG_DESTINATION_H */
