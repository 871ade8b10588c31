// SPDX-License-Identifier: GPL-2.0
/* monitor: a line an event, until it is interrupted. */
#include <json-c/json.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"

struct monitor {
	struct vmig_nl *nl;
	bool json;
	bool overrun;
};

static void print_line(const struct vmig_mig_info *info)
{
	const struct vmig_counters *c = &info->counters;
	char now[16];
	time_t t = time(NULL);
	struct tm tm;

	strftime(now, sizeof(now), "%H:%M:%S", localtime_r(&t, &tm));
	printf("%s #%u %s %s %s: %s, %s", now, info->id, info->vm,
	       info->role == VMIG_ROLE_SOURCE ? "to" : "from", info->node,
	       vmig_stage_name(info->stage), vmig_state_name(info->state));
	if (!vmig_state_is_terminal(info->state) && c->round)
		printf(", round %u, %s left", c->round,
		       vmig_text_bytes(c->remaining_bytes).s);
	if (info->state == VMIG_STATE_PRECOPY && info->converged)
		printf(", converged");
	if (info->blackout)
		printf(", blackout %s", vmig_text_ms(info->blackout).s);
	if (*info->reason)
		printf(": %s", info->reason);
	putchar('\n');
	fflush(stdout);
}

static void on_migration(void *arg, const struct vmig_mig_info *info)
{
	struct monitor *m = arg;
	struct json_object *o;

	if (!m->json) {
		print_line(info);
		return;
	}
	o = vmig_json_migration(info);
	vmig_json_print(stdout, o, true);
	json_object_put(o);
}

static void on_overrun(void *arg)
{
	((struct monitor *)arg)->overrun = true;
}

/* Events were lost: tell how everything is now instead. */
static int tell_all(struct monitor *m, struct vmig_err *err)
{
	struct vmig_mig_info *list;
	size_t n, i;
	int ret;

	m->overrun = false;
	fputs("vmig-agent: events were lost; this is how everything is now\n",
	      stderr);
	ret = vmig_nl_migration_list(m->nl, &list, &n, err);
	for (i = 0; i < n; i++)
		on_migration(m, &list[i]);
	free(list);
	return ret;
}

int vmig_cmd_monitor(int argc, char **argv)
{
	static const struct vmig_nl_handlers handlers = {
		.migration = on_migration,
		.overrun = on_overrun,
	};
	struct monitor m = { };
	const struct vmig_flag flags[] = { { "json", &m.json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, 0);
	struct vmig_err err;

	if (ret)
		return ret;
	if (vmig_nl_open(&m.nl, &err))
		return vmig_fail(&err);
	vmig_nl_set_handlers(m.nl, &handlers, &m);
	ret = vmig_nl_subscribe(m.nl, &err);
	while (!ret) {
		ret = vmig_nl_wait(m.nl, -1, &err);
		if (!ret && m.overrun)
			ret = tell_all(&m, &err);
	}
	vmig_nl_close(m.nl);
	return vmig_fail(&err);
}
