// SPDX-License-Identifier: GPL-2.0
/* What carries the memory of a migration, and why. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "preflight.h"
#include "transport.h"

int vmig_transport_rdma(struct vmig_daemon *daemon, struct vmig_err *said)
{
	const struct vmig_config *config = daemon->config;
	struct vmig_link_info info;
	struct vmig_err err;
	int ret;

	/* Where nothing is encrypted there is nothing to lose. */
	if (config->tls && !config->trusted_network)
		return vmig_err_set(said, EPERM,
				    "RDMA sends guest memory unencrypted, and agent.conf of node %s does not declare the migration network trusted: trusted-network = yes in [cluster], or --transport tcp",
				    config->node);
	ret = vmig_nl_transport_get(daemon->nl, VMIG_TRANSPORT_RDMA,
				    config->address, &info, &err);
	if (ret)
		return vmig_err_set(said, -ret, "%s", err.text);
	return vmig_err_set(said, 0, "%s", info.device);
}

static void add_name(struct json_object *list, enum vmig_transport transport)
{
	json_object_array_add(list, json_object_new_string(
		vmig_transport_name(transport)));
}

bool vmig_transport_offer(const struct vmig_preflight *p,
			  struct json_object *setup, struct vmig_err *said)
{
	struct json_object *list = json_object_new_array();
	bool rdma = false;

	said->text[0] = '\0';
	if (p->transport != VMIG_REQUEST_TRANSPORT_TCP)
		rdma = !vmig_transport_rdma(p->daemon, said);
	if (rdma)
		add_name(list, VMIG_TRANSPORT_RDMA);
	if (p->transport != VMIG_REQUEST_TRANSPORT_RDMA)
		add_name(list, VMIG_TRANSPORT_TCP);
	json_object_object_add(setup, "transports", list);
	return rdma;
}

static bool is_offered(struct json_object *list, enum vmig_transport transport)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (json_object_is_type(o, json_type_string) &&
		    !strcmp(json_object_get_string(o),
			    vmig_transport_name(transport)))
			return true;
	}
	return false;
}

int vmig_transport_choose(struct vmig_daemon *daemon, struct json_object *setup,
			  enum vmig_transport *transport,
			  struct vmig_err *said)
{
	struct json_object *list;
	int ret = 0;

	said->text[0] = '\0';
	*transport = VMIG_TRANSPORT_TCP;
	if (!json_object_object_get_ex(setup, "transports", &list))
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return vmig_err_set(said, EPROTO,
				    "the transports in the setup are no list");
	if (is_offered(list, VMIG_TRANSPORT_RDMA)) {
		ret = vmig_transport_rdma(daemon, said);
		if (!ret)
			*transport = VMIG_TRANSPORT_RDMA;
		if (!ret || !is_offered(list, VMIG_TRANSPORT_TCP))
			return ret;
	}
	if (is_offered(list, VMIG_TRANSPORT_TCP))
		return 0;
	return vmig_err_set(said, EOPNOTSUPP,
			    "none of the transports in the setup is known here: the agents are of different versions");
}

/* A line that is well: "rdma, device rxe0" or "tcp: no device has ...". */
static int pass(enum vmig_transport transport, struct vmig_err *said)
{
	const char *name = vmig_transport_name(transport);

	if (transport == VMIG_TRANSPORT_RDMA)
		vmig_err_prefix(said, "%s, device ", name);
	else if (*said->text)
		vmig_err_prefix(said, "%s: ", name);
	else
		vmig_err_set(said, 0, "%s", name);
	return 0;
}

int vmig_check_transport_offer(struct vmig_preflight *p, struct vmig_err *said)
{
	int ret;

	if (p->transport == VMIG_REQUEST_TRANSPORT_TCP)
		return pass(VMIG_TRANSPORT_TCP, said);
	ret = vmig_transport_rdma(p->daemon, said);
	if (!ret)
		return pass(VMIG_TRANSPORT_RDMA, said);
	return p->transport == VMIG_REQUEST_TRANSPORT_RDMA ? ret :
	       pass(VMIG_TRANSPORT_TCP, said);
}

int vmig_check_transport_choice(struct vmig_preflight *p,
				struct vmig_err *said)
{
	enum vmig_transport transport;
	int ret = vmig_transport_choose(p->daemon, p->msg, &transport, said);

	return ret ? ret : pass(transport, said);
}

/* Has the peer sent a line of this name? */
static bool has_line(const struct vmig_preflight *p, const char *name)
{
	size_t i;

	for (i = 0; i < json_object_array_length(p->list); i++) {
		struct json_object *o = json_object_array_get_idx(p->list, i);

		if (!strcmp(vmig_json_string(o, "name"), name) &&
		    !strcmp(vmig_json_string(o, "node"), p->peer))
			return true;
	}
	return false;
}

void vmig_transport_check_peer(struct vmig_preflight *p)
{
	struct vmig_err err;

	/* The slot is the last that is checked: it got so far. */
	if (p->transport != VMIG_REQUEST_TRANSPORT_RDMA ||
	    !has_line(p, "slot") || has_line(p, "transport"))
		return;
	vmig_preflight_add(p, "transport",
			   vmig_err_set(&err, EOPNOTSUPP,
					"the agent of node %s is older than this one and knows no RDMA",
					p->peer), err.text);
}
