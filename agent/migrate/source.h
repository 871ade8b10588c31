/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM on its way out of this node.
 *
 * source.c owns the steps, and rollback.c the one way to fail; what a step does
 * with QEMU is in switchover.c, with sockets in channels.c. What both nodes and
 * this kernel are told before anything moves is in setup.c. The commit is in
 * commit.c, and what follows if it is not answered: for a VM without a lease in
 * outcome.c.
 */
#ifndef VMIG_SOURCE_H
#define VMIG_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <systemd/sd-event.h>

#include "../config.h"
#include "../daemon.h"
#include "../nl.h"
#include "preflight.h"
#include "../storage/lease.h"

struct json_object;
struct vmig_conn;
struct vmig_machine;
struct vmig_pulse;
struct vmig_source;

/* In this order; from VMIG_STEP_COMMIT on the migration cannot fail by itself. */
enum vmig_step {
	VMIG_STEP_CHECK,	/* ask QEMU whether the VM can move */
	VMIG_STEP_CONNECT,	/* reach and greet the other node */
	VMIG_STEP_SETUP,	/* it checks the definition */
	VMIG_STEP_CHANNELS,	/* connect channels, claim the memory */
	VMIG_STEP_PREPARE,	/* both sides get ready for the memory */
	VMIG_STEP_PAUSE,	/* quick: QEMU stops the VM before all else */
	VMIG_STEP_PRECOPY,	/* the kernel copies, the VM runs unless quick */
	VMIG_STEP_STOP,		/* QEMU stops the VM */
	VMIG_STEP_FINAL,	/* the kernel copies the rest */
	VMIG_STEP_DEVICE,	/* QEMU sends the device state */
	VMIG_STEP_COMMIT,	/* the other node was told to resume the VM */
	VMIG_STEP_DOUBT,	/* find out who has the VM */
	VMIG_STEP_NETWORK,	/* the VM is there; clean up here */
	VMIG_STEP_FAIL,		/* let the VM run on here */
	VMIG_STEP_END,
};

/* One data or state connection that is being made. */
struct vmig_channel {
	struct vmig_source *s;
	struct vmig_conn *conn;
	int fd;
};

/*
 * When the parts of the commit ended, CLOCK_MONOTONIC us, 0 while they have not:
 * QEMU said that the VM stopped; the memory is there; the other QEMU has read
 * the device state; "commit" is said; "committed" is heard. The rest the other
 * node has measured, in us.
 */
struct vmig_source_parts {
	uint64_t stopped;
	uint64_t copied;
	uint64_t loaded;
	uint64_t said;
	uint64_t heard;
	uint64_t record;
	uint64_t lease;
	uint64_t cont;
};

/**
 * vmig_moved_fn - the end of a migration that this node asked itself for
 * @error: positive errno; 0 if the VM runs on the other node
 * @busy: a slot was taken, so that it may be tried again
 * @message: for the user, as @data of migrate in answer.h
 */
typedef void (*vmig_moved_fn)(void *arg, int error, bool busy,
			      const char *message, const char *data);

/**
 * struct vmig_source - one migration, from the request to its answer
 * @m: the VM; its ops are ours
 * @dead: its QEMU is gone; taps and memory are removed at the end
 * @moved: hears of the end, instead of the user; or NULL
 * @since: when it was begun, CLOCK_MONOTONIC us
 * @peer: in the configuration, or @stranger
 * @stranger: a peer that is not there any more, and that nobody needs to ask
 * @id: in the kernel, 0 before VMIG_STEP_CHANNELS is over
 * @transport: of the memory, as the other node has chosen, and @why; "" if
 *	there was no choice
 * @offered: RDMA was
 * @secret: with RDMA; @port: ... where the other node listens, once it does
 * @nchannels: that the memory travels on
 * @channels: @nsockets for data, all but with RDMA, then one for the device
 *	state. A descriptor is closed once the kernel or QEMU has its own.
 * @state_fd: the connection that QEMU writes the device state to, so that it can be
 *	broken off; -1 without
 * @control: NULL in VMIG_STEP_DOUBT between two attempts
 * @prepared: QEMU took its parameters and the state connection
 * @incoming: the other node's kernel waits for the memory
 * @ready: ... and its QEMU for the device state
 * @started: the kernel was told to begin
 * @unconnected: it found no way to the other kernel, or that one none for it:
 *	another transport may do
 * @converged: the kernel says that the VM can be stopped
 * @saved: QEMU has written the device state
 * @checked: ... and it was no guest memory
 * @loaded: the other QEMU has read it
 * @announced: the other node's network knows
 * @epoch: of the VM's lease, which this node holds
 * @told: the last trouble with the lease, which is logged once
 * @doubt: why the commit is in doubt
 * @parts: see struct vmig_source_parts
 * @blackout: us, once the other node said that the VM runs
 * @pulse: of the other node's host; NULL before memory moves and from the commit
 *	on
 * @ending: the kernel is ending the migration, and will tell
 * @resumed: the VM runs on here after a failure; or not yet, because of
 *	@obstacle
 * @error: positive errno of the answer, with @reason
 * @busy: the other node had no slot free
 */
struct vmig_source {
	LIST_ENTRY(vmig_source) entry;
	struct vmig_daemon *daemon;
	struct vmig_machine *m;
	bool dead;
	struct vmig_request request;
	vmig_moved_fn moved;
	void *moved_arg;
	uint64_t since;
	struct vmig_preflight preflight;
	const struct vmig_peer *peer;
	struct vmig_peer stranger;
	uint8_t token[VMIG_TOKEN_LEN];
	uint32_t id;
	enum vmig_step step;
	sd_event_source *limit;

	struct vmig_conn *control;
	enum vmig_transport transport;
	char why[512];
	bool offered;
	uint8_t secret[VMIG_SECRET_LEN];
	uint16_t port;
	unsigned int nchannels;
	struct vmig_channel channels[VMIG_CHANNELS_MAX + 1];
	unsigned int nsockets;
	unsigned int connected;
	int state_fd;

	bool prepared;
	bool incoming;
	bool ready;
	bool started;
	bool unconnected;
	bool converged;
	bool saved;
	bool checked;
	bool loaded;
	bool announced;
	struct vmig_source_parts parts;
	uint64_t blackout;

	uint64_t epoch;
	enum vmig_lease_status told;
	char doubt[512];

	struct vmig_pulse *pulse;
	bool ending;
	bool resumed;
	char obstacle[VMIG_TEXT_MAX + 1];
	int error;
	bool busy;
	char reason[VMIG_TEXT_MAX + 1];
};

/* departure.c APIs: */
void vmig_source_request(struct vmig_daemon *daemon,
			 const struct vmig_request *request);
/*
 * Begin a migration, whose VM and node vmig_source_find() has found. 0 if its
 * end will be told; or a negative errno, with @busy set if it was for a slot.
 */
int vmig_source_start(struct vmig_daemon *daemon,
		      const struct vmig_request *request, vmig_moved_fn moved,
		      void *arg, bool *busy, struct vmig_err *err);
/* End one that the kernel does not know yet. -ENOENT if there is none. */
int vmig_source_cancel(struct vmig_daemon *daemon, const char *vm,
		       struct vmig_err *err);
int vmig_source_find_peer(struct vmig_daemon *daemon, const char *node,
			  const struct vmig_peer **peer, struct vmig_err *err);
/* The VM and the node that a request names; or a negative errno. */
int vmig_source_find(struct vmig_daemon *daemon,
		     const struct vmig_request *request,
		     struct vmig_machine **m, const struct vmig_peer **peer,
		     struct vmig_err *err);

/* source.c APIs: */
struct vmig_source *vmig_source_create(struct vmig_daemon *daemon,
				       struct vmig_machine *m, const char *node);
struct vmig_source *vmig_source_recover(struct vmig_daemon *daemon,
					struct vmig_machine *m,
					const struct vmig_mig_info *info);
void vmig_source_forget(struct vmig_machine *m);
void vmig_source_notify(struct vmig_source *s,
			const struct vmig_mig_info *info);
void vmig_source_enter(struct vmig_source *s, enum vmig_step step);
void vmig_source_begin(struct vmig_source *s);
void vmig_source_prepared(struct vmig_source *s);
void vmig_source_paused(struct vmig_source *s);
void vmig_source_stopped(struct vmig_source *s);
void vmig_source_committed(struct vmig_source *s);
void vmig_source_finish(struct vmig_source *s);

/* rollback.c APIs: */
void vmig_source_fail(struct vmig_source *s, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vmig_source_roll_back(struct vmig_source *s, const char *why);
void vmig_rollback_ended(struct vmig_source *s,
			 const struct vmig_mig_info *info);
void vmig_rollback_settle(struct vmig_source *s);

/* setup.c APIs: */
void vmig_setup_say(struct vmig_source *s);
void vmig_setup_accepted(struct vmig_source *s, struct json_object *msg);
void vmig_setup_connected(struct vmig_source *s);
void vmig_setup_incoming(struct vmig_source *s, struct json_object *msg);
bool vmig_setup_again(struct vmig_source *s);

/* channels.c APIs: */
void vmig_channels_connect(struct vmig_source *s);
void vmig_channels_close(struct vmig_source *s);
struct json_object *vmig_channels_greeting(struct vmig_source *s,
					   const char *kind);

/* switchover.c APIs: */
void vmig_switchover_prepare(struct vmig_source *s, int state_fd);
void vmig_switchover_pause(struct vmig_source *s);
void vmig_switchover_stop(struct vmig_source *s);
void vmig_switchover_save(struct vmig_source *s);
void vmig_switchover_break(struct vmig_source *s);
void vmig_switchover_forget(struct vmig_source *s);
void vmig_switchover_event(struct vmig_source *s, const char *name,
			   struct json_object *data);

/* commit.c APIs: */
void vmig_commit_begin(struct vmig_source *s);
int vmig_commit_mark(struct vmig_source *s, struct vmig_err *err);
void vmig_commit(struct vmig_source *s);
void vmig_commit_heard(struct vmig_source *s, struct json_object *msg);
void vmig_commit_aborted(struct vmig_source *s, const char *why);
void vmig_commit_doubt(struct vmig_source *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void vmig_commit_end(struct vmig_source *s);
struct json_object *vmig_commit_describe(const struct vmig_source *s);

/* network.c APIs: */
void vmig_network_announced(struct vmig_source *s, struct json_object *msg);

/* outcome.c APIs: */
void vmig_outcome_ask(struct vmig_source *s);

#endif /* VMIG_SOURCE_H */
