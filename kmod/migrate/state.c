// SPDX-License-Identifier: GPL-2.0
/*
 * The arcs of a migration's states and stages; whatever is not here is refused.
 */
#include <linux/kernel.h>

#include "migrate/state.h"

#define STATES		(VMIG_STATE_FAILED + 1)
#define TO(state)	(1U << VMIG_STATE_##state)
#define TO_END		(TO(CANCELLED) | TO(FAILED))

static const u16 arcs[][STATES] = {
	[VMIG_ROLE_SOURCE] = {
		[VMIG_STATE_SETUP]	= TO(PRECOPY) | TO_END,
		[VMIG_STATE_PRECOPY]	= TO(STOPCOPY) | TO_END,
		[VMIG_STATE_STOPCOPY]	= TO(HANDOFF) | TO_END,
		[VMIG_STATE_HANDOFF]	= TO(DONE) | TO_END,
	},
	[VMIG_ROLE_DESTINATION] = {
		[VMIG_STATE_SETUP]	= TO(INCOMING) | TO_END,
		[VMIG_STATE_INCOMING]	= TO(READY) | TO_END,
		[VMIG_STATE_READY]	= TO(DONE) | TO_END,
	},
};

/* The stage with which the commit begins, and the state it needs. */
static const struct {
	enum vmig_stage stage;
	enum vmig_state state;
} commit[] = {
	[VMIG_ROLE_SOURCE]	= { VMIG_STAGE_STORAGE, VMIG_STATE_HANDOFF },
	[VMIG_ROLE_DESTINATION]	= { VMIG_STAGE_RESUME, VMIG_STATE_READY },
};

bool vmig_state_may_enter(enum vmig_role role, enum vmig_state from,
			  enum vmig_state to)
{
	if (role > VMIG_ROLE_DESTINATION || from >= STATES || to >= STATES)
		return false;
	return arcs[role][from] & (1U << to);
}

bool vmig_state_ended(enum vmig_state state)
{
	return state == VMIG_STATE_DONE || state == VMIG_STATE_CANCELLED ||
	       state == VMIG_STATE_FAILED;
}

const char *vmig_state_name(enum vmig_state state)
{
	static const char *const names[STATES] = {
		"setup", "precopy", "stopcopy", "handoff", "incoming",
		"ready", "done", "cancelled", "failed",
	};

	return state < STATES ? names[state] : "unknown";
}

/**
 * vmig_stage_may_enter() - Tell whether an agent may report a stage.
 * @role: the migration's role
 * @state: to enter
 * @from: the current stage
 * @to: the next one
 *
 * Stages only go forward and those before storage are the kernel's own. The
 * one that begins the commit may not be skipped.
 */
bool vmig_stage_may_enter(enum vmig_role role, enum vmig_state state,
			  enum vmig_stage from, enum vmig_stage to)
{
	if (role > VMIG_ROLE_DESTINATION || state != commit[role].state)
		return false;
	if (to < VMIG_STAGE_STORAGE || to > VMIG_STAGE_NETWORK || to <= from)
		return false;
	return to <= commit[role].stage || vmig_stage_committed(role, from);
}

/* Past this the VM may run on the destination: only an agent can end it. */
bool vmig_stage_committed(enum vmig_role role, enum vmig_stage stage)
{
	return role <= VMIG_ROLE_DESTINATION && stage >= commit[role].stage;
}

const char *vmig_stage_name(enum vmig_stage stage)
{
	static const char *const names[] = {
		"none", "setup", "memory", "modified", "storage", "resume",
		"network",
	};

	return stage <= VMIG_STAGE_NETWORK ? names[stage] : "unknown";
}
