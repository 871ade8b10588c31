// SPDX-License-Identifier: GPL-2.0
/* The last stage as the source hears of it: how the VM was announced there. */
#include <stdbool.h>

#include <json-c/json.h>

#include "../net/net.h"
#include "../vmm/machine.h"
#include "source.h"

/*
 * vmig_network_announced() - The VM runs there: the rest is for its user. It may
 * be said before "committed" has been heard.
 */
void vmig_network_announced(struct vmig_source *s, struct json_object *msg)
{
	struct json_object *network = NULL;

	if (s->step < VMIG_STEP_COMMIT)
		return;
	json_object_object_get_ex(msg, "network", &network);
	if (vmig_acks_decode(network, s->m->def, &s->m->acks)) {
		s->m->acks.n = 0;
		vmig_log("VM %s: node %s did not tell how it was announced",
			 s->m->name, s->peer->name);
	}
	s->announced = true;
	if (s->step == VMIG_STEP_NETWORK)
		vmig_source_committed(s);
}
