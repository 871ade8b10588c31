/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A migration: one VM on its way out of, or into, this node.
 *
 * This is what netlink.c may know of it. All functions take process context
 * and may sleep; all errors that a caller can cause come with @extack text.
 */
#ifndef _VMIG_MIGRATION_H
#define _VMIG_MIGRATION_H

#include <linux/netlink.h>
#include <linux/socket.h>
#include <linux/types.h>
#include <linux/vmig.h>

struct net;
struct socket;
struct vmig_migration;

/**
 * struct vmig_migration_params - what VMIG_CMD_MIGRATION_NEW asks for
 * @vm: name of the VM
 * @node: name of the other node
 * @role: of this node
 * @token: joins both nodes to one migration
 * @fds: sockets of the calling task, @nfds of them, in channel order
 * @fd_attrs: where each of them stands in the message, to be blamed
 * @nfds: used of @fds
 * @transport: what moves the pages
 * @channels: how many
 * @local: with rdma: this node's address on the migration network
 * @peer: the source's, with rdma: the other node's
 * @port: the source's, with rdma: where the destination listens
 * @secret: with rdma: what a connection of this migration must show
 * @verify: compare a digest of all memory
 * @bandwidth: bytes a second, 0 for no limit
 * @max_blackout_ms: 0 for the default
 * @timeout_s: 0 for the default
 * @at_timeout: what happens when it is over
 * @stop_limit_s: how long the VM may stand still until the commit, 0 for the
 *	default
 * @quick: it stands still from the beginning
 */
struct vmig_migration_params {
	const char *vm;
	const char *node;
	enum vmig_role role;
	u8 token[VMIG_TOKEN_LEN];
	u32 fds[VMIG_CHANNELS_MAX];
	const struct nlattr *fd_attrs[VMIG_CHANNELS_MAX];
	unsigned int nfds;
	enum vmig_transport transport;
	unsigned int channels;
	struct sockaddr_storage local;
	struct sockaddr_storage peer;
	u16 port;
	u8 secret[VMIG_SECRET_LEN];
	bool verify;
	u64 bandwidth;
	u32 max_blackout_ms;
	u32 timeout_s;
	enum vmig_timeout_action at_timeout;
	u32 stop_limit_s;
	bool quick;
};

/* A consistent copy of what VMIG_CMD_MIGRATION_GET tells; times in us. */
struct vmig_migration_info {
	u32 id;
	char vm[VMIG_NAME_MAX + 1];
	char node[VMIG_NAME_MAX + 1];
	enum vmig_role role;
	enum vmig_state state;
	enum vmig_stage stage;
	u8 token[VMIG_TOKEN_LEN];
	u32 channels;
	bool verify;
	u64 bandwidth;
	u32 max_blackout_ms;
	u32 timeout_s;
	enum vmig_timeout_action at_timeout;
	u32 stop_limit_s;
	bool quick;
	enum vmig_transport transport;
	struct sockaddr_storage local;
	struct sockaddr_storage peer;
	u16 port;
	char device[64];
	bool unconnected;
	bool converged;
	bool forced;
	int error;
	char reason[256];
	char warning[256];
	u64 elapsed;
	u64 blackout;
	struct {
		u64 start;
		u64 duration;
		bool entered;
	} stages[VMIG_STAGE_NETWORK + 1];
	struct {
		u32 round;
		u64 memory_bytes;
		u64 allocated_bytes;
		u64 remaining_bytes;
		u64 wire_bytes;
		u64 data_pages;
		u64 zero_pages;
		u64 hole_pages;
		u64 final_pages;
		u64 dirty_rate;
		u64 throughput;
		u64 predicted_blackout;
		u64 tracked_faults;
		u64 sticky_pages;
		u64 throttle;
		u64 tracking_bytes;
		u64 digest;
	} counters;
};

int vmig_migration_init(void);
void vmig_migration_exit(void);

int vmig_migration_new(struct net *net, const struct vmig_migration_params *p,
		       u32 *id, u16 *port, struct netlink_ext_ack *extack);
int vmig_migration_start(struct net *net, u32 id, struct netlink_ext_ack *extack);
int vmig_migration_stop_copy(struct net *net, u32 id, struct netlink_ext_ack *extack);
int vmig_migration_stage(struct net *net, u32 id, enum vmig_stage stage,
			 u64 blackout_us, struct netlink_ext_ack *extack);
int vmig_migration_done(struct net *net, u32 id, u64 blackout_us,
			struct netlink_ext_ack *extack);
int vmig_migration_fail(struct net *net, u32 id, int error, const char *reason,
			struct netlink_ext_ack *extack);
int vmig_migration_cancel(struct net *net, u32 id, const char *vm,
			  const char *reason, struct netlink_ext_ack *extack);
void vmig_migration_agent_gone(struct net *net);

int vmig_migration_info(struct net *net, u32 id, const char *vm,
			struct vmig_migration_info *info);
int vmig_migration_next(struct net *net, u32 after_id,
			struct vmig_migration_info *info);

#endif /* _VMIG_MIGRATION_H */
