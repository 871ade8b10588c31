// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vmig.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/vmig.h>

/* Integer value ranges */
static const struct netlink_range_validation vmig_a_migration_max_blackout_range = {
	.min	= 1ULL,
	.max	= 3600000ULL,
};

static const struct netlink_range_validation vmig_a_migration_timeout_range = {
	.min	= 1ULL,
	.max	= 604800ULL,
};

static const struct netlink_range_validation vmig_a_migration_stop_limit_range = {
	.min	= 1ULL,
	.max	= 604800ULL,
};

static const struct netlink_range_validation vmig_a_request_max_blackout_range = {
	.min	= 1ULL,
	.max	= 3600000ULL,
};

static const struct netlink_range_validation vmig_a_request_timeout_range = {
	.min	= 1ULL,
	.max	= 604800ULL,
};

static const struct netlink_range_validation vmig_a_request_stop_limit_range = {
	.min	= 1ULL,
	.max	= 604800ULL,
};

/* Common nested types */
const struct nla_policy vmig_cpuid_rule_nl_policy[VMIG_A_CPUID_RULE_HIDDEN + 1] = {
	[VMIG_A_CPUID_RULE_LEAF] = { .type = NLA_U32, },
	[VMIG_A_CPUID_RULE_SUBLEAF] = { .type = NLA_U32, },
	[VMIG_A_CPUID_RULE_REGISTER] = NLA_POLICY_MAX(NLA_U32, 3),
	[VMIG_A_CPUID_RULE_MASK] = { .type = NLA_U32, },
	[VMIG_A_CPUID_RULE_VALUE] = { .type = NLA_U32, },
	[VMIG_A_CPUID_RULE_HIDDEN] = { .type = NLA_U32, },
};

/* VMIG_CMD_AGENT_REGISTER - do */
static const struct nla_policy vmig_agent_register_nl_policy[VMIG_A_AGENT_NODE + 1] = {
	[VMIG_A_AGENT_NODE] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
};

/* VMIG_CMD_VM_GET - do */
static const struct nla_policy vmig_vm_get_nl_policy[VMIG_A_VM_NAME + 1] = {
	[VMIG_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
};

/* VMIG_CMD_REQUEST - do */
static const struct nla_policy vmig_request_nl_policy[VMIG_A_REQUEST_TRANSPORT + 1] = {
	[VMIG_A_REQUEST_OP] = NLA_POLICY_RANGE(NLA_U32, 1, 19),
	[VMIG_A_REQUEST_VM] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
	[VMIG_A_REQUEST_NODE] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
	[VMIG_A_REQUEST_DATA] = { .type = NLA_NUL_STRING, .len = VMIG_DATA_MAX, },
	[VMIG_A_REQUEST_CHANNELS] = NLA_POLICY_RANGE(NLA_U32, 1, VMIG_CHANNELS_MAX),
	[VMIG_A_REQUEST_VERIFY] = { .type = NLA_FLAG, },
	[VMIG_A_REQUEST_BANDWIDTH] = { .type = NLA_U64, },
	[VMIG_A_REQUEST_MAX_BLACKOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &vmig_a_request_max_blackout_range),
	[VMIG_A_REQUEST_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &vmig_a_request_timeout_range),
	[VMIG_A_REQUEST_FORCE] = { .type = NLA_FLAG, },
	[VMIG_A_REQUEST_AT_TIMEOUT] = NLA_POLICY_MAX(NLA_U32, 1),
	[VMIG_A_REQUEST_STOP_LIMIT] = NLA_POLICY_FULL_RANGE(NLA_U32, &vmig_a_request_stop_limit_range),
	[VMIG_A_REQUEST_WAIT] = { .type = NLA_FLAG, },
	[VMIG_A_REQUEST_QUICK] = { .type = NLA_FLAG, },
	[VMIG_A_REQUEST_TRANSPORT] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* VMIG_CMD_ANSWER - do */
static const struct nla_policy vmig_answer_nl_policy[VMIG_A_REQUEST_MESSAGE + 1] = {
	[VMIG_A_REQUEST_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMIG_A_REQUEST_ERROR] = NLA_POLICY_MAX(NLA_U32, 4095),
	[VMIG_A_REQUEST_MESSAGE] = { .type = NLA_NUL_STRING, .len = VMIG_TEXT_MAX, },
	[VMIG_A_REQUEST_DATA] = { .type = NLA_NUL_STRING, .len = VMIG_DATA_MAX, },
};

/* VMIG_CMD_MIGRATION_NEW - do */
static const struct nla_policy vmig_migration_new_nl_policy[VMIG_A_MIGRATION_SECRET + 1] = {
	[VMIG_A_MIGRATION_VM] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
	[VMIG_A_MIGRATION_NODE] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
	[VMIG_A_MIGRATION_ROLE] = NLA_POLICY_MAX(NLA_U32, 1),
	[VMIG_A_MIGRATION_TOKEN] = NLA_POLICY_EXACT_LEN(VMIG_TOKEN_LEN),
	[VMIG_A_MIGRATION_SOCKET] = { .type = NLA_U32, },
	[VMIG_A_MIGRATION_CHANNELS] = { .type = NLA_U32, },
	[VMIG_A_MIGRATION_VERIFY] = { .type = NLA_FLAG, },
	[VMIG_A_MIGRATION_BANDWIDTH] = { .type = NLA_U64, },
	[VMIG_A_MIGRATION_MAX_BLACKOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &vmig_a_migration_max_blackout_range),
	[VMIG_A_MIGRATION_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &vmig_a_migration_timeout_range),
	[VMIG_A_MIGRATION_AT_TIMEOUT] = NLA_POLICY_MAX(NLA_U32, 1),
	[VMIG_A_MIGRATION_STOP_LIMIT] = NLA_POLICY_FULL_RANGE(NLA_U32, &vmig_a_migration_stop_limit_range),
	[VMIG_A_MIGRATION_QUICK] = { .type = NLA_FLAG, },
	[VMIG_A_MIGRATION_TRANSPORT] = NLA_POLICY_MAX(NLA_U32, 1),
	[VMIG_A_MIGRATION_LOCAL_ADDRESS] = { .type = NLA_BINARY, },
	[VMIG_A_MIGRATION_PEER_ADDRESS] = { .type = NLA_BINARY, },
	[VMIG_A_MIGRATION_PORT] = { .type = NLA_U16, },
	[VMIG_A_MIGRATION_SECRET] = NLA_POLICY_EXACT_LEN(VMIG_SECRET_LEN),
};

/* VMIG_CMD_MIGRATION_START - do */
static const struct nla_policy vmig_migration_start_nl_policy[VMIG_A_MIGRATION_ID + 1] = {
	[VMIG_A_MIGRATION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* VMIG_CMD_MIGRATION_STOP_COPY - do */
static const struct nla_policy vmig_migration_stop_copy_nl_policy[VMIG_A_MIGRATION_ID + 1] = {
	[VMIG_A_MIGRATION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* VMIG_CMD_MIGRATION_STAGE - do */
static const struct nla_policy vmig_migration_stage_nl_policy[VMIG_A_MIGRATION_BLACKOUT + 1] = {
	[VMIG_A_MIGRATION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMIG_A_MIGRATION_STAGE] = NLA_POLICY_RANGE(NLA_U32, 1, 6),
	[VMIG_A_MIGRATION_BLACKOUT] = { .type = NLA_U64, },
};

/* VMIG_CMD_MIGRATION_DONE - do */
static const struct nla_policy vmig_migration_done_nl_policy[VMIG_A_MIGRATION_BLACKOUT + 1] = {
	[VMIG_A_MIGRATION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMIG_A_MIGRATION_BLACKOUT] = { .type = NLA_U64, },
};

/* VMIG_CMD_MIGRATION_FAIL - do */
static const struct nla_policy vmig_migration_fail_nl_policy[VMIG_A_MIGRATION_REASON + 1] = {
	[VMIG_A_MIGRATION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMIG_A_MIGRATION_ERROR] = NLA_POLICY_MAX(NLA_U32, 4095),
	[VMIG_A_MIGRATION_REASON] = { .type = NLA_NUL_STRING, .len = VMIG_TEXT_MAX, },
};

/* VMIG_CMD_MIGRATION_CANCEL - do */
static const struct nla_policy vmig_migration_cancel_nl_policy[VMIG_A_MIGRATION_REASON + 1] = {
	[VMIG_A_MIGRATION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMIG_A_MIGRATION_VM] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
	[VMIG_A_MIGRATION_REASON] = { .type = NLA_NUL_STRING, .len = VMIG_TEXT_MAX, },
};

/* VMIG_CMD_MIGRATION_GET - do */
static const struct nla_policy vmig_migration_get_nl_policy[VMIG_A_MIGRATION_VM + 1] = {
	[VMIG_A_MIGRATION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMIG_A_MIGRATION_VM] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
};

/* VMIG_CMD_CPUID_READ - do */
static const struct nla_policy vmig_cpuid_read_nl_policy[VMIG_A_CPUID_KVM_FD + 1] = {
	[VMIG_A_CPUID_KVM_FD] = { .type = NLA_U32, },
};

/* VMIG_CMD_CPUID_FILTER_SET - do */
static const struct nla_policy vmig_cpuid_filter_set_nl_policy[VMIG_A_CPUID_RULE + 1] = {
	[VMIG_A_CPUID_VM] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
	[VMIG_A_CPUID_KVM_FD] = { .type = NLA_U32, },
	[VMIG_A_CPUID_RULE] = NLA_POLICY_NESTED(vmig_cpuid_rule_nl_policy),
};

/* VMIG_CMD_CPUID_FILTER_GET - do */
static const struct nla_policy vmig_cpuid_filter_get_nl_policy[VMIG_A_CPUID_VM + 1] = {
	[VMIG_A_CPUID_VM] = { .type = NLA_NUL_STRING, .len = VMIG_NAME_MAX, },
};

/* VMIG_CMD_TRANSPORT_GET - do */
static const struct nla_policy vmig_transport_get_nl_policy[VMIG_A_LINK_LOCAL_ADDRESS + 1] = {
	[VMIG_A_LINK_TRANSPORT] = NLA_POLICY_MAX(NLA_U32, 1),
	[VMIG_A_LINK_LOCAL_ADDRESS] = { .type = NLA_BINARY, },
};

/* Ops table for vmig */
static const struct genl_split_ops vmig_nl_ops[] = {
	{
		.cmd		= VMIG_CMD_AGENT_REGISTER,
		.doit		= vmig_nl_agent_register_doit,
		.policy		= vmig_agent_register_nl_policy,
		.maxattr	= VMIG_A_AGENT_NODE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VMIG_CMD_AGENT_GET,
		.doit	= vmig_nl_agent_get_doit,
		.flags	= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_VM_GET,
		.doit		= vmig_nl_vm_get_doit,
		.policy		= vmig_vm_get_nl_policy,
		.maxattr	= VMIG_A_VM_NAME,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VMIG_CMD_VM_GET,
		.start	= vmig_nl_vm_get_start,
		.dumpit	= vmig_nl_vm_get_dumpit,
		.done	= vmig_nl_vm_get_done,
		.flags	= GENL_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VMIG_CMD_REQUEST,
		.doit		= vmig_nl_request_doit,
		.policy		= vmig_request_nl_policy,
		.maxattr	= VMIG_A_REQUEST_TRANSPORT,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_ANSWER,
		.doit		= vmig_nl_answer_doit,
		.policy		= vmig_answer_nl_policy,
		.maxattr	= VMIG_A_REQUEST_MESSAGE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_NEW,
		.doit		= vmig_nl_migration_new_doit,
		.policy		= vmig_migration_new_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_SECRET,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_START,
		.doit		= vmig_nl_migration_start_doit,
		.policy		= vmig_migration_start_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_ID,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_STOP_COPY,
		.doit		= vmig_nl_migration_stop_copy_doit,
		.policy		= vmig_migration_stop_copy_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_ID,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_STAGE,
		.doit		= vmig_nl_migration_stage_doit,
		.policy		= vmig_migration_stage_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_BLACKOUT,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_DONE,
		.doit		= vmig_nl_migration_done_doit,
		.policy		= vmig_migration_done_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_BLACKOUT,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_FAIL,
		.doit		= vmig_nl_migration_fail_doit,
		.policy		= vmig_migration_fail_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_REASON,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_CANCEL,
		.doit		= vmig_nl_migration_cancel_doit,
		.policy		= vmig_migration_cancel_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_REASON,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_MIGRATION_GET,
		.doit		= vmig_nl_migration_get_doit,
		.policy		= vmig_migration_get_nl_policy,
		.maxattr	= VMIG_A_MIGRATION_VM,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VMIG_CMD_MIGRATION_GET,
		.start	= vmig_nl_migration_get_start,
		.dumpit	= vmig_nl_migration_get_dumpit,
		.flags	= GENL_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= VMIG_CMD_CPUID_SUPPORT,
		.doit	= vmig_nl_cpuid_support_doit,
		.flags	= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_CPUID_READ,
		.doit		= vmig_nl_cpuid_read_doit,
		.policy		= vmig_cpuid_read_nl_policy,
		.maxattr	= VMIG_A_CPUID_KVM_FD,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_CPUID_FILTER_SET,
		.doit		= vmig_nl_cpuid_filter_set_doit,
		.policy		= vmig_cpuid_filter_set_nl_policy,
		.maxattr	= VMIG_A_CPUID_RULE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMIG_CMD_CPUID_FILTER_GET,
		.doit		= vmig_nl_cpuid_filter_get_doit,
		.policy		= vmig_cpuid_filter_get_nl_policy,
		.maxattr	= VMIG_A_CPUID_VM,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VMIG_CMD_CPUID_FILTER_GET,
		.start	= vmig_nl_cpuid_filter_get_start,
		.dumpit	= vmig_nl_cpuid_filter_get_dumpit,
		.flags	= GENL_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VMIG_CMD_TRANSPORT_GET,
		.doit		= vmig_nl_transport_get_doit,
		.policy		= vmig_transport_get_nl_policy,
		.maxattr	= VMIG_A_LINK_LOCAL_ADDRESS,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group vmig_nl_mcgrps[] = {
	[VMIG_NLGRP_MIGRATIONS] = { "migrations", },
};

struct genl_family vmig_nl_family __ro_after_init = {
	.name		= VMIG_FAMILY_NAME,
	.version	= VMIG_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= vmig_nl_ops,
	.n_split_ops	= ARRAY_SIZE(vmig_nl_ops),
	.mcgrps		= vmig_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(vmig_nl_mcgrps),
};
