// SPDX-License-Identifier: GPL-2.0
/*
 * Every check of a VM that another node thinks of sending. Nothing is made for
 * it, and the list of VMs is left alone; only its lease is read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "../vmm/cmdline.h"
#include "../vmm/machine.h"
#include "preflight.h"
#include "visit.h"

/**
 * struct vmig_visit - one VM that is looked at
 * @m: the VM, in no list
 * @setup: what the other node says of it; owned
 */
struct vmig_visit {
	struct vmig_preflight p;
	struct vmig_machine m;
	char peer[VMIG_NAME_MAX + 1];
	struct json_object *setup;
	vmig_visit_fn fn;
	void *arg;
};

void vmig_visit_stop(struct vmig_visit *v)
{
	if (!v)
		return;
	vmig_ownership_forget(&v->m, v);
	vmig_preflight_exit(&v->p);
	vmig_processor_thaw(&v->m);
	json_object_put(v->setup);
	free(v->m.def);
	free(v);
}

static void end(struct vmig_visit *v)
{
	struct json_object *answer = vmig_json_new(NULL);
	vmig_visit_fn fn = v->fn;
	void *arg = v->arg;

	json_object_object_add(answer, "checks", json_object_get(v->p.list));
	vmig_visit_stop(v);
	fn(arg, answer);
}

/* As an operator reads it: "node a holds it, epoch 5". */
static void tell(const char *holder, uint64_t epoch, char text[128])
{
	snprintf(text, 128, "%s%s holds it, epoch %llu",
		 *holder ? "node " : "nobody", holder,
		 (unsigned long long)epoch);
}

/* A VM that runs on the other node comes with what that node has read. */
static int compare(struct vmig_visit *v, const struct vmig_lease_result *result,
		   struct vmig_err *said)
{
	struct json_object *lease = NULL;
	char here[128], there[128];
	const char *holder;

	if (result->status != VMIG_LEASE_DONE)
		return vmig_err_set(said, EIO, "%s", result->err.text);
	tell(result->record.holder, result->record.epoch, here);
	json_object_object_get_ex(v->setup, "lease", &lease);
	holder = vmig_json_string(lease, "holder");
	if (holder) {
		tell(holder, vmig_json_uint(lease, "epoch", 0), there);
		if (strcmp(here, there))
			return vmig_err_set(said, ESTALE,
					    "the lease of VM %s is not what node %s has read of it: here %s; there %s: do both nodes see the same storage?",
					    v->m.name, v->peer, here, there);
	}
	if (!result->complete)
		return vmig_err_set(said, EIO,
				    "not all disks of VM %s follow its lease, though the first one does: %s",
				    v->m.name, here);
	return vmig_err_set(said, 0, "%s, read here: %s", v->m.def->lease,
			    here);
}

static void on_read(void *arg, const struct vmig_lease_result *result)
{
	struct vmig_visit *v = arg;
	struct vmig_err said;
	int ret = compare(v, result, &said);

	vmig_preflight_add(&v->p, "lease", ret, said.text);
	end(v);
}

/*
 * A VM of the name that is here already, or that this node cannot make of the
 * definition.
 */
static int make_visitor(struct vmig_visit *v, struct vmig_err *err)
{
	const char *text = vmig_json_string(v->setup, "definition");
	char source[VMIG_NAME_MAX + 16];
	int ret;

	snprintf(source, sizeof(source), "node %s", v->peer);
	ret = vmig_definition_parse(text ? text : "", source, v->m.def, err);
	if (!ret)
		ret = vmig_cmdline_check_extra(v->m.def, err);
	if (ret)
		return ret;
	strcpy(v->m.name, v->m.def->name);
	return vmig_machine_check_arrival(&v->m, err);
}

struct vmig_visit *vmig_visit_new(struct vmig_daemon *daemon, const char *peer,
				  struct json_object *setup, vmig_visit_fn fn,
				  void *arg)
{
	struct vmig_visit *v = calloc(1, sizeof(*v));

	if (!v)
		abort();	/* a daemon without memory is restarted */
	v->m.daemon = daemon;
	v->m.pidfd = -1;
	v->m.def = calloc(1, sizeof(*v->m.def));
	if (!v->m.def)
		abort();
	snprintf(v->peer, sizeof(v->peer), "%s", peer);
	v->setup = json_object_get(setup);
	v->fn = fn;
	v->arg = arg;
	vmig_preflight_init(&v->p, daemon, &v->m, v->peer, true);
	return v;
}

void vmig_visit_run(struct vmig_visit *v)
{
	struct vmig_err err = { "" };
	int ret = make_visitor(v, &err);

	vmig_preflight_add(&v->p, "definition", ret,
			   ret ? err.text : "VM and name are fine here");
	if (*v->m.name)
		vmig_preflight_destination(&v->p, v->setup);
	if (*v->m.name && vmig_ownership_is_used(&v->m))
		vmig_ownership_ask(&v->m, VMIG_LEASE_READ, NULL, on_read, v);
	else
		end(v);
}
