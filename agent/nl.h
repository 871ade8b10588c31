/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The netlink family `vmig` for the commands and the daemon.
 *
 * Calls block until the kernel has acknowledged, which it does at once. What
 * arrives meanwhile without having been asked for (requests, answers,
 * notifications) is queued and handed to the handlers by vmig_nl_process()
 * only, never from within a call; handlers may therefore make calls.
 *
 * Functions return 0 or a negative errno, and then a sentence in @err: the
 * kernel's own text if it gave one. @err may be NULL.
 */
#ifndef VMIG_NL_H
#define VMIG_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vmig.h>

#include "err.h"

#define VMIG_NL_REGIONS_MAX	16

struct vmig_nl;

/* Attribute set `agent`. */
struct vmig_agent_info {
	char node[VMIG_NAME_MAX + 1];
	uint32_t port;
};

/* Attribute set `region`; sizes in bytes. */
struct vmig_region_info {
	char name[VMIG_NAME_MAX + 1];
	uint64_t size;
	uint64_t allocated;
	uint32_t page_size;
};

/* Attribute set `vm`. @migration is 0 if none claims the VM. */
struct vmig_vm_info {
	char name[VMIG_NAME_MAX + 1];
	unsigned int nregions;
	struct vmig_region_info regions[VMIG_NL_REGIONS_MAX];
	uint32_t migration;
};

/* Attribute set `stage-time`, in microseconds from the migration's creation. */
struct vmig_stage_time {
	bool entered;
	uint64_t start;
	uint64_t duration;
};

/* Attribute set `counters`. */
struct vmig_counters {
	uint32_t round;
	uint64_t memory_bytes;
	uint64_t allocated_bytes;
	uint64_t remaining_bytes;
	uint64_t wire_bytes;
	uint64_t data_pages;
	uint64_t zero_pages;
	uint64_t hole_pages;
	uint64_t final_pages;
	uint64_t dirty_rate;
	uint64_t throughput;
	uint64_t predicted_blackout;
	uint64_t tracked_faults;
	uint64_t sticky_pages;
	uint64_t throttle;
	uint64_t tracking_bytes;
	uint64_t digest;
};

/* Attribute set `migration`. @stages is indexed by enum vmig_stage. */
struct vmig_mig_info {
	uint32_t id;
	char vm[VMIG_NAME_MAX + 1];
	char node[VMIG_NAME_MAX + 1];
	enum vmig_role role;
	enum vmig_state state;
	enum vmig_stage stage;
	uint8_t token[VMIG_TOKEN_LEN];
	uint32_t channels;
	bool verify;
	uint64_t bandwidth;
	uint32_t max_blackout;	/* ms */
	uint32_t timeout;	/* s */
	enum vmig_timeout_action at_timeout;
	uint32_t stop_limit;	/* s */
	bool quick;
	enum vmig_transport transport;
	char device[VMIG_NAME_MAX + 1];	/* RDMA's, "" without */
	uint16_t port;			/* destination: RDMA listens there */
	bool unconnected;	/* failed before it could send anything */
	bool converged;
	bool forced;
	int error;		/* positive errno */
	char reason[VMIG_TEXT_MAX + 1];
	char warning[VMIG_TEXT_MAX + 1];
	uint64_t elapsed;	/* us */
	uint64_t blackout;	/* us, 0 while not known */
	struct vmig_stage_time stages[VMIG_STAGE_NETWORK + 1];
	struct vmig_counters counters;
};

/*
 * What VMIG_CMD_MIGRATION_NEW takes; 0 means the kernel's default. TCP wants
 * sockets, RDMA what follows them.
 */
struct vmig_mig_params {
	const char *vm;
	const char *node;
	enum vmig_role role;
	uint8_t token[VMIG_TOKEN_LEN];
	enum vmig_transport transport;
	int sockets[VMIG_CHANNELS_MAX];	/* in channel order */
	unsigned int nsockets;
	uint32_t channels;
	const char *local;	/* this node's address */
	const char *remote;	/* source: the other node's */
	uint16_t port;		/* source: where the other node listens */
	uint8_t secret[VMIG_SECRET_LEN];
	bool verify;
	uint64_t bandwidth;
	uint32_t max_blackout;	/* ms */
	uint32_t timeout;	/* s */
	enum vmig_timeout_action at_timeout;
	uint32_t stop_limit;	/* s */
	bool quick;
};

/* Attribute set `link`, of a transport that can be used. */
struct vmig_link_info {
	char device[VMIG_NAME_MAX + 1];
	uint32_t max_key_pages;
};

/*
 * What a user asks of the agent. 0 and "" mean absent. @data belongs to
 * whoever filled the struct in; in a handler it lives until the handler
 * returns.
 */
struct vmig_request {
	uint32_t id;		/* set by the kernel */
	enum vmig_request_op op;
	char vm[VMIG_NAME_MAX + 1];
	char node[VMIG_NAME_MAX + 1];
	const char *data;
	uint32_t channels;
	bool verify;
	uint64_t bandwidth;	/* bytes a second */
	uint32_t max_blackout;	/* ms */
	uint32_t timeout;	/* s */
	enum vmig_timeout_action at_timeout;
	uint32_t stop_limit;	/* s */
	bool force;
	bool wait;
	bool quick;
	bool has_transport;	/* else the node's own */
	enum vmig_request_transport transport;
};

/*
 * The end of a request. @message is what the user reads: the reason of an
 * error, or what was done. @data is a JSON document; see answer.h for which
 * operation answers what.
 */
struct vmig_answer {
	uint32_t id;
	int error;		/* positive errno, 0 for success */
	const char *message;
	const char *data;
};

/* Any handler may be NULL: that kind is then dropped. */
struct vmig_nl_handlers {
	void (*request)(void *arg, const struct vmig_request *request);
	void (*answer)(void *arg, const struct vmig_answer *answer);
	void (*migration)(void *arg, const struct vmig_mig_info *info);
	/* Notifications were lost: ask for the state of everything. */
	void (*overrun)(void *arg);
};

/* Connection. -ENOENT: the module is not loaded. */
int vmig_nl_open(struct vmig_nl **nl, struct vmig_err *err);
void vmig_nl_close(struct vmig_nl *nl);

/* Events. */
void vmig_nl_set_handlers(struct vmig_nl *nl,
			  const struct vmig_nl_handlers *handlers, void *arg);
/* Join the multicast group of migration notifications. */
int vmig_nl_subscribe(struct vmig_nl *nl, struct vmig_err *err);
/* Readable (EPOLLIN, level triggered) while vmig_nl_process() has work. */
int vmig_nl_fd(const struct vmig_nl *nl);
/* Hand what has arrived to the handlers; does not block. */
int vmig_nl_process(struct vmig_nl *nl, struct vmig_err *err);
/* Wait up to @timeout_ms (-1: for ever) for work, then process it. */
int vmig_nl_wait(struct vmig_nl *nl, int timeout_ms, struct vmig_err *err);

/* Agent. The registration lasts until vmig_nl_close(). */
int vmig_nl_agent_register(struct vmig_nl *nl, const char *node,
			   struct vmig_err *err);
int vmig_nl_agent_get(struct vmig_nl *nl, struct vmig_agent_info *info,
		      struct vmig_err *err);
/* @request->id is ignored; @id names the answer that will follow. */
int vmig_nl_request(struct vmig_nl *nl, const struct vmig_request *request,
		    uint32_t *id, struct vmig_err *err);
int vmig_nl_answer(struct vmig_nl *nl, const struct vmig_answer *answer,
		   struct vmig_err *err);

/* VMs. The list is the caller's to free(). */
int vmig_nl_vm_get(struct vmig_nl *nl, const char *name,
		   struct vmig_vm_info *info, struct vmig_err *err);
int vmig_nl_vm_list(struct vmig_nl *nl, struct vmig_vm_info **list, size_t *n,
		    struct vmig_err *err);

/* Migrations. By id, or if @id is 0 the newest of @vm. */
int vmig_nl_migration_get(struct vmig_nl *nl, uint32_t id, const char *vm,
			  struct vmig_mig_info *info, struct vmig_err *err);
/* Ordered by id, oldest first; the caller's to free(). */
int vmig_nl_migration_list(struct vmig_nl *nl, struct vmig_mig_info **list,
			   size_t *n, struct vmig_err *err);
int vmig_nl_migration_cancel(struct vmig_nl *nl, uint32_t id, const char *vm,
			     const char *reason, struct vmig_err *err);

/* Can this node use @transport, with its migration address @local? */
int vmig_nl_transport_get(struct vmig_nl *nl, enum vmig_transport transport,
			  const char *local, struct vmig_link_info *info,
			  struct vmig_err *err);

/* Migrations, for the registered agent. @blackout in us, 0 if not known. */
/* @port, which may be NULL, is where a destination listens for RDMA. */
int vmig_nl_migration_new(struct vmig_nl *nl,
			  const struct vmig_mig_params *params, uint32_t *id,
			  uint16_t *port, struct vmig_err *err);
int vmig_nl_migration_start(struct vmig_nl *nl, uint32_t id,
			    struct vmig_err *err);
int vmig_nl_migration_stop_copy(struct vmig_nl *nl, uint32_t id,
				struct vmig_err *err);
int vmig_nl_migration_stage(struct vmig_nl *nl, uint32_t id,
			    enum vmig_stage stage, uint64_t blackout,
			    struct vmig_err *err);
int vmig_nl_migration_done(struct vmig_nl *nl, uint32_t id, uint64_t blackout,
			   struct vmig_err *err);
int vmig_nl_migration_fail(struct vmig_nl *nl, uint32_t id, int error,
			   const char *reason, struct vmig_err *err);

/* Names as the operator reads them; "?" for a number unknown here. */
const char *vmig_state_name(enum vmig_state state);
const char *vmig_stage_name(enum vmig_stage stage);
const char *vmig_role_name(enum vmig_role role);
const char *vmig_transport_name(enum vmig_transport transport);
const char *vmig_request_op_name(enum vmig_request_op op);
bool vmig_state_is_terminal(enum vmig_state state);

#endif /* VMIG_NL_H */
