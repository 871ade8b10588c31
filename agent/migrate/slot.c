// SPDX-License-Identifier: GPL-2.0
/* How many migrations a node takes part in at once, in or out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../drain/drain.h"
#include "../vmm/machine.h"
#include "destination.h"
#include "queue.h"
#include "slot.h"
#include "source.h"

struct holder {
	const char *vm;
	const char *from;
	const char *to;
	uint64_t since;
};

/*
 * A VM whose fate the other node has to tell moves no memory, and may have to
 * wait for that node for days; one that runs there is only announced. One that
 * was refused has nothing to move any more: if it held a slot until it is gone,
 * two nodes could refuse each other.
 */
static bool source_holds(const struct vmig_source *s)
{
	return s->step != VMIG_STEP_DOUBT && s->step != VMIG_STEP_NETWORK &&
	       (s->step != VMIG_STEP_FAIL || s->id);
}

/*
 * From its "setup" on until it runs here, or waits for an operator; but not for the
 * very one that is being checked.
 */
static bool incoming_holds(const struct vmig_incoming *in,
			   const struct vmig_machine *m)
{
	return in->m && in->m != m && in->step != VMIG_IN_NETWORK && !in->lost;
}

/*
 * Two nodes that begin to send each other a VM would refuse each other. The
 * one whose name comes first wins: the other one takes no notice of what it is
 * about to send itself, which the first one is about to refuse.
 */
static bool gives_way(const struct vmig_source *s, const char *peer)
{
	return peer && s->step <= VMIG_STEP_SETUP &&
	       !strcmp(s->peer->name, peer) &&
	       strcmp(peer, s->daemon->config->node) < 0;
}

/* The @i-th holder; false if there are fewer. */
static bool find_holder(struct vmig_daemon *daemon,
			const struct vmig_machine *m, const char *peer,
			unsigned int i, struct holder *holder)
{
	const struct vmig_incoming *in;
	const struct vmig_source *s;

	LIST_FOREACH(s, &daemon->sources, entry) {
		if (!source_holds(s) || gives_way(s, peer) || i--)
			continue;
		*holder = (struct holder){ s->m->name, daemon->config->node,
					   s->peer->name, s->since };
		return true;
	}
	LIST_FOREACH(in, &daemon->incomings, entry) {
		if (!incoming_holds(in, m) || i--)
			continue;
		*holder = (struct holder){ in->m->name, in->node,
					   daemon->config->node, in->since };
		return true;
	}
	return false;
}

int vmig_slot_check(struct vmig_daemon *daemon, const struct vmig_machine *m,
		    const char *peer, struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	unsigned int n = 0;
	struct holder h;

	while (find_holder(daemon, m, peer, n, &h))
		n++;
	if (n < config->live_migrations)
		return vmig_err_set(err, 0, "%u of %u in use", n,
				    config->live_migrations);
	/* The last one found has been there the longest. */
	find_holder(daemon, m, peer, n - 1, &h);
	return vmig_err_set(err, EBUSY,
			    "node %s is busy: VM %s moves from node %s to node %s since %llu s, and live-migrations = %u in its agent.conf; migrate --wait waits",
			    config->node, h.vm, h.from, h.to,
			    (unsigned long long)(vmig_daemon_now(daemon) -
						 h.since) / 1000000,
			    config->live_migrations);
}

void vmig_slot_freed(struct vmig_daemon *daemon)
{
	vmig_queue_kick(daemon);
	vmig_drain_kick(daemon);
}

struct json_object *vmig_slot_describe(struct vmig_daemon *daemon)
{
	struct json_object *slot = vmig_json_new(NULL);
	struct json_object *list = json_object_new_array(), *o;
	struct holder h;
	unsigned int i;

	vmig_json_add_uint(slot, "limit", daemon->config->live_migrations);
	for (i = 0; find_holder(daemon, NULL, NULL, i, &h); i++) {
		o = vmig_json_new(NULL);
		vmig_json_add_string(o, "vm", h.vm);
		vmig_json_add_string(o, "from", h.from);
		vmig_json_add_string(o, "to", h.to);
		vmig_json_add_uint(o, "seconds",
				   (vmig_daemon_now(daemon) - h.since) /
				   1000000);
		json_object_array_add(list, o);
	}
	json_object_object_add(slot, "holders", list);
	return slot;
}
