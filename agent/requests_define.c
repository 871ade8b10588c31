// SPDX-License-Identifier: GPL-2.0
/* Requests that give a VM another definition. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "requests.h"
#include "vmm/machine.h"

/*
 * Put a definition in the place of @old, which may be NULL. What a guest saw of
 * the processor it sees again unless the definition changes that.
 */
static int replace(struct vmig_daemon *daemon, struct vmig_machine *old,
		   const char *text, bool thaw, struct vmig_err *err)
{
	struct vmig_machine *m;
	int ret;

	/* Out of the list while the new one is tried. */
	if (old)
		LIST_REMOVE(old, entry);
	ret = vmig_machine_new(&m, daemon, text, "the definition", err);
	if (old)
		LIST_INSERT_HEAD(&daemon->machines, old, entry);
	if (ret)
		return ret;
	if (old && !thaw && vmig_processor_is_kept(old->def, m->def)) {
		m->cpu = old->cpu;
		old->cpu = NULL;
	}
	ret = vmig_store_own(m, NULL, err);
	if (ret && old && m->cpu) {
		old->cpu = m->cpu;
		m->cpu = NULL;
	}
	if (ret)
		vmig_machine_free(m);
	else if (old)
		vmig_machine_free(old);
	return ret;
}

void vmig_request_define(struct vmig_daemon *daemon,
			 const struct vmig_request *request)
{
	struct vmig_definition *def = calloc(1, sizeof(*def));
	const char *text = request->data ? request->data : "";
	struct vmig_machine *old;
	struct vmig_err err;
	int ret;

	if (!def)
		abort();	/* a daemon without memory is restarted */
	ret = vmig_definition_parse(text, "the definition", def, &err);
	if (!ret) {
		old = vmig_machine_find(daemon, def->name);
		if (old && vmig_request_refuse_busy(daemon, request, old,
						    "define"))
			goto out;
		ret = replace(daemon, old, text, false, &err);
	}
	if (ret)
		vmig_request_fail(daemon, request->id, ret, &err);
	else
		vmig_daemon_answer(daemon, request->id, 0, NULL, NULL);
out:
	free(def);
}

/* "cpu-policy=cluster": so far there is nothing else to set. */
static const char *policy_of(const char *data)
{
	static const char key[] = "cpu-policy=";

	if (!data || strncmp(data, key, sizeof(key) - 1))
		return NULL;
	return data + sizeof(key) - 1;
}

/* Set the policy; the next start freezes anew, also under the same one. */
void vmig_request_set(struct vmig_daemon *daemon,
		      const struct vmig_request *request)
{
	struct vmig_machine *m = vmig_request_machine(daemon, request);
	const char *policy = policy_of(request->data);
	char *text = NULL;
	struct vmig_err err;
	int ret;

	if (!m || vmig_request_refuse_busy(daemon, request, m, "change"))
		return;
	if (!policy) {
		ret = vmig_err_set(&err, EINVAL,
				   "\"%s\" cannot be set; `vm set VM cpu-policy=POLICY` can",
				   request->data ? request->data : "");
		goto out;
	}
	ret = vmig_cpu_policy_check(policy, &err);
	if (ret)
		goto out;
	text = vmig_definition_set(m->text, "cpu-policy", policy);
	if (!text)
		ret = vmig_err_set(&err, ENOMEM, "out of memory");
	else
		ret = replace(daemon, m, text, true, &err);
out:
	if (ret)
		vmig_request_fail(daemon, request->id, ret, &err);
	else
		vmig_daemon_answer(daemon, request->id, 0, NULL, NULL);
	free(text);
}
