// SPDX-License-Identifier: GPL-2.0
/* How a migration out of this node begins: a request, and whether it can be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../cluster/token.h"
#include "../vmm/machine.h"
#include "queue.h"
#include "source.h"

/* vmig_source_find_peer() - Or tell which there are. */
int vmig_source_find_peer(struct vmig_daemon *daemon, const char *node,
			  const struct vmig_peer **peer, struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	char known[512] = "none";
	size_t len = 0;
	unsigned int i;

	*peer = vmig_config_peer(config, node);
	if (*peer)
		return 0;
	for (i = 0; i < config->npeers && len < sizeof(known) - 80; i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len,
					"%s%s", i ? ", " : "",
					config->peers[i].name);
	return vmig_err_set(err, ENOENT,
			    "node %s knows no node %s (it knows: %s): add it to [peers] in agent.conf",
			    config->node, node, known);
}

int vmig_source_find(struct vmig_daemon *daemon,
		     const struct vmig_request *request,
		     struct vmig_machine **m, const struct vmig_peer **peer,
		     struct vmig_err *err)
{
	const char *here = daemon->config->node;
	int ret;

	if (!request->vm[0] || !request->node[0])
		return vmig_err_set(err, EINVAL,
				    "migrate wants the name of a VM and of a node");
	if (!strcmp(request->node, here))
		return vmig_err_set(err, EINVAL,
				    "VM %s is on node %s already: name another node",
				    request->vm, here);
	ret = vmig_source_find_peer(daemon, request->node, peer, err);
	if (ret)
		return ret;
	*m = vmig_machine_find(daemon, request->vm);
	if (!*m || vmig_machine_is_leaving(*m))
		return vmig_err_set(err, ENOENT,
				    "there is no VM %s on node %s; `vmig-agent vm list` tells those there are",
				    request->vm, here);
	return 0;
}

int vmig_source_start(struct vmig_daemon *daemon,
		      const struct vmig_request *request, vmig_moved_fn moved,
		      void *arg, bool *busy, struct vmig_err *err)
{
	const struct vmig_peer *peer;
	struct vmig_preflight p;
	struct vmig_machine *m;
	struct vmig_source *s;
	int ret;

	*busy = false;
	ret = vmig_source_find(daemon, request, &m, &peer, err);
	if (ret)
		return ret;
	vmig_preflight_init(&p, daemon, m, peer->name, false);
	if (request->has_transport)
		p.transport = request->transport;
	vmig_preflight_source(&p);
	vmig_preflight_exit(&p);
	*busy = p.busy;
	if (p.error)
		return vmig_err_set(err, p.error, "%s", p.reason);
	s = vmig_source_create(daemon, m, peer->name);
	s->preflight.transport = p.transport;
	s->request = *request;
	s->request.data = NULL;
	m->acks.n = 0;
	s->moved = moved;
	s->moved_arg = arg;
	s->nchannels = request->channels ? request->channels : 2;
	vmig_source_enter(s, VMIG_STEP_CHECK);
	ret = vmig_token_new(s->token);
	if (ret)
		vmig_source_fail(s, -ret, "no random numbers: %s",
				 strerror(-ret));
	else
		vmig_commit_begin(s);
	return 0;
}

int vmig_source_cancel(struct vmig_daemon *daemon, const char *vm,
		       struct vmig_err *err)
{
	struct vmig_source *s;

	LIST_FOREACH(s, &daemon->sources, entry) {
		if (s->id || s->step >= VMIG_STEP_COMMIT ||
		    strcmp(s->m->name, vm))
			continue;
		vmig_source_fail(s, ECANCELED, "cancelled");
		return 0;
	}
	return vmig_err_set(err, ENOENT,
			    "no migration of VM %s waits or begins", vm);
}

/* vmig_source_request() - A user wants a VM to move. */
void vmig_source_request(struct vmig_daemon *daemon,
			 const struct vmig_request *request)
{
	struct vmig_err err;
	bool busy;
	int ret;

	ret = vmig_queue_check(daemon, request->vm, &err);
	if (!ret && request->wait)
		ret = vmig_queue_add(daemon, request, NULL, NULL, &err);
	else if (!ret)
		ret = vmig_source_start(daemon, request, NULL, NULL, &busy,
					&err);
	if (ret)
		vmig_daemon_answer(daemon, request->id, -ret, err.text, NULL);
}
