// SPDX-License-Identifier: GPL-2.0
/* The request to check a migration without beginning it. */
#include <stdlib.h>

#include <json-c/json.h>

#include "cluster/message.h"
#include "migrate/checkup.h"
#include "migrate/source.h"
#include "requests.h"

/* Who asked, until all checks are done. */
struct asked {
	struct vmig_daemon *daemon;
	struct vmig_request request;
};

static void on_checked(void *arg, const struct vmig_preflight *p)
{
	struct asked *asked = arg;
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "vm", asked->request.vm);
	vmig_json_add_string(o, "node", asked->request.node);
	vmig_json_add_bool(o, "possible", !p->failures);
	json_object_object_add(o, "checks", json_object_get(p->list));
	vmig_request_tell(asked->daemon, asked->request.id, o);
	free(asked);
}

void vmig_request_check(struct vmig_daemon *daemon,
			const struct vmig_request *request)
{
	const struct vmig_peer *peer;
	struct vmig_machine *m;
	struct asked *asked;
	struct vmig_err err;
	int ret;

	ret = vmig_source_find(daemon, request, &m, &peer, &err);
	if (ret) {
		vmig_request_fail(daemon, request->id, ret, &err);
		return;
	}
	asked = calloc(1, sizeof(*asked));
	if (!asked)
		abort();	/* a daemon without memory is restarted */
	asked->daemon = daemon;
	asked->request = *request;
	asked->request.data = NULL;
	vmig_checkup_start(daemon, m, peer, request, on_checked, asked);
}
