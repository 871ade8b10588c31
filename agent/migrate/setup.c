// SPDX-License-Identifier: GPL-2.0
/*
 * How a VM's way out of this node is prepared: the other node is told what is
 * to come, chooses the transport, and this kernel claims the memory.
 *
 * Over TCP the agents connect every channel. Over RDMA they connect the one of
 * the device state, and the kernels connect the others, to the port that the
 * other node tells with "incoming".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/conn.h"
#include "../cluster/message.h"
#include "../cluster/token.h"
#include "../vmm/machine.h"
#include "source.h"
#include "transport.h"

static int offer(struct vmig_source *s, struct json_object *setup)
{
	char text[VMIG_SECRET_TEXT];
	struct vmig_err err;
	int ret;

	s->offered = vmig_transport_offer(&s->preflight, setup, &err);
	if (!s->offered && *err.text)
		snprintf(s->why, sizeof(s->why), "node %s: %s",
			 s->daemon->config->node, err.text);
	if (!s->offered)
		return 0;
	ret = vmig_secret_new(s->secret);
	if (ret)
		return ret;
	vmig_secret_text(s->secret, text);
	vmig_json_add_string(setup, "secret", text);
	explicit_bzero(text, sizeof(text));
	return 0;
}

/* vmig_setup_say() - What is to move, and how. */
void vmig_setup_say(struct vmig_source *s)
{
	struct json_object *setup = vmig_preflight_setup(&s->preflight);
	char token[VMIG_TOKEN_TEXT];
	int ret;

	vmig_token_text(s->token, token);
	vmig_json_add_string(setup, "token", token);
	vmig_json_add_uint(setup, "channels", s->nchannels);
	vmig_json_add_bool(setup, "verify", s->request.verify);
	vmig_json_add_uint(setup, "timeout", s->request.timeout);
	vmig_json_add_uint(setup, "max_blackout", s->request.max_blackout);
	vmig_json_add_uint(setup, "at_timeout", s->request.at_timeout);
	vmig_json_add_uint(setup, "stop_limit", s->request.stop_limit);
	vmig_json_add_bool(setup, "quick", s->request.quick);
	ret = offer(s, setup);
	if (ret) {
		json_object_put(setup);
		vmig_source_fail(s, -ret, "no random numbers: %s",
				 strerror(-ret));
		return;
	}
	vmig_source_enter(s, VMIG_STEP_SETUP);
	vmig_conn_send(s->control, setup);
}

/* TCP needs no reason where nobody wanted RDMA. @why: the other node's. */
static void say_why(struct vmig_source *s, const char *why)
{
	const bool rdma = s->transport == VMIG_TRANSPORT_RDMA;
	const char *here = s->daemon->config->node;

	if (s->preflight.transport == VMIG_REQUEST_TRANSPORT_RDMA &&
	    s->request.has_transport)
		snprintf(s->why, sizeof(s->why), "asked for");
	else if (s->preflight.transport == VMIG_REQUEST_TRANSPORT_RDMA)
		snprintf(s->why, sizeof(s->why), "agent.conf of node %s says so",
			 here);
	else if (s->preflight.transport == VMIG_REQUEST_TRANSPORT_AUTO && rdma)
		snprintf(s->why, sizeof(s->why), "both nodes can");
	else if (s->preflight.transport == VMIG_REQUEST_TRANSPORT_AUTO &&
		 s->offered)
		snprintf(s->why, sizeof(s->why), "node %s: %s", s->peer->name,
			 why);
}

/* Return: 0, or -EPROTO with a sentence if it is not what was offered. */
static int take_choice(struct vmig_source *s, struct json_object *msg,
		       struct vmig_err *err)
{
	const char *chosen = vmig_json_string(msg, "transport");
	const char *why = vmig_json_string(msg, "why");
	const char *node = s->peer->name;
	bool rdma = chosen && !strcmp(chosen,
				      vmig_transport_name(VMIG_TRANSPORT_RDMA));

	if (!chosen)
		why = "its agent is older than this one and knows no RDMA";
	else if (!why)
		why = "it does not say why";
	if (rdma && !s->offered)
		return vmig_err_set(err, EPROTO,
				    "node %s chose RDMA, which it was not offered",
				    node);
	if (!rdma && s->preflight.transport == VMIG_REQUEST_TRANSPORT_RDMA)
		return vmig_err_set(err, EPROTO,
				    "node %s takes no RDMA: %s", node, why);
	s->transport = rdma ? VMIG_TRANSPORT_RDMA : VMIG_TRANSPORT_TCP;
	say_why(s, why);
	return 0;
}

/* vmig_setup_accepted() - The VM is welcome, and the transport is chosen. */
void vmig_setup_accepted(struct vmig_source *s, struct json_object *msg)
{
	struct vmig_err err;

	if (take_choice(s, msg, &err)) {
		vmig_source_fail(s, EPROTO, "%s", err.text);
		return;
	}
	vmig_log("VM %s: node %s accepted it after %u round trips, over %s%s%s",
		 s->m->name, s->peer->name, vmig_conn_turns(s->control),
		 vmig_transport_name(s->transport), *s->why ? ": " : "",
		 s->why);
	s->nsockets = s->transport == VMIG_TRANSPORT_TCP ? s->nchannels : 0;
	vmig_source_enter(s, VMIG_STEP_CHANNELS);
	vmig_channels_connect(s);
}

/* Make this kernel's migration, once all that it needs is there. */
static void claim(struct vmig_source *s)
{
	struct vmig_mig_params params = {
		.vm = s->m->name,
		.node = s->peer->name,
		.role = VMIG_ROLE_SOURCE,
		.transport = s->transport,
		.nsockets = s->nsockets,
		.channels = s->nchannels,
		.local = s->daemon->config->address,
		.remote = s->peer->address,
		.port = s->port,
		.verify = s->request.verify,
		.bandwidth = s->request.bandwidth,
		.max_blackout = s->request.max_blackout,
		.timeout = s->request.timeout,
		.at_timeout = s->request.at_timeout,
		.stop_limit = s->request.stop_limit,
		.quick = s->request.quick,
	};
	struct vmig_err err;
	unsigned int i;
	int ret;

	memcpy(params.token, s->token, sizeof(params.token));
	memcpy(params.secret, s->secret, sizeof(params.secret));
	for (i = 0; i < s->nsockets; i++)
		params.sockets[i] = s->channels[i].fd;
	ret = vmig_nl_migration_new(s->daemon->nl, &params, &s->id, NULL, &err);
	explicit_bzero(params.secret, sizeof(params.secret));
	explicit_bzero(s->secret, sizeof(s->secret));
	if (ret) {
		s->unconnected = true;
		vmig_source_fail(s, -ret, "%s", err.text);
		return;
	}
	vmig_source_enter(s, VMIG_STEP_PREPARE);
	vmig_switchover_prepare(s, s->channels[s->nsockets].fd);
	s->state_fd = s->channels[s->nsockets].fd;
	s->channels[s->nsockets].fd = -1;
	vmig_channels_close(s);
}

/* vmig_setup_connected() - All sockets are. */
void vmig_setup_connected(struct vmig_source *s)
{
	if (s->transport == VMIG_TRANSPORT_TCP || s->incoming)
		claim(s);
}

/* vmig_setup_incoming() - The other kernel waits for the memory. */
void vmig_setup_incoming(struct vmig_source *s, struct json_object *msg)
{
	uint64_t port = vmig_json_uint(msg, "port", 0);

	if (s->incoming)
		return;
	if (s->transport == VMIG_TRANSPORT_RDMA && (!port || port > UINT16_MAX)) {
		vmig_source_fail(s, EPROTO,
				 "node %s does not say where it waits for RDMA",
				 s->peer->name);
		return;
	}
	s->incoming = true;
	s->port = (uint16_t)port;
	if (s->transport == VMIG_TRANSPORT_RDMA &&
	    s->step == VMIG_STEP_CHANNELS && s->connected == s->nsockets + 1)
		claim(s);
	else
		vmig_source_begin(s);
}

/* What the first attempt has left; the VM, who asked, and what for stay. */
static void forget_attempt(struct vmig_source *s)
{
	vmig_preflight_reset(&s->preflight);
	s->preflight.transport = VMIG_REQUEST_TRANSPORT_TCP;
	s->id = 0;
	s->error = 0;
	s->reason[0] = '\0';
	s->busy = false;
	s->connected = 0;
	s->prepared = false;
	s->incoming = false;
	s->ready = false;
	s->started = false;
	s->resumed = false;
	s->unconnected = false;
	memset(&s->parts, 0, sizeof(s->parts));
}

/**
 * vmig_setup_again() - RDMA was one of two ways, and did not connect.
 *
 * No page has left, and the VM runs: begin again, over TCP. Only once, and not
 * if somebody wanted it to end.
 *
 * Return: true if it was begun again.
 */
bool vmig_setup_again(struct vmig_source *s)
{
	if (s->preflight.transport != VMIG_REQUEST_TRANSPORT_AUTO ||
	    s->transport != VMIG_TRANSPORT_RDMA || !s->unconnected ||
	    s->error == ECANCELED || vmig_token_new(s->token))
		return false;
	vmig_log("migration %u of VM %s to node %s: %s; it goes on over tcp",
		 s->id, s->m->name, s->peer->name, s->reason);
	snprintf(s->why, sizeof(s->why), "rdma did not connect: %s", s->reason);
	forget_attempt(s);
	vmig_source_enter(s, VMIG_STEP_CHECK);
	vmig_commit_begin(s);
	return true;
}
