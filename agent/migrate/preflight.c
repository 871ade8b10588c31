// SPDX-License-Identifier: GPL-2.0
/* Runs through tables of checks: what is kept of each, and when it ends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "preflight.h"

void vmig_preflight_init(struct vmig_preflight *p, struct vmig_daemon *daemon,
			 struct vmig_machine *m, const char *peer, bool all)
{
	memset(p, 0, sizeof(*p));
	p->daemon = daemon;
	p->m = m;
	p->peer = peer;
	p->transport = daemon->config->transport;
	p->all = all;
	p->list = json_object_new_array();
}

void vmig_preflight_exit(struct vmig_preflight *p)
{
	json_object_put(p->list);
	p->list = NULL;
}

void vmig_preflight_reset(struct vmig_preflight *p)
{
	json_object_put(p->list);
	p->list = json_object_new_array();
	p->error = 0;
	p->reason[0] = '\0';
	p->failures = 0;
	p->busy = false;
}

bool vmig_preflight_goes_on(const struct vmig_preflight *p)
{
	return p->all || !p->failures;
}

static void add_line(struct vmig_preflight *p, const char *node,
		     const char *name, const char *verdict, const char *text)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "name", name);
	vmig_json_add_string(o, "node", node);
	vmig_json_add_string(o, "verdict", verdict);
	vmig_json_add_bool(o, "ok", strcmp(verdict, "failed"));
	vmig_json_add_string(o, "text", text);
	json_object_array_add(p->list, o);
}

void vmig_preflight_add(struct vmig_preflight *p, const char *name, int ret,
			const char *said)
{
	const char *node = p->daemon->config->node;

	if (ret == VMIG_CHECK_NONE)
		return;
	if (ret < 0 && p->daemon->config->waived & vmig_config_waiver(name)) {
		add_line(p, node, name, "waived", said);
		return;
	}
	add_line(p, node, name, ret ? "failed" : "ok", said);
	if (!ret || p->failures++)
		return;
	p->error = -ret;
	p->busy = !strcmp(name, "slot");
	snprintf(p->reason, sizeof(p->reason), "%s", said);
	if (vmig_config_waiver(name))
		snprintf(p->reason, sizeof(p->reason),
			 "%s (rule %s; waive = in agent.conf)", said, name);
}

void vmig_preflight_run(struct vmig_preflight *p,
			const struct vmig_check *table, size_t n)
{
	struct vmig_err said;
	size_t i;

	for (i = 0; i < n && vmig_preflight_goes_on(p); i++) {
		said.text[0] = '\0';
		vmig_preflight_add(p, table[i].name, table[i].run(p, &said),
				   said.text);
	}
}

static void append_line(struct vmig_preflight *p, const char *node,
			struct json_object *o)
{
	const char *name = vmig_json_string(o, "name");
	const char *verdict = vmig_json_string(o, "verdict");
	const char *text = vmig_json_string(o, "text");

	if (!name || !verdict || !text ||
	    (strcmp(verdict, "ok") && strcmp(verdict, "waived") &&
	     strcmp(verdict, "failed")))
		return;
	add_line(p, node, name, verdict, text);
	if (strcmp(verdict, "failed") || p->failures++)
		return;
	p->error = EIO;
	p->busy = !strcmp(name, "slot");
	snprintf(p->reason, sizeof(p->reason), "%s", text);
}

void vmig_preflight_append(struct vmig_preflight *p, const char *node,
			   struct json_object *list)
{
	size_t i, n = json_object_is_type(list, json_type_array) ?
		      json_object_array_length(list) : 0;

	for (i = 0; i < n; i++)
		append_line(p, node, json_object_array_get_idx(list, i));
}
