/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vmig.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_VMIG_H
#define _UAPI_LINUX_VMIG_H

#define VMIG_FAMILY_NAME	"vmig"
#define VMIG_FAMILY_VERSION	1

#define VMIG_NAME_MAX		63
#define VMIG_CHANNELS_MAX	16
#define VMIG_TOKEN_LEN		16
#define VMIG_SECRET_LEN		32
#define VMIG_TEXT_MAX		4095
#define VMIG_DATA_MAX		32767
#define VMIG_CPUID_RULES_MAX	1024

/**
 * enum vmig_role
 * @VMIG_ROLE_SOURCE: The VM runs here and moves away.
 * @VMIG_ROLE_DESTINATION: The VM arrives here.
 */
enum vmig_role {
	VMIG_ROLE_SOURCE,
	VMIG_ROLE_DESTINATION,
};

/**
 * enum vmig_state - Legal arcs: on the source SETUP, PRECOPY, STOPCOPY,
 *   HANDOFF, DONE in this order; on the destination SETUP, INCOMING, READY,
 *   DONE. CANCELLED and FAILED can be reached from every state but DONE and
 *   each other.
 * @VMIG_STATE_SETUP: Channels are joined; no page was sent, no guest page is
 *   tracked.
 * @VMIG_STATE_PRECOPY: The VM runs; its memory is tracked and sent in rounds.
 * @VMIG_STATE_STOPCOPY: The VM is stopped; the last pages are sent on all
 *   channels.
 * @VMIG_STATE_HANDOFF: The destination acknowledged every page and the digest.
 *   The agent moves device state and storage.
 * @VMIG_STATE_INCOMING: Pages arrive.
 * @VMIG_STATE_READY: Memory is complete and verified; the VM has not run here.
 * @VMIG_STATE_DONE: Terminal. The VM belongs to the destination.
 * @VMIG_STATE_CANCELLED: Terminal. Ended on request; the VM belongs to the
 *   source.
 * @VMIG_STATE_FAILED: Terminal. Ended by the error in reason; the VM belongs
 *   to the source.
 */
enum vmig_state {
	VMIG_STATE_SETUP,
	VMIG_STATE_PRECOPY,
	VMIG_STATE_STOPCOPY,
	VMIG_STATE_HANDOFF,
	VMIG_STATE_INCOMING,
	VMIG_STATE_READY,
	VMIG_STATE_DONE,
	VMIG_STATE_CANCELLED,
	VMIG_STATE_FAILED,
};

/**
 * enum vmig_stage - The six stages of a live migration as the operator sees
 *   them. The kernel enters the first three by itself; the agent reports the
 *   others. From storage on (source) or resume on (destination) the commit has
 *   begun: the migration can be neither cancelled nor failed by a time limit
 *   or by the death of the agent, only by an agent that learned the outcome.
 */
enum vmig_stage {
	VMIG_STAGE_SETUP = 1,
	VMIG_STAGE_MEMORY,
	VMIG_STAGE_MODIFIED,
	VMIG_STAGE_STORAGE,
	VMIG_STAGE_RESUME,
	VMIG_STAGE_NETWORK,
};

/**
 * enum vmig_timeout_action - What happens to a migration in PRECOPY when its
 *   timeout is over.
 * @VMIG_TIMEOUT_ACTION_CANCEL: It fails, and the VM runs on at the source.
 * @VMIG_TIMEOUT_ACTION_SWITCH_OVER: The VM is to be stopped although the
 *   blackout will be longer than its target: the migration is converged and
 *   forced. If even the limit of the stop cannot be met, it fails as with
 *   cancel.
 */
enum vmig_timeout_action {
	VMIG_TIMEOUT_ACTION_CANCEL,
	VMIG_TIMEOUT_ACTION_SWITCH_OVER,
};

/**
 * enum vmig_request_op - What a user asks of the agent. The kernel refuses a
 *   request that lacks an attribute its operation needs, or that has one it
 *   does not take.
 * @VMIG_REQUEST_OP_VM_DEFINE: Needs data, the definition's text; takes vm,
 *   which it must then define.
 * @VMIG_REQUEST_OP_VM_UNDEFINE: Needs vm.
 * @VMIG_REQUEST_OP_VM_START: Needs vm.
 * @VMIG_REQUEST_OP_VM_STOP: Needs vm; takes force.
 * @VMIG_REQUEST_OP_VM_LIST: Needs nothing.
 * @VMIG_REQUEST_OP_VM_SHOW: Needs vm.
 * @VMIG_REQUEST_OP_MIGRATE: Needs vm and node; takes channels, verify,
 *   bandwidth, max-blackout, timeout, at-timeout, stop-limit, wait, quick and
 *   transport.
 * @VMIG_REQUEST_OP_ANNOUNCE: Needs vm.
 * @VMIG_REQUEST_OP_NODE_SHOW: Takes node, by default the asked one.
 * @VMIG_REQUEST_OP_VM_SET: Needs vm and data, KEY=VALUE of its definition:
 *   "cpu-policy=cluster".
 * @VMIG_REQUEST_OP_CPU_SHOW: Takes node, by default the asked one.
 * @VMIG_REQUEST_OP_CPU_BASELINE: Takes data, names of nodes separated by
 *   blanks, by default all.
 * @VMIG_REQUEST_OP_CPU_CHECK: Needs vm and node.
 * @VMIG_REQUEST_OP_VM_RECOVER: Needs vm; takes data, the epoch of the lease in
 *   decimal. Without it the lease is read, with it taken over from a holder
 *   that the operator says is dead, if it still has that epoch.
 * @VMIG_REQUEST_OP_NODE_LIST: Needs nothing.
 * @VMIG_REQUEST_OP_CHECK: Needs vm and node; takes transport. All that migrate
 *   would check, and nothing is moved.
 * @VMIG_REQUEST_OP_NODE_DRAIN: Takes node, by default the asked one. All its
 *   running VMs move away.
 * @VMIG_REQUEST_OP_NODE_UNDRAIN: Takes node, by default the asked one. VMs
 *   that left it in node-drain come back.
 * @VMIG_REQUEST_OP_CANCEL: Needs vm. Ends a migrate that has come to no
 *   migration yet: it waits, or the nodes are joining.
 */
enum vmig_request_op {
	VMIG_REQUEST_OP_VM_DEFINE = 1,
	VMIG_REQUEST_OP_VM_UNDEFINE,
	VMIG_REQUEST_OP_VM_START,
	VMIG_REQUEST_OP_VM_STOP,
	VMIG_REQUEST_OP_VM_LIST,
	VMIG_REQUEST_OP_VM_SHOW,
	VMIG_REQUEST_OP_MIGRATE,
	VMIG_REQUEST_OP_ANNOUNCE,
	VMIG_REQUEST_OP_NODE_SHOW,
	VMIG_REQUEST_OP_VM_SET,
	VMIG_REQUEST_OP_CPU_SHOW,
	VMIG_REQUEST_OP_CPU_BASELINE,
	VMIG_REQUEST_OP_CPU_CHECK,
	VMIG_REQUEST_OP_VM_RECOVER,
	VMIG_REQUEST_OP_NODE_LIST,
	VMIG_REQUEST_OP_CHECK,
	VMIG_REQUEST_OP_NODE_DRAIN,
	VMIG_REQUEST_OP_NODE_UNDRAIN,
	VMIG_REQUEST_OP_CANCEL,
};

/**
 * enum vmig_transport - What carries the pages of a migration.
 * @VMIG_TRANSPORT_TCP: Sockets of the agent's, encrypted if it has set kernel
 *   TLS on them.
 * @VMIG_TRANSPORT_RDMA: The kernel connects queue pairs itself, and pages are
 *   written straight into the destination's memory. Not encrypted. Needs the
 *   module vmig_rdma on both nodes.
 */
enum vmig_transport {
	VMIG_TRANSPORT_TCP,
	VMIG_TRANSPORT_RDMA,
};

/**
 * enum vmig_request_transport
 * @VMIG_REQUEST_TRANSPORT_AUTO: RDMA if both nodes have an adapter on the
 *   migration network, else TCP.
 */
enum vmig_request_transport {
	VMIG_REQUEST_TRANSPORT_TCP,
	VMIG_REQUEST_TRANSPORT_RDMA,
	VMIG_REQUEST_TRANSPORT_AUTO,
};

enum vmig_cpuid_register {
	VMIG_CPUID_REGISTER_EAX,
	VMIG_CPUID_REGISTER_EBX,
	VMIG_CPUID_REGISTER_ECX,
	VMIG_CPUID_REGISTER_EDX,
};

enum {
	VMIG_A_AGENT_NODE = 1,
	VMIG_A_AGENT_PORT,

	__VMIG_A_AGENT_MAX,
	VMIG_A_AGENT_MAX = (__VMIG_A_AGENT_MAX - 1)
};

enum {
	VMIG_A_REGION_NAME = 1,
	VMIG_A_REGION_SIZE,
	VMIG_A_REGION_ALLOCATED,
	VMIG_A_REGION_PAGE_SIZE,

	__VMIG_A_REGION_MAX,
	VMIG_A_REGION_MAX = (__VMIG_A_REGION_MAX - 1)
};

enum {
	VMIG_A_VM_NAME = 1,
	VMIG_A_VM_REGION,
	VMIG_A_VM_MIGRATION,

	__VMIG_A_VM_MAX,
	VMIG_A_VM_MAX = (__VMIG_A_VM_MAX - 1)
};

enum {
	VMIG_A_STAGE_TIME_STAGE = 1,
	VMIG_A_STAGE_TIME_START,
	VMIG_A_STAGE_TIME_DURATION,

	__VMIG_A_STAGE_TIME_MAX,
	VMIG_A_STAGE_TIME_MAX = (__VMIG_A_STAGE_TIME_MAX - 1)
};

enum {
	VMIG_A_COUNTERS_ROUND = 1,
	VMIG_A_COUNTERS_MEMORY_BYTES,
	VMIG_A_COUNTERS_ALLOCATED_BYTES,
	VMIG_A_COUNTERS_REMAINING_BYTES,
	VMIG_A_COUNTERS_WIRE_BYTES,
	VMIG_A_COUNTERS_DATA_PAGES,
	VMIG_A_COUNTERS_ZERO_PAGES,
	VMIG_A_COUNTERS_HOLE_PAGES,
	VMIG_A_COUNTERS_FINAL_PAGES,
	VMIG_A_COUNTERS_DIRTY_RATE,
	VMIG_A_COUNTERS_THROUGHPUT,
	VMIG_A_COUNTERS_PREDICTED_BLACKOUT,
	VMIG_A_COUNTERS_TRACKED_FAULTS,
	VMIG_A_COUNTERS_STICKY_PAGES,
	VMIG_A_COUNTERS_THROTTLE,
	VMIG_A_COUNTERS_TRACKING_BYTES,
	VMIG_A_COUNTERS_DIGEST,

	__VMIG_A_COUNTERS_MAX,
	VMIG_A_COUNTERS_MAX = (__VMIG_A_COUNTERS_MAX - 1)
};

enum {
	VMIG_A_MIGRATION_ID = 1,
	VMIG_A_MIGRATION_VM,
	VMIG_A_MIGRATION_NODE,
	VMIG_A_MIGRATION_ROLE,
	VMIG_A_MIGRATION_STATE,
	VMIG_A_MIGRATION_STAGE,
	VMIG_A_MIGRATION_TOKEN,
	VMIG_A_MIGRATION_SOCKET,
	VMIG_A_MIGRATION_CHANNELS,
	VMIG_A_MIGRATION_VERIFY,
	VMIG_A_MIGRATION_BANDWIDTH,
	VMIG_A_MIGRATION_MAX_BLACKOUT,
	VMIG_A_MIGRATION_TIMEOUT,
	VMIG_A_MIGRATION_CONVERGED,
	VMIG_A_MIGRATION_ERROR,
	VMIG_A_MIGRATION_REASON,
	VMIG_A_MIGRATION_ELAPSED,
	VMIG_A_MIGRATION_BLACKOUT,
	VMIG_A_MIGRATION_STAGE_TIME,
	VMIG_A_MIGRATION_COUNTERS,
	VMIG_A_MIGRATION_AT_TIMEOUT,
	VMIG_A_MIGRATION_STOP_LIMIT,
	VMIG_A_MIGRATION_FORCED,
	VMIG_A_MIGRATION_WARNING,
	VMIG_A_MIGRATION_QUICK,
	VMIG_A_MIGRATION_TRANSPORT,
	VMIG_A_MIGRATION_LOCAL_ADDRESS,
	VMIG_A_MIGRATION_PEER_ADDRESS,
	VMIG_A_MIGRATION_PORT,
	VMIG_A_MIGRATION_SECRET,
	VMIG_A_MIGRATION_DEVICE,
	VMIG_A_MIGRATION_UNCONNECTED,

	__VMIG_A_MIGRATION_MAX,
	VMIG_A_MIGRATION_MAX = (__VMIG_A_MIGRATION_MAX - 1)
};

enum {
	VMIG_A_LINK_TRANSPORT = 1,
	VMIG_A_LINK_LOCAL_ADDRESS,
	VMIG_A_LINK_DEVICE,
	VMIG_A_LINK_MAX_KEY_PAGES,

	__VMIG_A_LINK_MAX,
	VMIG_A_LINK_MAX = (__VMIG_A_LINK_MAX - 1)
};

enum {
	VMIG_A_REQUEST_ID = 1,
	VMIG_A_REQUEST_OP,
	VMIG_A_REQUEST_VM,
	VMIG_A_REQUEST_NODE,
	VMIG_A_REQUEST_DATA,
	VMIG_A_REQUEST_CHANNELS,
	VMIG_A_REQUEST_VERIFY,
	VMIG_A_REQUEST_BANDWIDTH,
	VMIG_A_REQUEST_MAX_BLACKOUT,
	VMIG_A_REQUEST_TIMEOUT,
	VMIG_A_REQUEST_FORCE,
	VMIG_A_REQUEST_ERROR,
	VMIG_A_REQUEST_MESSAGE,
	VMIG_A_REQUEST_AT_TIMEOUT,
	VMIG_A_REQUEST_STOP_LIMIT,
	VMIG_A_REQUEST_WAIT,
	VMIG_A_REQUEST_QUICK,
	VMIG_A_REQUEST_TRANSPORT,

	__VMIG_A_REQUEST_MAX,
	VMIG_A_REQUEST_MAX = (__VMIG_A_REQUEST_MAX - 1)
};

enum {
	VMIG_A_CPUID_ENTRY_LEAF = 1,
	VMIG_A_CPUID_ENTRY_SUBLEAF,
	VMIG_A_CPUID_ENTRY_EAX,
	VMIG_A_CPUID_ENTRY_EBX,
	VMIG_A_CPUID_ENTRY_ECX,
	VMIG_A_CPUID_ENTRY_EDX,

	__VMIG_A_CPUID_ENTRY_MAX,
	VMIG_A_CPUID_ENTRY_MAX = (__VMIG_A_CPUID_ENTRY_MAX - 1)
};

enum {
	VMIG_A_CPUID_RULE_LEAF = 1,
	VMIG_A_CPUID_RULE_SUBLEAF,
	VMIG_A_CPUID_RULE_REGISTER,
	VMIG_A_CPUID_RULE_MASK,
	VMIG_A_CPUID_RULE_VALUE,
	VMIG_A_CPUID_RULE_HIDDEN,

	__VMIG_A_CPUID_RULE_MAX,
	VMIG_A_CPUID_RULE_MAX = (__VMIG_A_CPUID_RULE_MAX - 1)
};

enum {
	VMIG_A_CPUID_COUNT_LEAF = 1,
	VMIG_A_CPUID_COUNT_SUBLEAF,
	VMIG_A_CPUID_COUNT_QUERIES,
	VMIG_A_CPUID_COUNT_HIDDEN_EAX,
	VMIG_A_CPUID_COUNT_HIDDEN_EBX,
	VMIG_A_CPUID_COUNT_HIDDEN_ECX,
	VMIG_A_CPUID_COUNT_HIDDEN_EDX,

	__VMIG_A_CPUID_COUNT_MAX,
	VMIG_A_CPUID_COUNT_MAX = (__VMIG_A_CPUID_COUNT_MAX - 1)
};

enum {
	VMIG_A_CPUID_VM = 1,
	VMIG_A_CPUID_KVM_FD,
	VMIG_A_CPUID_ENTRY,
	VMIG_A_CPUID_RULE,
	VMIG_A_CPUID_COUNT,
	VMIG_A_CPUID_QUERIES,
	VMIG_A_CPUID_PID,
	VMIG_A_CPUID_SUPPORTED,
	VMIG_A_CPUID_REASON,

	__VMIG_A_CPUID_MAX,
	VMIG_A_CPUID_MAX = (__VMIG_A_CPUID_MAX - 1)
};

enum {
	VMIG_CMD_AGENT_REGISTER = 1,
	VMIG_CMD_AGENT_GET,
	VMIG_CMD_VM_GET,
	VMIG_CMD_REQUEST,
	VMIG_CMD_REQUEST_NTF,
	VMIG_CMD_ANSWER,
	VMIG_CMD_ANSWER_NTF,
	VMIG_CMD_MIGRATION_NEW,
	VMIG_CMD_MIGRATION_START,
	VMIG_CMD_MIGRATION_STOP_COPY,
	VMIG_CMD_MIGRATION_STAGE,
	VMIG_CMD_MIGRATION_DONE,
	VMIG_CMD_MIGRATION_FAIL,
	VMIG_CMD_MIGRATION_CANCEL,
	VMIG_CMD_MIGRATION_GET,
	VMIG_CMD_MIGRATION_NTF,
	VMIG_CMD_CPUID_SUPPORT,
	VMIG_CMD_CPUID_READ,
	VMIG_CMD_CPUID_FILTER_SET,
	VMIG_CMD_CPUID_FILTER_GET,
	VMIG_CMD_TRANSPORT_GET,

	__VMIG_CMD_MAX,
	VMIG_CMD_MAX = (__VMIG_CMD_MAX - 1)
};

#define VMIG_MCGRP_MIGRATIONS	"migrations"

#endif /* _UAPI_LINUX_VMIG_H */
