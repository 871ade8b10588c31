/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a migration may become: the arcs between states and between stages.
 *
 * Pure: also compiled into the user-space tests.
 */
#ifndef _VMIG_STATE_H
#define _VMIG_STATE_H

#include <linux/types.h>
#include <linux/vmig.h>

bool vmig_state_may_enter(enum vmig_role role, enum vmig_state from,
			  enum vmig_state to);
bool vmig_state_ended(enum vmig_state state);
const char *vmig_state_name(enum vmig_state state);

bool vmig_stage_may_enter(enum vmig_role role, enum vmig_state state,
			  enum vmig_stage from, enum vmig_stage to);
bool vmig_stage_committed(enum vmig_role role, enum vmig_stage stage);
const char *vmig_stage_name(enum vmig_stage stage);

#endif /* _VMIG_STATE_H */
