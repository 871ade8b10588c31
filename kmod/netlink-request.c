// SPDX-License-Identifier: GPL-2.0
/* What users may ask of an agent, and with what; netlink-agent.c passes it on. */
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "netlink-request.h"

/* What each operation of a request must have and may have. */
static const struct {
	const char *name;
	u32 needs;
	u32 takes;
} request_ops[] = {
	[VMIG_REQUEST_OP_VM_DEFINE] = {
		"vm-define", BIT(VMIG_A_REQUEST_DATA), BIT(VMIG_A_REQUEST_VM),
	},
	[VMIG_REQUEST_OP_VM_UNDEFINE] = {
		"vm-undefine", BIT(VMIG_A_REQUEST_VM), 0,
	},
	[VMIG_REQUEST_OP_VM_START] = {
		"vm-start", BIT(VMIG_A_REQUEST_VM), 0,
	},
	[VMIG_REQUEST_OP_VM_STOP] = {
		"vm-stop", BIT(VMIG_A_REQUEST_VM), BIT(VMIG_A_REQUEST_FORCE),
	},
	[VMIG_REQUEST_OP_VM_LIST] = {
		"vm-list", 0, 0,
	},
	[VMIG_REQUEST_OP_VM_SHOW] = {
		"vm-show", BIT(VMIG_A_REQUEST_VM), 0,
	},
	[VMIG_REQUEST_OP_MIGRATE] = {
		"migrate", BIT(VMIG_A_REQUEST_VM) | BIT(VMIG_A_REQUEST_NODE),
		BIT(VMIG_A_REQUEST_CHANNELS) | BIT(VMIG_A_REQUEST_VERIFY) |
		BIT(VMIG_A_REQUEST_BANDWIDTH) | BIT(VMIG_A_REQUEST_MAX_BLACKOUT) |
		BIT(VMIG_A_REQUEST_TIMEOUT) | BIT(VMIG_A_REQUEST_AT_TIMEOUT) |
		BIT(VMIG_A_REQUEST_STOP_LIMIT) | BIT(VMIG_A_REQUEST_WAIT) |
		BIT(VMIG_A_REQUEST_QUICK) | BIT(VMIG_A_REQUEST_TRANSPORT),
	},
	[VMIG_REQUEST_OP_ANNOUNCE] = {
		"announce", BIT(VMIG_A_REQUEST_VM), 0,
	},
	[VMIG_REQUEST_OP_NODE_SHOW] = {
		"node-show", 0, BIT(VMIG_A_REQUEST_NODE),
	},
	[VMIG_REQUEST_OP_VM_SET] = {
		"vm-set", BIT(VMIG_A_REQUEST_VM) | BIT(VMIG_A_REQUEST_DATA), 0,
	},
	[VMIG_REQUEST_OP_CPU_SHOW] = {
		"cpu-show", 0, BIT(VMIG_A_REQUEST_NODE),
	},
	[VMIG_REQUEST_OP_CPU_BASELINE] = {
		"cpu-baseline", 0, BIT(VMIG_A_REQUEST_DATA),
	},
	[VMIG_REQUEST_OP_CPU_CHECK] = {
		"cpu-check", BIT(VMIG_A_REQUEST_VM) | BIT(VMIG_A_REQUEST_NODE),
		0,
	},
	[VMIG_REQUEST_OP_VM_RECOVER] = {
		"vm-recover", BIT(VMIG_A_REQUEST_VM), BIT(VMIG_A_REQUEST_DATA),
	},
	[VMIG_REQUEST_OP_NODE_LIST] = {
		"node-list", 0, 0,
	},
	[VMIG_REQUEST_OP_CHECK] = {
		"check", BIT(VMIG_A_REQUEST_VM) | BIT(VMIG_A_REQUEST_NODE),
		BIT(VMIG_A_REQUEST_TRANSPORT),
	},
	[VMIG_REQUEST_OP_NODE_DRAIN] = {
		"node-drain", 0, BIT(VMIG_A_REQUEST_NODE),
	},
	[VMIG_REQUEST_OP_NODE_UNDRAIN] = {
		"node-undrain", 0, BIT(VMIG_A_REQUEST_NODE),
	},
	[VMIG_REQUEST_OP_CANCEL] = {
		"cancel", BIT(VMIG_A_REQUEST_VM), 0,
	},
};

static const char * const request_attr_names[] = {
	[VMIG_A_REQUEST_VM]		= "vm",
	[VMIG_A_REQUEST_NODE]		= "node",
	[VMIG_A_REQUEST_DATA]		= "data",
	[VMIG_A_REQUEST_CHANNELS]	= "channels",
	[VMIG_A_REQUEST_VERIFY]		= "verify",
	[VMIG_A_REQUEST_BANDWIDTH]	= "bandwidth",
	[VMIG_A_REQUEST_MAX_BLACKOUT]	= "max-blackout",
	[VMIG_A_REQUEST_TIMEOUT]	= "timeout",
	[VMIG_A_REQUEST_FORCE]		= "force",
	[VMIG_A_REQUEST_AT_TIMEOUT]	= "at-timeout",
	[VMIG_A_REQUEST_STOP_LIMIT]	= "stop-limit",
	[VMIG_A_REQUEST_WAIT]		= "wait",
	[VMIG_A_REQUEST_QUICK]		= "quick",
	[VMIG_A_REQUEST_TRANSPORT]	= "transport",
};

static int check_request_attrs(struct genl_info *info, u32 op)
{
	const char *name = request_ops[op].name;
	int attr;

	for (attr = VMIG_A_REQUEST_VM; attr < ARRAY_SIZE(request_attr_names);
	     attr++) {
		const char *attr_name = request_attr_names[attr];
		struct nlattr *nla = info->attrs[attr];

		/* The rest is of answers; the policy refuses it here. */
		if (!attr_name)
			continue;
		if (!nla && request_ops[op].needs & BIT(attr)) {
			NL_SET_ERR_ATTR_MISS(info->extack, NULL, attr);
			NL_SET_ERR_MSG_FMT(info->extack, "%s needs %s", name,
					   attr_name);
			return -EINVAL;
		}
		if (nla && !((request_ops[op].needs | request_ops[op].takes) &
			     BIT(attr))) {
			NL_SET_BAD_ATTR(info->extack, nla);
			NL_SET_ERR_MSG_FMT(info->extack, "%s does not take %s",
					   name, attr_name);
			return -EINVAL;
		}
	}
	return 0;
}

/**
 * vmig_netlink_request_check() - Refuse what no agent could answer.
 * @info: of the request
 *
 * Return: 0, or -EINVAL with extack text.
 */
int vmig_netlink_request_check(struct genl_info *info)
{
	int err;

	err = vmig_netlink_need(info, VMIG_A_REQUEST_OP, "op");
	if (err)
		return err;
	err = check_request_attrs(info,
				  nla_get_u32(info->attrs[VMIG_A_REQUEST_OP]));
	if (!err && info->attrs[VMIG_A_REQUEST_VM])
		err = vmig_netlink_check_name(info, VMIG_A_REQUEST_VM);
	if (!err && info->attrs[VMIG_A_REQUEST_NODE])
		err = vmig_netlink_check_name(info, VMIG_A_REQUEST_NODE);
	return err;
}
