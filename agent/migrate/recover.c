// SPDX-License-Identifier: GPL-2.0
/*
 * What a new daemon does with what an earlier one left.
 *
 * The kernel failed every migration whose commit had not begun when the
 * earlier daemon went. So each VM with a QEMU is one of these:
 *
 *	newest migration		what to do
 *	source, its commit begun	ask the other node: outcome.c
 *	destination, its commit begun	resume the VM here
 *	another, and the VM is owned	let the VM run if a failed migration
 *					stopped it
 *	another, and it is not owned	an arrival that failed: kill it
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../vmm/machine.h"
#include "destination.h"
#include "recover.h"
#include "source.h"

static void on_status(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_machine *m = arg;
	struct vmig_mig_info *info;
	const char *status;

	if (why) {
		vmig_log("VM %s: %s", m->name, why);
		return;
	}
	/* Its guest has never run, and nobody waits for it any more. */
	status = vmig_json_string(ret, "status");
	if (status && !strcmp(status, "prelaunch")) {
		vmig_log("VM %s was being started: ended", m->name);
		vmig_machine_kill(m);
		return;
	}
	m->running = vmig_json_uint(ret, "running", 0);
	if (m->running || m->ops)
		return;
	info = calloc(1, sizeof(*info));
	if (!info)
		return;
	/* Paused by somebody else's hand it stays paused. */
	if (!vmig_nl_migration_get(m->daemon->nl, 0, m->name, info, NULL) &&
	    info->role == VMIG_ROLE_SOURCE &&
	    (info->state == VMIG_STATE_FAILED ||
	     info->state == VMIG_STATE_CANCELLED))
		vmig_resume_start(m, NULL, NULL);
	free(info);
}

/* Return: true if the commit has begun on this side and not ended. */
static bool is_committing(const struct vmig_mig_info *info)
{
	if (vmig_state_is_terminal(info->state))
		return false;
	return info->role == VMIG_ROLE_SOURCE ?
		info->stage >= VMIG_STAGE_STORAGE :
		info->stage >= VMIG_STAGE_RESUME;
}

static void recover_one(struct vmig_daemon *daemon, struct vmig_machine *m,
			struct vmig_mig_info *info)
{
	struct vmig_err err;
	int ret = vmig_machine_attach(m, &err);

	if (ret && ret != -ENOENT)
		vmig_log("VM %s: %s", m->name, err.text);
	if (!vmig_nl_migration_get(daemon->nl, 0, m->name, info, NULL) &&
	    is_committing(info)) {
		if (info->role == VMIG_ROLE_DESTINATION)
			vmig_incoming_recover(daemon, m, info);
		else if (!vmig_source_recover(daemon, m, info))
			vmig_log("migration %u of VM %s: node %s is not in agent.conf any more, and it may run the VM: add it and restart the daemon",
				 info->id, m->name, info->node);
		return;
	}
	if (ret == -ENOENT) {
		vmig_machine_end(m);
	} else if (!m->owned) {
		vmig_log("VM %s had not arrived: removed", m->name);
		vmig_machine_kill(m);
	} else if (!ret) {
		vmig_log("VM %s found again, QEMU %d", m->name, (int)m->pid);
		vmig_qmp_call(m->qmp, "query-status", NULL, on_status, m);
	}
}

/* vmig_recover() - Find the VMs of an earlier daemon and set them right. */
void vmig_recover(struct vmig_daemon *daemon)
{
	struct vmig_mig_info *info = calloc(1, sizeof(*info));
	struct vmig_machine *m, *next;

	if (!info)
		return;
	for (m = LIST_FIRST(&daemon->machines); m; m = next) {
		next = LIST_NEXT(m, entry);
		recover_one(daemon, m, info);
	}
	free(info);
}
