// SPDX-License-Identifier: GPL-2.0
/*
 * Who runs the VM? The question of a source that said "commit" and heard
 * nothing, and the answer of the destination.
 *
 * The source stays stopped and asks every second, for ever. The destination
 * answers "aborted" only once it has made sure that it never commits.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../cluster/token.h"
#include "../vmm/machine.h"
#include "destination.h"
#include "source.h"

#define ASK_AGAIN_US (1000 * 1000ULL)

enum outcome {
	OUTCOME_ABORTED,
	OUTCOME_COMMITTED,
	OUTCOME_PENDING,
};

static void ask(struct vmig_source *s);

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	ask(arg);
	return 0;
}

static void ask_later(struct vmig_source *s)
{
	vmig_conn_close(s->control);
	s->control = NULL;
	sd_event_source_disable_unref(s->limit);
	s->limit = NULL;
	sd_event_add_time_relative(s->daemon->event, &s->limit, CLOCK_MONOTONIC,
				   ASK_AGAIN_US, 0, on_timer, s);
}

static void on_greeted(void *arg, struct json_object *msg)
{
	struct vmig_source *s = arg;
	struct json_object *query;
	char token[VMIG_TOKEN_TEXT];
	struct vmig_hello theirs;

	if (vmig_hello_decode(msg, &theirs, NULL) ||
	    strcmp(theirs.node, s->peer->name)) {
		ask_later(s);
		return;
	}
	vmig_conn_heartbeat(s->control);
	vmig_token_text(s->token, token);
	query = vmig_json_new("query");
	vmig_json_add_string(query, "token", token);
	vmig_json_add_string(query, "vm", s->m->name);
	vmig_conn_send(s->control, query);
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	struct vmig_source *s = arg;
	const char *outcome = vmig_json_string(msg, "outcome");

	if (strcmp(type, "outcome") || !outcome)
		return;
	vmig_log("migration %u of VM %s: node %s says it is %s", s->id,
		 s->m->name, s->peer->name, outcome);
	if (!strcmp(outcome, "committed")) {
		/* It announces the VM by itself. */
		s->announced = true;
		vmig_source_committed(s);
	} else if (!strcmp(outcome, "aborted")) {
		vmig_source_roll_back(s, "the VM was not resumed there");
	} else {
		ask_later(s);
	}
}

static void on_closed(void *arg, const char *why)
{
	(void)why;
	ask_later(arg);
}

static const struct vmig_conn_ops doubt_ops = {
	.greeted = on_greeted,
	.message = on_message,
	.closed = on_closed,
};

static void ask(struct vmig_source *s)
{
	if (vmig_conn_connect(&s->control, s->daemon->event, s->daemon->config,
			      s->peer, s->daemon->config->tls,
			      vmig_channels_greeting(s, "control"), &doubt_ops,
			      s, NULL))
		ask_later(s);
}

/* vmig_outcome_ask() - The commit was sent, its answer is not known. */
void vmig_outcome_ask(struct vmig_source *s)
{
	vmig_log("migration %u of VM %s: node %s did not say whether it runs the VM, which stays stopped here until it does",
		 s->id, s->m->name, s->peer->name);
	vmig_source_enter(s, VMIG_STEP_DOUBT);
	vmig_conn_close(s->control);
	s->control = NULL;
	ask(s);
}

/* vmig_outcome_refuse() - This node said "aborted" to it, for good. */
void vmig_outcome_refuse(struct vmig_daemon *daemon, const uint8_t *token)
{
	memcpy(daemon->refused[daemon->nrefused++ % VMIG_REFUSED_MAX], token,
	       VMIG_TOKEN_LEN);
}

bool vmig_outcome_refused(struct vmig_daemon *daemon, const uint8_t *token)
{
	unsigned int i;

	for (i = 0; i < daemon->nrefused && i < VMIG_REFUSED_MAX; i++) {
		if (!memcmp(daemon->refused[i], token, VMIG_TOKEN_LEN))
			return true;
	}
	return false;
}

static bool kernel_committed(struct vmig_daemon *daemon, const uint8_t *token)
{
	struct vmig_mig_info *list;
	bool committed = false;
	size_t i, n;

	if (vmig_nl_migration_list(daemon->nl, &list, &n, NULL))
		return false;
	for (i = 0; i < n; i++) {
		if (list[i].role == VMIG_ROLE_DESTINATION &&
		    !memcmp(list[i].token, token, VMIG_TOKEN_LEN) &&
		    list[i].state == VMIG_STATE_DONE)
			committed = true;
	}
	free(list);
	return committed;
}

/* After "aborted" there is no way to commit. */
static enum outcome find_outcome(struct vmig_daemon *daemon, const char *vm,
				 const uint8_t *token)
{
	struct vmig_incoming *in = vmig_incoming_find_token(daemon, token);

	if (in && (in->step == VMIG_IN_HANDOFF || in->step == VMIG_IN_RESUME))
		return OUTCOME_PENDING;
	if (in && in->step == VMIG_IN_NETWORK)
		return OUTCOME_COMMITTED;
	if (in) {
		vmig_incoming_drop(in, "failed",
				   "node %s asked what became of it", in->node);
		return OUTCOME_ABORTED;
	}
	if (kernel_committed(daemon, token) ||
	    vmig_handover_has_arrived(daemon, vm, token))
		return OUTCOME_COMMITTED;
	vmig_outcome_refuse(daemon, token);
	return OUTCOME_ABORTED;
}

/* vmig_outcome_answer() - What became of a migration into this node. */
void vmig_outcome_answer(struct vmig_daemon *daemon, struct vmig_conn *conn,
			 struct json_object *query)
{
	static const char * const names[] = {
		[OUTCOME_ABORTED] = "aborted",
		[OUTCOME_COMMITTED] = "committed",
		[OUTCOME_PENDING] = "pending",
	};
	const char *vm = vmig_json_string(query, "vm");
	uint8_t token[VMIG_TOKEN_LEN];
	struct json_object *msg;
	struct vmig_err err;

	if (!vm || vmig_name_check("VM", vm, &err) ||
	    vmig_token_parse(vmig_json_string(query, "token"), token)) {
		msg = vmig_json_new("refused");
		vmig_json_add_string(msg, "reason",
				     "a query without a VM or a token");
	} else {
		msg = vmig_json_new("outcome");
		vmig_json_add_string(msg, "outcome",
			names[find_outcome(daemon, vm, token)]);
	}
	vmig_conn_send(conn, msg);
}
