// SPDX-License-Identifier: GPL-2.0
/*
 * The one way to fail before the commit: the VM runs on here.
 *
 * That does not wait for the kernel. From its decision to end a migration on
 * there is no way to commit it, but to tell the other node, which may not be
 * there any more, takes it seconds; the VM may stand still. What the user hears
 * waits for both.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../vmm/machine.h"
#include "source.h"

/* vmig_rollback_settle() - Is it over? @s is gone then. */
void vmig_rollback_settle(struct vmig_source *s)
{
	size_t len = strlen(s->reason);

	if (s->ending || (!s->dead && !s->resumed))
		return;
	if (*s->obstacle)
		snprintf(s->reason + len, sizeof(s->reason) - len,
			 "; and the VM does not run on yet: %s", s->obstacle);
	else if (!s->dead && vmig_setup_again(s))
		return;
	vmig_source_finish(s);
}

static void on_resumed(void *arg, const char *why)
{
	struct vmig_source *s = arg;

	s->resumed = true;
	if (why)
		snprintf(s->obstacle, sizeof(s->obstacle), "%s", why);
	vmig_rollback_settle(s);
}

static void run_on(struct vmig_source *s)
{
	vmig_source_enter(s, VMIG_STEP_FAIL);
	if (s->control) {
		struct json_object *msg = vmig_json_new("abort");

		vmig_json_add_string(msg, "reason", s->reason);
		vmig_conn_send(s->control, msg);
		vmig_conn_close(s->control);
		s->control = NULL;
	}
	vmig_channels_close(s);
	vmig_switchover_break(s);
	if (s->dead) {
		vmig_rollback_settle(s);
		return;
	}
	vmig_qmp_forget(s->m->qmp, s);
	vmig_preflight_forget(&s->preflight);
	vmig_resume_start(s->m, on_resumed, s);
}

/* What the kernel ended it with is the better reason, if it was not this side. */
static void take_reason(struct vmig_source *s, const struct vmig_mig_info *info)
{
	s->error = info->state == VMIG_STATE_CANCELLED ? ECANCELED :
		   info->error ? info->error : EIO;
	s->unconnected = s->started && info->unconnected;
	snprintf(s->reason, sizeof(s->reason), "%s",
		 info->reason[0] ? info->reason : "the migration ended");
}

/* vmig_rollback_ended() - The kernel's migration has. */
void vmig_rollback_ended(struct vmig_source *s,
			 const struct vmig_mig_info *info)
{
	bool running_on = s->ending;

	s->ending = false;
	take_reason(s, info);
	if (running_on)
		vmig_rollback_settle(s);
	else
		run_on(s);
}

/*
 * End it in the kernel. What ended it there before is the better reason: the
 * trouble seen here is then only its echo.
 *
 * Return: true if it has ended, false if vmig_rollback_ended() will tell.
 */
static bool end_in_kernel(struct vmig_source *s)
{
	struct vmig_mig_info *info;
	struct vmig_err err = { "" };
	bool ended = true;

	if (!s->id)
		return true;
	vmig_nl_migration_fail(s->daemon->nl, s->id, s->error, s->reason, &err);
	info = calloc(1, sizeof(*info));
	if (!info || vmig_nl_migration_get(s->daemon->nl, s->id, NULL, info,
					   &err)) {
		vmig_log("migration %u: %s", s->id, err.text);
	} else {
		ended = vmig_state_is_terminal(info->state);
		if (ended || *info->reason)
			take_reason(s, info);
	}
	free(info);
	return ended;
}

/**
 * vmig_source_fail() - The one way to fail: the VM runs on here.
 * @error: positive errno for the user, with the sentence that follows
 *
 * Without effect once the migration is failing already. From the commit on
 * it means doubt. @s may be gone afterwards.
 */
void vmig_source_fail(struct vmig_source *s, int error, const char *fmt, ...)
{
	va_list ap;

	if (s->step > VMIG_STEP_COMMIT)
		return;
	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
	if (s->step == VMIG_STEP_COMMIT) {
		vmig_commit_doubt(s, "%s", s->reason);
		return;
	}
	s->error = error;
	vmig_source_enter(s, VMIG_STEP_FAIL);
	s->ending = !end_in_kernel(s);
	run_on(s);
}

/* vmig_source_roll_back() - The other node will never run the VM: it said so. */
void vmig_source_roll_back(struct vmig_source *s, const char *why)
{
	struct vmig_err err;

	s->error = EIO;
	snprintf(s->reason, sizeof(s->reason), "node %s: %s", s->peer->name,
		 why);
	if (s->id && vmig_nl_migration_fail(s->daemon->nl, s->id, EIO,
					    s->reason, &err))
		vmig_log("migration %u: %s", s->id, err.text);
	run_on(s);
}
