// SPDX-License-Identifier: GPL-2.0
/* Requests about nodes; those about other nodes ask them. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster/errand.h"
#include "cluster/message.h"
#include "drain/drain.h"
#include "migrate/queue.h"
#include "migrate/room.h"
#include "migrate/slot.h"
#include "requests.h"
#include "vmm/machine.h"

#define NODE_LIMIT_S 15

static struct json_object *describe_peers(const struct vmig_config *config)
{
	struct json_object *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < config->npeers; i++) {
		struct json_object *peer = vmig_json_new(NULL);

		vmig_json_add_string(peer, "name", config->peers[i].name);
		vmig_json_add_string(peer, "address", config->peers[i].address);
		vmig_json_add_uint(peer, "port", config->peers[i].port);
		json_object_array_add(list, peer);
	}
	return list;
}

static void add_machines(struct vmig_daemon *daemon, struct json_object *o)
{
	unsigned int running = 0, all = 0;
	struct vmig_machine *m;

	LIST_FOREACH(m, &daemon->machines, entry) {
		if (vmig_machine_is_leaving(m))
			continue;
		all++;
		running += m->pidfd >= 0 && !m->incoming;
	}
	vmig_json_add_uint(o, "vms", all);
	vmig_json_add_uint(o, "vms_running", running);
}

struct json_object *vmig_node_describe(struct vmig_daemon *daemon)
{
	const struct vmig_config *config = daemon->config;
	struct json_object *o = vmig_json_new(NULL);
	struct vmig_hello hello;

	vmig_hello_local(&hello, config, NULL);
	vmig_json_add_string(o, "node", config->node);
	vmig_json_add_string(o, "address", config->address);
	vmig_json_add_uint(o, "port", config->port);
	vmig_json_add_uint(o, "version", hello.version);
	vmig_json_add_uint(o, "memory_free", hello.memory);
	vmig_json_add_uint(o, "memory_room", vmig_room_lasting(daemon));
	vmig_json_add_uint(o, "page_size", hello.page_size);
	vmig_json_add_string(o, "cpu_vendor", hello.cpu_vendor);
	vmig_json_add_string(o, "kernel", hello.kernel);
	add_machines(daemon, o);
	json_object_object_add(o, "slot", vmig_slot_describe(daemon));
	json_object_object_add(o, "queue", vmig_queue_describe(daemon));
	vmig_json_add_bool(o, "draining", vmig_drain_is_on(daemon));
	json_object_object_add(o, "drain", vmig_drain_describe(daemon));
	json_object_object_add(o, "peers", describe_peers(config));
	json_object_object_add(o, "refused", vmig_refusal_json(
		vmig_listener_refusals(daemon->listener)));
	return o;
}

/* What a list of all nodes has no room for. */
static void shorten(struct json_object *o)
{
	static const char * const names[] = {
		"type", "peers", "queue", "page_size", "drain", "refused",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_object_del(o, names[i]);
}

/* A request that waits for the answers of other nodes. */
struct waiting {
	struct vmig_daemon *daemon;
	uint32_t request;
	unsigned int pending;
	struct json_object *list;
};

static void on_shown(void *arg, const struct vmig_peer *peer,
		     struct json_object *greeting, struct json_object *answer,
		     const char *why)
{
	struct waiting *w = arg;
	struct vmig_err err;
	int ret;

	(void)greeting;
	if (answer) {
		json_object_object_del(answer, "type");
		vmig_request_tell(w->daemon, w->request,
				  json_object_get(answer));
	} else {
		ret = vmig_err_set(&err, EHOSTUNREACH,
				   "node %s (%s port %u): %s", peer->name,
				   peer->address, peer->port, why);
		vmig_request_fail(w->daemon, w->request, ret, &err);
	}
	free(w);
}

static struct waiting *wait_for(struct vmig_daemon *daemon,
				const struct vmig_request *request)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		abort();	/* a daemon without memory is restarted */
	w->daemon = daemon;
	w->request = request->id;
	return w;
}

/* True if the request is about a peer, and is answered when that answers. */
static bool ask_peer(struct vmig_daemon *daemon,
		     const struct vmig_request *request, const char *op)
{
	const struct vmig_peer *peer;
	struct vmig_err err;
	int ret;

	if (!*request->node || !strcmp(request->node, daemon->config->node))
		return false;
	ret = vmig_source_find_peer(daemon, request->node, &peer, &err);
	if (ret)
		vmig_request_fail(daemon, request->id, ret, &err);
	else
		vmig_errand_start(daemon, peer, op, NULL, NODE_LIMIT_S,
				  on_shown, wait_for(daemon, request));
	return true;
}

void vmig_request_node_show(struct vmig_daemon *daemon,
			    const struct vmig_request *request)
{
	if (!ask_peer(daemon, request, "node"))
		vmig_request_tell(daemon, request->id,
				  vmig_node_describe(daemon));
}

/* Begun is begun: node-show tells how far it is. */
static void answer_begun(struct vmig_daemon *daemon,
			 const struct vmig_request *request, int ret,
			 const struct vmig_err *err)
{
	if (ret)
		vmig_request_fail(daemon, request->id, ret, err);
	else
		vmig_request_tell(daemon, request->id,
				  vmig_node_describe(daemon));
}

void vmig_request_node_drain(struct vmig_daemon *daemon,
			     const struct vmig_request *request)
{
	struct vmig_err err;

	if (!ask_peer(daemon, request, "drain"))
		answer_begun(daemon, request, vmig_drain_start(daemon, &err),
			     &err);
}

void vmig_request_node_undrain(struct vmig_daemon *daemon,
			       const struct vmig_request *request)
{
	struct vmig_err err;

	if (!ask_peer(daemon, request, "undrain"))
		answer_begun(daemon, request, vmig_drain_end(daemon, &err),
			     &err);
}

static void put_waiting(struct waiting *w)
{
	struct json_object *o;

	if (--w->pending)
		return;
	o = vmig_json_new(NULL);
	vmig_json_add_string(o, "node", w->daemon->config->node);
	json_object_object_add(o, "nodes", w->list);
	vmig_request_tell(w->daemon, w->request, o);
	free(w);
}

static void on_listed(void *arg, const struct vmig_peer *peer,
		      struct json_object *greeting, struct json_object *answer,
		      const char *why)
{
	struct waiting *w = arg;
	struct json_object *o;

	(void)greeting;
	if (answer) {
		o = json_object_get(answer);
		shorten(o);
	} else {
		o = vmig_json_new(NULL);
		vmig_json_add_string(o, "node", peer->name);
		vmig_json_add_string(o, "address", peer->address);
		vmig_json_add_uint(o, "port", peer->port);
		vmig_json_add_string(o, "silent", why);
	}
	json_object_array_put_idx(w->list,
				  (size_t)(peer - w->daemon->config->peers) + 1,
				  o);
	put_waiting(w);
}

/* All at once, in the order of agent.conf, this node first. */
void vmig_request_node_list(struct vmig_daemon *daemon,
			    const struct vmig_request *request)
{
	const struct vmig_config *config = daemon->config;
	struct waiting *w = wait_for(daemon, request);
	struct json_object *own = vmig_node_describe(daemon);
	unsigned int i;

	shorten(own);
	w->list = json_object_new_array();
	json_object_array_add(w->list, own);
	w->pending = config->npeers + 1;
	for (i = 0; i < config->npeers; i++)
		vmig_errand_start(daemon, &config->peers[i], "node", NULL,
				  NODE_LIMIT_S, on_listed, w);
	put_waiting(w);
}
