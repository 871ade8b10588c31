// SPDX-License-Identifier: GPL-2.0
/*
 * How a migration into this node begins: a peer connects, says what it wants,
 * and brings channels. Nothing that it says is believed unseen.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../cluster/token.h"
#include "../vmm/machine.h"
#include "../vmm/types.h"
#include "destination.h"
#include "preflight.h"
#include "secure.h"
#include "transport.h"

/* Four times what QEMU's start takes in an emulated, busy host. */
#define PREPARE_LIMIT_US (60 * 1000 * 1000ULL)
#define RETRY_US	 (100 * 1000ULL)

/* What of the source's offer this node takes. */
static int choose_transport(struct vmig_incoming *in, struct json_object *msg,
			    struct vmig_err *err)
{
	const char *secret = vmig_json_string(msg, "secret");
	enum vmig_transport *transport = &in->params.transport;
	struct vmig_err said;
	int ret;

	ret = vmig_transport_choose(in->daemon, msg, transport, &said);
	if (ret)
		return vmig_err_set(err, -ret, "%s", said.text);
	snprintf(in->why, sizeof(in->why), "%s", said.text);
	in->nsockets = *transport == VMIG_TRANSPORT_TCP ? in->nchannels : 0;
	if (*transport == VMIG_TRANSPORT_RDMA &&
	    vmig_secret_parse(secret, in->params.secret))
		return vmig_err_set(err, EPROTO,
				    "the setup message lacks the secret for RDMA");
	return 0;
}

static int read_setup(struct vmig_incoming *in, struct json_object *msg,
		      bool *busy, struct vmig_err *err)
{
	const char *definition = vmig_json_string(msg, "definition");
	const char *vm = vmig_json_string(msg, "vm");
	char source[VMIG_NAME_MAX + 16];
	struct json_object *addresses;
	struct vmig_preflight p;
	int ret;

	in->nchannels = (unsigned int)vmig_json_uint(msg, "channels", 0);
	in->params.verify = vmig_json_uint(msg, "verify", 0);
	in->params.timeout = (uint32_t)vmig_json_uint(msg, "timeout", 0);
	in->params.max_blackout = (uint32_t)vmig_json_uint(msg, "max_blackout",
							   0);
	in->params.at_timeout = vmig_json_uint(msg, "at_timeout", 0) ?
		VMIG_TIMEOUT_ACTION_SWITCH_OVER : VMIG_TIMEOUT_ACTION_CANCEL;
	in->params.stop_limit = (uint32_t)vmig_json_uint(msg, "stop_limit", 0);
	in->params.quick = vmig_json_uint(msg, "quick", 0);
	if (!definition || !vm ||
	    vmig_token_parse(vmig_json_string(msg, "token"), in->token) ||
	    in->nchannels < 1 || in->nchannels > VMIG_CHANNELS_MAX)
		return vmig_err_set(err, EPROTO,
				    "the setup message lacks something");
	if (vmig_outcome_refused(in->daemon, in->token))
		return vmig_err_set(err, ESTALE,
				    "this migration has failed already");
	snprintf(source, sizeof(source), "node %s", in->node);
	ret = vmig_machine_arrive(&in->m, in->daemon, definition, source, err);
	if (ret)
		return ret;
	vmig_machine_use(in->m, &vmig_incoming_machine_ops, in);
	if (strcmp(in->m->name, vm))
		return vmig_err_set(err, EPROTO,
				    "the definition of VM %s came for VM %s",
				    in->m->name, vm);
	if (json_object_object_get_ex(msg, "addresses", &addresses) &&
	    vmig_learned_decode(addresses, in->m->def))
		return vmig_err_set(err, EPROTO,
				    "the addresses of VM %s are not addresses of its NICs",
				    vm);
	vmig_preflight_init(&p, in->daemon, in->m, in->node, false);
	vmig_preflight_destination(&p, msg);
	vmig_preflight_exit(&p);
	*busy = p.busy;
	return p.error ? vmig_err_set(err, p.error, "%s", p.reason) :
	       choose_transport(in, msg, err);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_incoming *in = arg;

	(void)source;
	(void)usec;
	vmig_incoming_drop(in, "failed", in->step == VMIG_IN_PREPARE ?
			   "the channels were not connected within %llu s" :
			   "QEMU did not start within %llu s",
			   (unsigned long long)PREPARE_LIMIT_US / 1000000);
	return 0;
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

/* It left, or its arrival failed: what is left of it here is on its way out. */
static bool is_going(const struct vmig_machine *m)
{
	return m->ended && !m->owned;
}

/*
 * A VM that just left and comes back, or whose source tries again, may meet its
 * own QEMU, which still has to die; and a new QEMU has to tell which machines it
 * knows. The source's time limit ends it if that takes too long.
 */
static bool put_off(struct vmig_incoming *in, struct json_object *msg)
{
	const char *vm = vmig_json_string(msg, "vm");
	struct vmig_machine *m = vm ? vmig_machine_find(in->daemon, vm) : NULL;

	if ((!m || !is_going(m)) &&
	    vmig_types_ready(in->daemon->types))
		return false;
	if (!in->setup)
		in->setup = json_object_get(msg);
	sd_event_source_disable_unref(in->limit);
	in->limit = NULL;
	sd_event_add_time_relative(in->daemon->event, &in->limit,
				   CLOCK_MONOTONIC, RETRY_US, 0, on_retry, in);
	return true;
}

/* vmig_incoming_refuse() - @busy: it may be worth waiting. */
void vmig_incoming_refuse(struct vmig_incoming *in, bool busy,
			  const struct vmig_err *why)
{
	struct json_object *msg = vmig_json_new("refused");

	vmig_log("VM of node %s refused: %s", in->node, why->text);
	vmig_json_add_string(msg, "reason", why->text);
	vmig_json_add_bool(msg, "busy", busy);
	vmig_conn_send(in->control, msg);
	vmig_incoming_destroy(in);
}

static void say_accepted(struct vmig_incoming *in)
{
	struct json_object *msg = vmig_json_new("accepted");

	vmig_json_add_string(msg, "transport",
			     vmig_transport_name(in->params.transport));
	vmig_json_add_string(msg, "why", in->why);
	vmig_conn_send(in->control, msg);
}

/* vmig_incoming_admit() - It is welcome. */
void vmig_incoming_admit(struct vmig_incoming *in)
{
	struct vmig_err err;

	in->step = VMIG_IN_PREPARE;
	sd_event_source_disable_unref(in->limit);
	in->limit = NULL;
	sd_event_add_time_relative(in->daemon->event, &in->limit,
				   CLOCK_MONOTONIC, PREPARE_LIMIT_US, 0,
				   on_limit, in);
	say_accepted(in);
	if (vmig_machine_start(in->m, true, &err))
		vmig_incoming_drop(in, "failed", "%s", err.text);
}

static void handle_setup(struct vmig_incoming *in, struct json_object *msg)
{
	struct vmig_err err;
	bool busy = false;

	if (put_off(in, msg))
		return;
	if (read_setup(in, msg, &busy, &err))
		vmig_incoming_refuse(in, busy, &err);
	else if (vmig_ownership_is_used(in->m))
		vmig_handoff_check(in);
	else
		vmig_incoming_admit(in);
}

static void on_message(void *arg, const char *type, struct json_object *msg)
{
	struct vmig_incoming *in = arg;
	const char *reason = vmig_json_string(msg, "reason");

	if (!strcmp(type, "setup") && in->step == VMIG_IN_VISIT)
		handle_setup(in, msg);
	else if (!strcmp(type, "query") && in->step == VMIG_IN_VISIT)
		vmig_outcome_answer(in->daemon, in->control, msg);
	else if (!strcmp(type, "commit"))
		vmig_incoming_commit(in, msg);
	else if (!strcmp(type, "abort") && in->m && in->step < VMIG_IN_HANDOFF)
		vmig_incoming_drop(in, "failed", "node %s: %s", in->node,
				   reason ? reason : "it gave no reason");
}

static void on_closed(void *arg, const char *why)
{
	struct vmig_incoming *in = arg;

	vmig_conn_close(in->control);
	in->control = NULL;
	if (in->step == VMIG_IN_VISIT)
		vmig_incoming_destroy(in);
	else if (in->step < VMIG_IN_HANDOFF)
		vmig_incoming_drop(in, "failed", "node %s: %s", in->node, why);
}

static const struct vmig_conn_ops control_ops = {
	.message = on_message,
	.closed = on_closed,
};

/* Its greeting is answered only now: until here it may be a stranger's. */
static int take_channel(struct vmig_incoming *in, struct vmig_conn *conn,
			const struct vmig_secure *secure, struct vmig_err *err)
{
	struct json_object *answer = vmig_json_new(NULL);
	int fd;

	vmig_json_add_uint(answer, "vmig", 1);
	vmig_json_add_uint(answer, "version", VMIG_PROTOCOL_VERSION);
	vmig_conn_send(conn, answer);
	vmig_listener_welcome(in->daemon->listener, conn);
	fd = vmig_conn_take(conn);
	in->fds[secure->index] = fd;
	if (fd < 0)
		return vmig_err_set(err, -fd, "it is unusable");
	return vmig_secure_socket(secure, fd, false, err);
}

static void add_channel(struct vmig_daemon *daemon, struct vmig_conn *conn,
			const char *node, struct json_object *greeting)
{
	unsigned int index = (unsigned int)vmig_json_uint(greeting, "index",
							  VMIG_CHANNELS_MAX);
	struct vmig_secure secure = { .index = index };
	struct vmig_incoming *in = NULL;
	uint8_t token[VMIG_TOKEN_LEN];
	struct vmig_err err;

	if (!vmig_token_parse(vmig_json_string(greeting, "token"), token))
		in = vmig_incoming_find_token(daemon, token);
	secure.control = in ? in->control : NULL;
	secure.token = token;
	if (!in || in->step != VMIG_IN_PREPARE || strcmp(in->node, node) ||
	    index > in->nsockets || in->fds[index] >= 0 || !in->control ||
	    !vmig_secure_check(&secure, greeting)) {
		vmig_listener_refuse(daemon->listener, conn,
				     VMIG_REFUSED_CHANNEL,
				     "a channel of no migration, or of one that has it already");
		return;
	}
	if (take_channel(in, conn, &secure, &err)) {
		vmig_incoming_drop(in, "failed", "channel %u from node %s: %s",
				   index, node, err.text);
		return;
	}
	in->connected++;
	vmig_incoming_start(in);
}

/* vmig_incoming_accept() - Another agent wants to migrate; see vmig_accepted_fn. */
void vmig_incoming_accept(struct vmig_daemon *daemon, struct vmig_conn *conn,
			  const struct vmig_hello *theirs, const char *kind,
			  struct json_object *greeting)
{
	struct vmig_incoming *in;

	if (strcmp(kind, "control")) {
		add_channel(daemon, conn, theirs->node, greeting);
		return;
	}
	in = vmig_incoming_create(daemon, theirs->node);
	in->control = conn;
	vmig_conn_set_ops(conn, &control_ops, in);
	vmig_conn_heartbeat(conn);
}
