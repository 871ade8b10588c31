// SPDX-License-Identifier: GPL-2.0
/* What the other node's greeting tells: is it that node, and can the VM go there? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/handshake.h"
#include "../cluster/message.h"
#include "../cluster/nodes.h"
#include "../daemon.h"
#include "../vmm/machine.h"
#include "preflight.h"

static int check_protocol(struct vmig_preflight *p, struct vmig_err *said)
{
	struct vmig_hello mine, theirs;
	int ret;

	ret = vmig_hello_decode(p->msg, &theirs, said);
	if (!ret)
		ret = vmig_hello_local(&mine, p->daemon->config, said);
	if (!ret)
		ret = vmig_hello_check(&mine, &theirs, said);
	if (ret) {
		vmig_err_prefix(said, "node %s: ", p->peer);
		return ret;
	}
	return vmig_err_set(said, 0, "version %u, pages of %u bytes",
			    theirs.version, theirs.page_size);
}

static int check_identity(struct vmig_preflight *p, struct vmig_err *said)
{
	const struct vmig_peer *peer = vmig_config_peer(p->daemon->config,
							p->peer);
	const char *node = vmig_json_string(p->msg, "node");

	if (!peer || !node || strcmp(node, p->peer))
		return vmig_err_set(said, EPROTO,
				    "at %s there is node %s, not node %s: see [peers] in agent.conf",
				    peer ? peer->address : "?",
				    node ? node : "without a name", p->peer);
	return vmig_err_set(said, 0, "node %s at %s port %u", node,
			    peer->address, peer->port);
}

static int check_vendor(struct vmig_preflight *p, struct vmig_err *said)
{
	struct vmig_hello mine, theirs;
	int ret;

	ret = vmig_hello_decode(p->msg, &theirs, said);
	if (!ret)
		ret = vmig_hello_local(&mine, p->daemon->config, said);
	if (!ret)
		ret = vmig_hello_check_vendor(&mine, &theirs, said);
	if (ret) {
		vmig_err_prefix(said, "node %s: ", p->peer);
		return ret;
	}
	return vmig_err_set(said, 0, "%s on both nodes", mine.cpu_vendor);
}

/* As if a VM that has never run were started here now. */
static int check_expected(struct vmig_preflight *p,
			  const struct vmig_cpu *there, struct vmig_err *said)
{
	struct vmig_cpu_state *state = calloc(1, sizeof(*state));
	struct vmig_machine as_if = *p->m;
	int ret;

	if (!state)
		return vmig_err_set(said, ENOMEM, "out of memory");
	ret = vmig_processor_expect(p->m, state, said);
	as_if.cpu = state;
	if (!ret)
		ret = vmig_processor_fits(&as_if, p->peer, there, said);
	free(state);
	return ret;
}

/* The other node's processor, before anything is made there for the VM. */
static int check_processor(struct vmig_preflight *p, struct vmig_err *said)
{
	bool frozen = vmig_processor_is_frozen(p->m);
	const struct vmig_cpu *there;
	struct vmig_err why;
	int ret;

	if (strcmp(p->daemon->config->accel, "kvm") && !frozen)
		return VMIG_CHECK_NONE;
	/* One that runs unfrozen has no KVM, and is promised nothing. */
	if (!frozen && p->m->pidfd >= 0)
		return VMIG_CHECK_NONE;
	there = vmig_nodes_cpu(p->daemon->nodes, p->peer, &why);
	if (!there)
		return vmig_err_set(said, EOPNOTSUPP, "%s", why.text);
	ret = frozen ? vmig_processor_fits(p->m, p->peer, there, said) :
	      check_expected(p, there, said);
	if (!ret)
		vmig_err_set(said, 0, "%s, cpu-policy = %s", there->model,
			     p->m->def->cpu_policy);
	return ret;
}

static const struct vmig_check identity_checks[] = {
	{ "protocol", check_protocol },
	{ "identity", check_identity },
};

static const struct vmig_check cpu_checks[] = {
	{ "vendor", check_vendor },
	{ "processor", check_processor },
};

/* The greeting is learned from once it is known to be that node's. */
void vmig_preflight_node(struct vmig_preflight *p, struct json_object *greeting)
{
	unsigned int before = p->failures;

	p->msg = greeting;
	vmig_preflight_run(p, identity_checks, 2);
	if (p->failures == before) {
		vmig_nodes_learn(p->daemon->nodes, p->peer, greeting);
		vmig_preflight_run(p, cpu_checks, 2);
	}
	p->msg = NULL;
}
