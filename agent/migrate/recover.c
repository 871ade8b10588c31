// SPDX-License-Identifier: GPL-2.0
/*
 * What a new daemon does with what an earlier one left.
 *
 * The kernel failed every migration whose commit had not begun when the
 * earlier daemon went. So each VM with a QEMU is one of these:
 *
 *	newest migration		what to do
 *	source, its commit begun	find out who has the VM: commit.c
 *	destination, its commit begun	repeat HANDOFF (handoff.c), or without
 *					a lease resume the VM here
 *	none, but NAME.leaving is there	ask the other node: outcome.c
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
	info = calloc(1, sizeof(*info));
	if (!info)
		abort();	/* a daemon without memory is restarted */
	/* Paused by somebody else's hand it stays paused. */
	if (!m->running && !m->ops &&
	    !vmig_nl_migration_get(m->daemon->nl, 0, m->name, info, NULL) &&
	    info->role == VMIG_ROLE_SOURCE &&
	    (info->state == VMIG_STATE_FAILED ||
	     info->state == VMIG_STATE_CANCELLED))
		vmig_resume_recover(m);
	else
		vmig_ownership_learn(m);
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

/*
 * A VM with a lease is on record before its commit begins. Return: true if it
 * had not come further, and is removed.
 */
static bool recover_arrival(struct vmig_machine *m,
			    const struct vmig_mig_info *info)
{
	struct vmig_handoff_file found;

	if (!vmig_handoff_find(m, &found))
		return false;
	/* Only a kernel that knows the migration can tell. */
	if (!info || info->role != VMIG_ROLE_DESTINATION ||
	    info->state == VMIG_STATE_DONE || !found.whole ||
	    memcmp(info->token, found.token, sizeof(found.token))) {
		vmig_handoff_forget(m);
		return false;
	}
	vmig_log("VM %s had not arrived: removed", m->name);
	vmig_store_return(m);
	if (m->pidfd >= 0)
		vmig_machine_kill(m);
	else
		vmig_machine_end(m);
	return true;
}

/*
 * The host went down while "commit" may have been under way, and the kernel's
 * record with it: ask by the one on disk. A kernel that has failed the migration
 * knows that it was not said. Return: true if another node may run the VM.
 */
static bool recover_leaving(struct vmig_daemon *daemon, struct vmig_machine *m,
			    struct vmig_mig_info *info, bool known)
{
	uint8_t token[VMIG_TOKEN_LEN];
	char node[VMIG_NAME_MAX + 1];
	struct vmig_err err;

	if (!m->owned || !vmig_handover_find(m, node, token))
		return false;
	if (known && !memcmp(info->token, token, sizeof(token)) &&
	    (info->state == VMIG_STATE_FAILED ||
	     info->state == VMIG_STATE_CANCELLED)) {
		if (vmig_handover_stays(m, &err))
			vmig_log("VM %s: %s", m->name, err.text);
		return false;
	}
	memset(info, 0, sizeof(*info));
	strcpy(info->node, node);
	memcpy(info->token, token, sizeof(token));
	if (!vmig_source_recover(daemon, m, info))
		vmig_log("VM %s: node %s may run it and is not in agent.conf: add it and restart the daemon",
			 m->name, info->node);
	return true;
}

static void recover_one(struct vmig_daemon *daemon, struct vmig_machine *m,
			struct vmig_mig_info *info)
{
	struct vmig_err err;
	int ret = vmig_machine_attach(m, &err);
	bool known;

	if (ret && ret != -ENOENT)
		vmig_log("VM %s: %s", m->name, err.text);
	known = !vmig_nl_migration_get(daemon->nl, 0, m->name, info, NULL);
	if (known && is_committing(info)) {
		if (info->role == VMIG_ROLE_DESTINATION)
			vmig_incoming_recover(daemon, m, info);
		else if (!vmig_source_recover(daemon, m, info))
			vmig_log("migration %u of VM %s: node %s is not in agent.conf any more, and it may run the VM: add it and restart the daemon",
				 info->id, m->name, info->node);
		return;
	}
	if (recover_arrival(m, known ? info : NULL) ||
	    recover_leaving(daemon, m, info, known))
		return;
	if (ret == -ENOENT) {
		vmig_machine_end(m);
	} else if (!m->owned) {
		vmig_log("VM %s had not arrived: removed", m->name);
		vmig_machine_kill(m);
	} else if (!ret) {
		vmig_log("VM %s found again, QEMU %d", m->name, (int)m->pid);
		vmig_ownership_presume(m);
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
