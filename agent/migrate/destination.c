// SPDX-License-Identifier: GPL-2.0
/*
 * A VM on its way into this node: the steps, and the one way to fail.
 *
 * Up to STEP_LOADED every trouble ends in drop(), which removes all that came.
 * Entering stage RESUME in the kernel is the commit: from then on the VM is
 * this node's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../cluster/token.h"
#include "../net/net.h"
#include "../vmm/machine.h"
#include "destination.h"

/* Four times what QEMU's start takes in an emulated, busy host. */
#define PREPARE_LIMIT_US (60 * 1000 * 1000ULL)
#define RETRY_US	 (100 * 1000ULL)

enum step {
	STEP_VISIT,	/* a peer is connected and has not said what for */
	STEP_PREPARE,	/* channels are made, QEMU starts */
	STEP_INCOMING,	/* memory arrives, QEMU may still start */
	STEP_LOADED,	/* all is here; the source decides */
	STEP_RESUME,	/* committed; QEMU was told to continue */
	STEP_NETWORK,	/* the VM runs; the network is told */
	STEP_DROP,	/* failed; QEMU is being killed */
};

/**
 * struct vmig_incoming - one migration, from the peer's first word
 * @m: the VM; NULL in STEP_VISIT. Its ops are ours.
 * @setup: put off until an earlier QEMU of the VM has died; or NULL
 * @fds: @nchannels data channels and the state connection, -1 while missing
 * @id: in the kernel, 0 before STEP_INCOMING
 * @answered: QEMU is up; @receptive: ... and waits for the device state
 * @ready: the kernel has all memory, and it is right
 * @loaded: QEMU has read the device state
 */
struct vmig_incoming {
	LIST_ENTRY(vmig_incoming) entry;
	struct vmig_daemon *daemon;
	struct vmig_machine *m;
	struct json_object *setup;
	struct vmig_conn *control;
	char node[VMIG_NAME_MAX + 1];
	uint8_t token[VMIG_TOKEN_LEN];
	enum step step;
	sd_event_source *limit;
	uint32_t id;

	int fds[VMIG_CHANNELS_MAX + 1];
	unsigned int nchannels;
	unsigned int connected;
	struct vmig_mig_params params;
	bool answered;
	bool receptive;
	bool ready;
	bool loaded;
};

static void destroy(struct vmig_incoming *in)
{
	unsigned int i;

	LIST_REMOVE(in, entry);
	sd_event_source_disable_unref(in->limit);
	vmig_conn_close(in->control);
	json_object_put(in->setup);
	for (i = 0; i <= VMIG_CHANNELS_MAX; i++) {
		if (in->fds[i] >= 0)
			close(in->fds[i]);
	}
	if (in->m) {
		vmig_machine_use(in->m, NULL, NULL);
		if (in->m->qmp)
			vmig_qmp_forget(in->m->qmp, in);
		if (in->m->pidfd < 0) {
			vmig_machine_clean(in->m);
			if (!in->m->owned)
				vmig_machine_free(in->m);
		}
	}
	free(in);
}

static void say(struct vmig_incoming *in, const char *type, const char *reason)
{
	struct json_object *msg;

	if (!in->control)
		return;
	msg = vmig_json_new(type);
	if (reason)
		vmig_json_add_string(msg, "reason", reason);
	vmig_conn_send(in->control, msg);
}

static void remember_refusal(struct vmig_daemon *daemon, const uint8_t *token)
{
	memcpy(daemon->refused[daemon->nrefused++ % VMIG_REFUSED_MAX], token,
	       VMIG_TOKEN_LEN);
}

static bool was_refused(struct vmig_daemon *daemon, const uint8_t *token)
{
	unsigned int i;

	for (i = 0; i < daemon->nrefused && i < VMIG_REFUSED_MAX; i++) {
		if (!memcmp(daemon->refused[i], token, VMIG_TOKEN_LEN))
			return true;
	}
	return false;
}

static void drop(struct vmig_incoming *in, const char *type, const char *fmt,
		 ...) __attribute__((format(printf, 3, 4)));

/*
 * The one way to fail. The kernel ends first: without it nothing here can
 * commit any more. @type is how the source is told. @in may be gone then.
 */
static void drop(struct vmig_incoming *in, const char *type, const char *fmt,
		 ...)
{
	char reason[VMIG_TEXT_MAX + 1];
	struct vmig_err err;
	va_list ap;

	if (in->step == STEP_DROP)
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	in->step = STEP_DROP;
	in->limit = sd_event_source_disable_unref(in->limit);
	vmig_log("incoming VM %s from node %s dropped: %s",
		 in->m ? in->m->name : "?", in->node, reason);
	if (in->id && vmig_nl_migration_fail(in->daemon->nl, in->id, EIO,
					     reason, &err) == -EBUSY)
		vmig_log("migration %u: %s", in->id, err.text);
	remember_refusal(in->daemon, in->token);
	say(in, type, reason);
	if (in->m && in->m->pidfd >= 0)
		vmig_machine_kill(in->m);
	else
		destroy(in);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_incoming *in = arg;

	(void)source;
	(void)usec;
	drop(in, "failed", in->step == STEP_PREPARE ?
	     "the channels were not connected within %llu s" :
	     "QEMU did not start within %llu s",
	     (unsigned long long)PREPARE_LIMIT_US / 1000000);
	return 0;
}

static void on_qmp(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;

	(void)ret;
	if (why)
		drop(in, "failed", "QEMU of VM %s: %s", in->m->name, why);
}

static void on_receptive(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;

	on_qmp(in, ret, why);
	if (why)
		return;
	in->receptive = true;
	in->limit = sd_event_source_disable_unref(in->limit);
	say(in, "ready", NULL);
}

/* QEMU is up and the state connection is made. */
static void prepare_qemu(struct vmig_incoming *in)
{
	/*
	 * late-block-activate: images are locked at `cont` and not when the
	 * state was read, so that the source can take back what it inactivated.
	 */
	static const char * const names[] = {
		"events", "x-ignore-shared", "late-block-activate",
	};
	struct json_object *args, *list;
	unsigned int i;

	if (in->step != STEP_INCOMING || !in->answered)
		return;
	args = vmig_json_new(NULL);
	list = json_object_new_array();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct json_object *o = vmig_json_new(NULL);

		vmig_json_add_string(o, "capability", names[i]);
		vmig_json_add_bool(o, "state", true);
		json_object_array_add(list, o);
	}
	json_object_object_add(args, "capabilities", list);
	vmig_qmp_call(in->m->qmp, "migrate-set-capabilities", args, on_qmp, in);
	vmig_qmp_send_fd(in->m->qmp, "vmig-state", in->fds[in->nchannels],
			 on_qmp, in);
	args = vmig_json_new(NULL);
	vmig_json_add_string(args, "uri", "fd:vmig-state");
	vmig_qmp_call(in->m->qmp, "migrate-incoming", args, on_receptive, in);
	close(in->fds[in->nchannels]);
	in->fds[in->nchannels] = -1;
}

/*
 * All connections are there: let the memory come. QEMU starts meanwhile; with
 * x-ignore-shared it must not touch memory that is another QEMU's until then.
 */
static void start_incoming(struct vmig_incoming *in)
{
	struct vmig_err err;
	unsigned int i;

	if (in->step != STEP_PREPARE || in->connected != in->nchannels + 1)
		return;
	in->params.vm = in->m->name;
	in->params.node = in->node;
	in->params.role = VMIG_ROLE_DESTINATION;
	memcpy(in->params.token, in->token, sizeof(in->params.token));
	memcpy(in->params.sockets, in->fds,
	       in->nchannels * sizeof(in->fds[0]));
	in->params.nsockets = in->nchannels;
	if (vmig_nl_migration_new(in->daemon->nl, &in->params, &in->id, &err) ||
	    vmig_nl_migration_start(in->daemon->nl, in->id, &err)) {
		drop(in, "failed", "%s", err.text);
		return;
	}
	for (i = 0; i < in->nchannels; i++) {
		close(in->fds[i]);
		in->fds[i] = -1;
	}
	in->step = STEP_INCOMING;
	say(in, "incoming", NULL);
	prepare_qemu(in);
}

static void on_announced(void *arg, int error, const struct vmig_err *err)
{
	struct vmig_incoming *in = arg;
	struct vmig_err why;

	in->m->announce = NULL;
	if (error)
		vmig_log("VM %s: %s", in->m->name, err->text);
	if (vmig_nl_migration_done(in->daemon->nl, in->id, 0, &why))
		vmig_log("migration %u: %s", in->id, why.text);
	vmig_log("VM %s from node %s runs here", in->m->name, in->node);
	say(in, "announced", NULL);
	destroy(in);
}

static void announce(struct vmig_incoming *in)
{
	struct vmig_err err;

	in->step = STEP_NETWORK;
	in->m->running = true;
	in->m->incoming = false;
	say(in, "committed", NULL);
	if (vmig_nl_migration_stage(in->daemon->nl, in->id, VMIG_STAGE_NETWORK,
				    0, &err))
		vmig_log("migration %u: %s", in->id, err.text);
	if (vmig_announce_start(in->daemon->event, in->m->def, on_announced, in,
				&in->m->announce, &err))
		on_announced(in, -EIO, &err);
}

static void on_status(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;

	if (!why && !vmig_json_uint(ret, "running", 0)) {
		/*
		 * QEMU refused, so the VM has not run: it is the source's
		 * again, which must learn it from this very word.
		 */
		vmig_store_disown(in->m);
		drop(in, "aborted", "QEMU of VM %s did not resume it",
		     in->m->name);
		return;
	}
	/* It runs, or nobody can say that it does not. */
	announce(in);
}

static void on_resumed(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_incoming *in = arg;

	(void)ret;
	if (!why) {
		announce(in);
		return;
	}
	vmig_log("VM %s: cont: %s", in->m->name, why);
	vmig_qmp_call(in->m->qmp, "query-status", NULL, on_status, in);
}

static void resume(struct vmig_incoming *in)
{
	struct vmig_err err;

	in->step = STEP_RESUME;
	if (vmig_machine_taps_up(in->m, &err))
		vmig_log("VM %s: %s", in->m->name, err.text);
	vmig_qmp_call(in->m->qmp, "cont", NULL, on_resumed, in);
}

/* The source gave the VM away. First the records, then the VM. */
static void commit(struct vmig_incoming *in)
{
	struct vmig_err err;

	if (in->step != STEP_LOADED)
		return;
	if (vmig_nl_migration_stage(in->daemon->nl, in->id, VMIG_STAGE_RESUME,
				    0, &err) ||
	    vmig_store_own(in->m, in->token, &err)) {
		vmig_store_disown(in->m);
		drop(in, "aborted", "%s", err.text);
		return;
	}
	resume(in);
}

static void check_loaded(struct vmig_incoming *in)
{
	if (in->step != STEP_INCOMING || !in->ready || !in->loaded)
		return;
	in->step = STEP_LOADED;
	say(in, "loaded", NULL);
}

static void on_event(void *arg, const char *name, struct json_object *data)
{
	struct vmig_incoming *in = arg;
	const char *status;

	if (strcmp(name, "MIGRATION"))
		return;
	status = vmig_json_string(data, "status");
	if (status && !strcmp(status, "completed")) {
		in->loaded = true;
		check_loaded(in);
	}
}

static void on_ready(void *arg)
{
	struct vmig_incoming *in = arg;

	in->answered = true;
	prepare_qemu(in);
}

static void on_died(void *arg, const char *why)
{
	struct vmig_incoming *in = arg;

	switch (in->step) {
	case STEP_DROP:
		destroy(in);
		break;
	case STEP_RESUME:
	case STEP_NETWORK:
		/* It was this node's VM that died. */
		vmig_announce_stop(in->m->announce);
		in->m->announce = NULL;
		say(in, "committed", NULL);
		vmig_nl_migration_done(in->daemon->nl, in->id, 0, NULL);
		destroy(in);
		break;
	default:
		drop(in, "failed", "%s", why);
	}
}

static const struct vmig_machine_ops machine_ops = {
	.event = on_event,
	.ready = on_ready,
	.died = on_died,
};

static int read_setup(struct vmig_incoming *in, struct json_object *msg,
		      struct vmig_err *err)
{
	const char *definition = vmig_json_string(msg, "definition");
	const char *vm = vmig_json_string(msg, "vm");
	char source[VMIG_NAME_MAX + 16];
	int ret;

	in->nchannels = (unsigned int)vmig_json_uint(msg, "channels", 0);
	in->params.verify = vmig_json_uint(msg, "verify", 0);
	in->params.timeout = (uint32_t)vmig_json_uint(msg, "timeout", 0);
	in->params.max_blackout = (uint32_t)vmig_json_uint(msg, "max_blackout",
							   0);
	if (!definition || !vm ||
	    vmig_token_parse(vmig_json_string(msg, "token"), in->token) ||
	    in->nchannels < 1 || in->nchannels > VMIG_CHANNELS_MAX)
		return vmig_err_set(err, EPROTO,
				    "the setup message lacks something");
	if (was_refused(in->daemon, in->token))
		return vmig_err_set(err, ESTALE,
				    "this migration has failed already");
	snprintf(source, sizeof(source), "node %s", in->node);
	ret = vmig_machine_new(&in->m, in->daemon, definition, source, err);
	if (ret)
		return ret;
	vmig_machine_use(in->m, &machine_ops, in);
	if (strcmp(in->m->name, vm))
		return vmig_err_set(err, EPROTO,
				    "the definition of VM %s came for VM %s",
				    in->m->name, vm);
	return vmig_preflight_destination(in->daemon, in->m->def, err);
}

static void handle_setup(struct vmig_incoming *in, struct json_object *msg);

static int on_retry(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_incoming *in = arg;
	struct json_object *setup = in->setup;

	(void)source;
	(void)usec;
	in->setup = NULL;
	handle_setup(in, setup);
	json_object_put(setup);
	return 0;
}

/*
 * A VM that just left and comes back may meet its own QEMU, which still has
 * to die. The source's time limit ends it if that takes too long.
 */
static bool put_off(struct vmig_incoming *in, struct json_object *msg)
{
	const char *vm = vmig_json_string(msg, "vm");
	struct vmig_machine *m = vm ? vmig_machine_find(in->daemon, vm) : NULL;

	if (!m || !vmig_machine_is_leaving(m))
		return false;
	if (!in->setup)
		in->setup = json_object_get(msg);
	sd_event_source_disable_unref(in->limit);
	in->limit = NULL;
	sd_event_add_time_relative(in->daemon->event, &in->limit,
				   CLOCK_MONOTONIC, RETRY_US, 0, on_retry, in);
	return true;
}

static void handle_setup(struct vmig_incoming *in, struct json_object *msg)
{
	struct vmig_err err;
	int ret;

	if (put_off(in, msg))
		return;
	ret = read_setup(in, msg, &err);
	if (ret) {
		vmig_log("VM of node %s refused: %s", in->node, err.text);
		say(in, "refused", err.text);
		destroy(in);
		return;
	}
	in->step = STEP_PREPARE;
	sd_event_source_disable_unref(in->limit);
	in->limit = NULL;
	sd_event_add_time_relative(in->daemon->event, &in->limit,
				   CLOCK_MONOTONIC, PREPARE_LIMIT_US, 0,
				   on_limit, in);
	say(in, "accepted", NULL);
	if (vmig_machine_start(in->m, true, &err))
		drop(in, "failed", "%s", err.text);
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	struct vmig_incoming *in = arg;
	const char *reason = vmig_json_string(msg, "reason");

	if (!strcmp(type, "setup") && in->step == STEP_VISIT)
		handle_setup(in, msg);
	else if (!strcmp(type, "query") && in->step == STEP_VISIT)
		vmig_outcome_answer(in->daemon, in->control, msg);
	else if (!strcmp(type, "commit"))
		commit(in);
	else if (!strcmp(type, "abort") && in->m && in->step < STEP_RESUME)
		drop(in, "failed", "node %s: %s", in->node,
		     reason ? reason : "it gave no reason");
}

static void on_closed(void *arg, const char *why)
{
	struct vmig_incoming *in = arg;

	vmig_conn_close(in->control);
	in->control = NULL;
	if (in->step == STEP_VISIT)
		destroy(in);
	else if (in->step < STEP_RESUME)
		drop(in, "failed", "node %s: %s", in->node, why);
}

static const struct vmig_conn_ops control_ops = {
	.message = on_message,
	.closed = on_closed,
};

static struct vmig_incoming *create(struct vmig_daemon *daemon,
				    const char *node)
{
	struct vmig_incoming *in = calloc(1, sizeof(*in));
	unsigned int i;

	if (!in)
		abort();	/* a daemon without memory is restarted */
	in->daemon = daemon;
	snprintf(in->node, sizeof(in->node), "%s", node);
	for (i = 0; i <= VMIG_CHANNELS_MAX; i++)
		in->fds[i] = -1;
	LIST_INSERT_HEAD(&daemon->incomings, in, entry);
	return in;
}

static struct vmig_incoming *find_token(struct vmig_daemon *daemon,
					const uint8_t *token)
{
	struct vmig_incoming *in;

	LIST_FOREACH(in, &daemon->incomings, entry) {
		if (in->step != STEP_VISIT &&
		    !memcmp(in->token, token, VMIG_TOKEN_LEN))
			return in;
	}
	return NULL;
}

static void add_channel(struct vmig_daemon *daemon, struct vmig_conn *conn,
			const char *node, struct json_object *greeting)
{
	unsigned int index = (unsigned int)vmig_json_uint(greeting, "index",
							  VMIG_CHANNELS_MAX);
	struct vmig_incoming *in = NULL;
	uint8_t token[VMIG_TOKEN_LEN];

	if (!vmig_token_parse(vmig_json_string(greeting, "token"), token))
		in = find_token(daemon, token);
	if (!in || in->step != STEP_PREPARE || strcmp(in->node, node) ||
	    index > in->nchannels || in->fds[index] >= 0) {
		vmig_log("node %s: a channel of no migration refused", node);
		vmig_conn_close(conn);
		return;
	}
	in->fds[index] = vmig_conn_take(conn);
	if (in->fds[index] < 0) {
		drop(in, "failed", "channel %u from node %s is unusable", index,
		     node);
		return;
	}
	in->connected++;
	start_incoming(in);
}

/* vmig_incoming_accept() - Another agent connected; see vmig_accepted_fn. */
void vmig_incoming_accept(void *arg, struct vmig_conn *conn,
			  const struct vmig_hello *theirs, const char *kind,
			  struct json_object *greeting)
{
	struct vmig_incoming *in;

	if (strcmp(kind, "control")) {
		add_channel(arg, conn, theirs->node, greeting);
		return;
	}
	in = create(arg, theirs->node);
	in->control = conn;
	vmig_conn_set_ops(conn, &control_ops, in);
	vmig_conn_heartbeat(conn);
}

struct vmig_incoming *vmig_incoming_find(struct vmig_daemon *daemon,
					 uint32_t id)
{
	struct vmig_incoming *in;

	LIST_FOREACH(in, &daemon->incomings, entry) {
		if (in->id == id)
			return in;
	}
	return NULL;
}

/* vmig_incoming_notify() - The kernel changed something about @in->id. */
void vmig_incoming_notify(struct vmig_incoming *in,
			  const struct vmig_mig_info *info)
{
	if (in->step >= STEP_RESUME)
		return;
	if (vmig_state_is_terminal(info->state)) {
		drop(in, "failed", "%s", info->reason);
	} else if (info->state == VMIG_STATE_READY) {
		in->ready = true;
		check_loaded(in);
	}
}

/*
 * vmig_incoming_recover() - An earlier daemon committed and may not have
 * resumed the VM.
 */
void vmig_incoming_recover(struct vmig_daemon *daemon, struct vmig_machine *m,
			   const struct vmig_mig_info *info)
{
	struct vmig_incoming *in = create(daemon, info->node);
	struct vmig_err err;

	in->id = info->id;
	memcpy(in->token, info->token, sizeof(in->token));
	in->m = m;
	m->incoming = true;
	vmig_machine_use(m, &machine_ops, in);
	if (vmig_store_own(m, in->token, &err))
		vmig_log("VM %s: %s", m->name, err.text);
	if (m->pidfd < 0) {
		in->step = STEP_RESUME;
		on_died(in, "QEMU is gone");
	} else {
		resume(in);
	}
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

/* vmig_incoming_outcome() - After "aborted" there is no way to commit. */
enum vmig_outcome vmig_incoming_outcome(struct vmig_daemon *daemon,
					const char *vm, const uint8_t *token)
{
	struct vmig_incoming *in = find_token(daemon, token);

	if (in && in->step == STEP_RESUME)
		return VMIG_OUTCOME_PENDING;
	if (in && in->step == STEP_NETWORK)
		return VMIG_OUTCOME_COMMITTED;
	if (in) {
		drop(in, "failed", "node %s asked what became of it", in->node);
		return VMIG_OUTCOME_ABORTED;
	}
	if (kernel_committed(daemon, token) ||
	    vmig_store_arrived(daemon, vm, token))
		return VMIG_OUTCOME_COMMITTED;
	remember_refusal(daemon, token);
	return VMIG_OUTCOME_ABORTED;
}
