// SPDX-License-Identifier: GPL-2.0
/* migrate: ask the daemon to move a VM, show how it goes, report. */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../keyfile.h"
#include "cli.h"

#define POLL_MS		250
/* The kernel's record may end a moment after the daemon's answer. */
#define END_POLLS	20

struct move {
	struct vmig_nl *nl;
	struct vmig_request request;
	uint32_t request_id;
	bool answered;
	int result;
	struct json_object *answer;	/* of the daemon, NULL without one */
	struct vmig_err *err;
	uint32_t before;		/* the VM's newest migration until now */
	bool known;			/* @info is of this migration */
	struct vmig_mig_info info;
	bool show_progress;
	struct vmig_watch watch;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* Without SA_RESTART, so that a signal ends the wait. */
static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void take_info(struct move *m, const struct vmig_mig_info *info)
{
	if (info->id <= m->before || strcmp(info->vm, m->request.vm) ||
	    info->role != VMIG_ROLE_SOURCE)
		return;
	m->info = *info;
	m->known = true;
	if (m->show_progress)
		vmig_watch_update(&m->watch, info);
}

static void on_migration(void *arg, const struct vmig_mig_info *info)
{
	take_info(arg, info);
}

static void on_answer(void *arg, const struct vmig_answer *answer)
{
	struct move *m = arg;

	if (answer->id != m->request_id)
		return;
	m->answered = true;
	m->result = vmig_answer_check(answer, m->err);
	if (answer->data)
		m->answer = json_tokener_parse(answer->data);
}

static void refresh(struct move *m)
{
	struct vmig_mig_info info;

	/* None yet, or none any more: the answer will say why. */
	if (!vmig_nl_migration_get(m->nl, 0, m->request.vm, &info, NULL))
		take_info(m, &info);
}

static int await_answer(struct move *m)
{
	int ret = 0;

	while (!m->answered && !ret && !interrupted) {
		ret = vmig_nl_wait(m->nl, POLL_MS, m->err);
		if (!ret && m->show_progress)
			refresh(m);
	}
	if (interrupted)
		return vmig_err_set(m->err, EINTR,
				    "the migration goes on; vmig-agent status %s --watch shows it, vmig-agent cancel %s ends it",
				    m->request.vm, m->request.vm);
	return ret ? ret : m->result;
}

static void await_record(struct move *m)
{
	int polls;

	refresh(m);
	for (polls = 0; m->known && polls < END_POLLS && !interrupted &&
	     !vmig_state_is_terminal(m->info.state); polls++) {
		if (vmig_nl_wait(m->nl, POLL_MS, NULL))
			break;
		refresh(m);
	}
}

static int move_vm(struct move *m)
{
	static const struct vmig_nl_handlers handlers = {
		.answer = on_answer,
		.migration = on_migration,
	};
	struct vmig_mig_info last;
	int ret;

	ret = vmig_nl_open(&m->nl, m->err);
	if (ret)
		return ret;
	vmig_nl_set_handlers(m->nl, &handlers, m);
	if (!vmig_nl_migration_get(m->nl, 0, m->request.vm, &last, NULL))
		m->before = last.id;
	ret = vmig_nl_subscribe(m->nl, m->err);
	if (!ret)
		ret = vmig_nl_request(m->nl, &m->request, &m->request_id,
				      m->err);
	if (!ret) {
		catch_signals();
		ret = await_answer(m);
		if (ret != -EINTR)
			await_record(m);
	}
	if (m->show_progress)
		vmig_watch_end(&m->watch);
	vmig_nl_close(m->nl);
	return ret;
}

static int take_number(const char *option, const char *text, uint32_t min,
		       uint32_t max, uint32_t *number)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n < min || n > max)
		return vmig_usage("migrate --%s %s: a number from %u to %u is needed",
				  option, text, min, max);
	*number = n;
	return 0;
}

static int take_action(const char *text, enum vmig_timeout_action *action)
{
	if (!strcmp(text, "cancel"))
		*action = VMIG_TIMEOUT_ACTION_CANCEL;
	else if (!strcmp(text, "switch-over"))
		*action = VMIG_TIMEOUT_ACTION_SWITCH_OVER;
	else
		return vmig_usage("migrate --at-timeout %s: it is cancel or switch-over",
				  text);
	return 0;
}

enum { OPT_WATCH, OPT_JSON, OPT_VERIFY, OPT_CHANNELS, OPT_BANDWIDTH,
	OPT_MAX_BLACKOUT, OPT_TIMEOUT, OPT_AT_TIMEOUT, OPT_STOP_LIMIT,
	OPT_QUICK, OPT_WAIT, OPT_TRANSPORT };

static const struct option options[] = {
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "channels", required_argument, NULL, OPT_CHANNELS },
	{ "bandwidth", required_argument, NULL, OPT_BANDWIDTH },
	{ "max-blackout", required_argument, NULL, OPT_MAX_BLACKOUT },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "at-timeout", required_argument, NULL, OPT_AT_TIMEOUT },
	{ "stop-limit", required_argument, NULL, OPT_STOP_LIMIT },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "transport", required_argument, NULL, OPT_TRANSPORT },
	{ }
};

static int take_option(struct move *m, int option, bool *json)
{
	struct vmig_request *r = &m->request;

	switch (option) {
	case OPT_WATCH:
		m->show_progress = true;
		return 0;
	case OPT_JSON:
		*json = true;
		return 0;
	case OPT_VERIFY:
		r->verify = true;
		return 0;
	case OPT_WAIT:
		r->wait = true;
		return 0;
	case OPT_CHANNELS:
		return take_number("channels", optarg, 1, VMIG_CHANNELS_MAX,
				   &r->channels);
	case OPT_BANDWIDTH:
		if (!vmig_size_parse(optarg, &r->bandwidth) && r->bandwidth)
			return 0;
		return vmig_usage("migrate --bandwidth %s: bytes a second are needed, such as 100M",
				  optarg);
	case OPT_MAX_BLACKOUT:
		return take_number("max-blackout", optarg, 1, 3600000,
				   &r->max_blackout);
	case OPT_TIMEOUT:
		return take_number("timeout", optarg, 1, 604800, &r->timeout);
	case OPT_AT_TIMEOUT:
		return take_action(optarg, &r->at_timeout);
	case OPT_STOP_LIMIT:
		return take_number("stop-limit", optarg, 1, 604800,
				   &r->stop_limit);
	case OPT_QUICK:
		r->quick = true;
		return 0;
	case OPT_TRANSPORT:
		return vmig_request_take_transport(r, optarg);
	}
	return vmig_usage("wrong option for migrate");
}

static int parse_args(struct move *m, int argc, char **argv, bool *json)
{
	struct vmig_err err;
	int c, ret;

	vmig_request_init(&m->request, VMIG_REQUEST_OP_MIGRATE, NULL);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		ret = take_option(m, c, json);
		if (ret)
			return ret;
	}
	if (m->request.quick && m->request.max_blackout)
		return vmig_usage("migrate --quick: the VM stands still while all of it moves, so that --max-blackout says nothing; --stop-limit ends it");
	if (argc - optind != 2)
		return vmig_usage("migrate needs a VM and the node that it shall go to");
	if (vmig_name_check("VM", argv[optind], &err) ||
	    vmig_name_check("node", argv[optind + 1], &err))
		return vmig_fail(&err);
	strcpy(m->request.vm, argv[optind]);
	strcpy(m->request.node, argv[optind + 1]);
	return 0;
}

static void print_result(const struct move *m, bool json)
{
	struct json_object *commit = vmig_document_object(m->answer, "commit");
	struct json_object *network = vmig_document_array(m->answer, "network");
	const char *why = vmig_document_text(m->answer, "transport_why");
	struct json_object *object;

	if (!m->known)
		return;
	if (json) {
		object = vmig_json_migration(&m->info);
		if (*why)
			json_object_object_add(object, "transport_why",
					       json_object_new_string(why));
		if (commit)
			json_object_object_add(object, "commit",
					       json_object_get(commit));
		if (network)
			json_object_object_add(object, "network",
					       json_object_get(network));
		vmig_json_print(stdout, object, false);
		json_object_put(object);
	} else {
		vmig_report_print(stdout, &m->info);
		if (*why)
			printf("  transport    %s: %s\n",
			       vmig_transport_name(m->info.transport), why);
		vmig_commit_print(stdout, commit, m->info.quick);
		vmig_network_print(stdout, network);
	}
}

int vmig_cmd_migrate(int argc, char **argv)
{
	struct move m = { };
	struct vmig_err err;
	bool json = false;
	int ret;

	ret = parse_args(&m, argc, argv, &json);
	if (ret)
		return ret;
	m.err = &err;
	vmig_watch_init(&m.watch, json ? stderr : stdout);
	ret = move_vm(&m);
	/* A failure is one sentence, unless more was asked for. */
	if (ret != -EINTR && (!ret || json || m.show_progress))
		print_result(&m, json);
	json_object_put(m.answer);
	return ret ? vmig_fail(&err) : VMIG_EXIT_OK;
}
