// SPDX-License-Identifier: GPL-2.0
/* Names of the family's constants as the operator reads them. */
#include "nl.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static const char * const state_names[] = {
	[VMIG_STATE_SETUP] = "setup",
	[VMIG_STATE_PRECOPY] = "precopy",
	[VMIG_STATE_STOPCOPY] = "stopcopy",
	[VMIG_STATE_HANDOFF] = "handoff",
	[VMIG_STATE_INCOMING] = "incoming",
	[VMIG_STATE_READY] = "ready",
	[VMIG_STATE_DONE] = "done",
	[VMIG_STATE_CANCELLED] = "cancelled",
	[VMIG_STATE_FAILED] = "failed",
};

static const char * const stage_names[] = {
	[VMIG_STAGE_SETUP] = "setup",
	[VMIG_STAGE_MEMORY] = "memory",
	[VMIG_STAGE_MODIFIED] = "modified",
	[VMIG_STAGE_STORAGE] = "storage",
	[VMIG_STAGE_RESUME] = "resume",
	[VMIG_STAGE_NETWORK] = "network",
};

static const char * const role_names[] = {
	[VMIG_ROLE_SOURCE] = "source",
	[VMIG_ROLE_DESTINATION] = "destination",
};

static const char * const transport_names[] = {
	[VMIG_TRANSPORT_TCP] = "tcp",
	[VMIG_TRANSPORT_RDMA] = "rdma",
};

static const char * const request_op_names[] = {
	[VMIG_REQUEST_OP_VM_DEFINE] = "vm-define",
	[VMIG_REQUEST_OP_VM_UNDEFINE] = "vm-undefine",
	[VMIG_REQUEST_OP_VM_START] = "vm-start",
	[VMIG_REQUEST_OP_VM_STOP] = "vm-stop",
	[VMIG_REQUEST_OP_VM_LIST] = "vm-list",
	[VMIG_REQUEST_OP_VM_SHOW] = "vm-show",
	[VMIG_REQUEST_OP_MIGRATE] = "migrate",
	[VMIG_REQUEST_OP_ANNOUNCE] = "announce",
	[VMIG_REQUEST_OP_NODE_SHOW] = "node-show",
	[VMIG_REQUEST_OP_VM_SET] = "vm-set",
	[VMIG_REQUEST_OP_CPU_SHOW] = "cpu-show",
	[VMIG_REQUEST_OP_CPU_BASELINE] = "cpu-baseline",
	[VMIG_REQUEST_OP_CPU_CHECK] = "cpu-check",
	[VMIG_REQUEST_OP_VM_RECOVER] = "vm-recover",
	[VMIG_REQUEST_OP_NODE_LIST] = "node-list",
	[VMIG_REQUEST_OP_CHECK] = "check",
	[VMIG_REQUEST_OP_NODE_DRAIN] = "node-drain",
	[VMIG_REQUEST_OP_NODE_UNDRAIN] = "node-undrain",
	[VMIG_REQUEST_OP_CANCEL] = "cancel",
};

static const char *name_of(const char * const *names, unsigned int n,
			   unsigned int value)
{
	return value < n && names[value] ? names[value] : "?";
}

const char *vmig_state_name(enum vmig_state state)
{
	return name_of(state_names, ARRAY_SIZE(state_names), state);
}

const char *vmig_stage_name(enum vmig_stage stage)
{
	return name_of(stage_names, ARRAY_SIZE(stage_names), stage);
}

const char *vmig_role_name(enum vmig_role role)
{
	return name_of(role_names, ARRAY_SIZE(role_names), role);
}

const char *vmig_transport_name(enum vmig_transport transport)
{
	return name_of(transport_names, ARRAY_SIZE(transport_names), transport);
}

const char *vmig_request_op_name(enum vmig_request_op op)
{
	return name_of(request_op_names, ARRAY_SIZE(request_op_names), op);
}

bool vmig_state_is_terminal(enum vmig_state state)
{
	return state == VMIG_STATE_DONE || state == VMIG_STATE_CANCELLED ||
	       state == VMIG_STATE_FAILED;
}
