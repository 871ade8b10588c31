// SPDX-License-Identifier: GPL-2.0
/* What only QEMU can say of a VM that is to move. */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../vmm/machine.h"
#include "preflight.h"

/* QEMU's own words for what went wrong. */
static int blame(const char *vm, const char *why, struct vmig_err *said)
{
	return vmig_err_set(said, EIO, "QEMU of VM %s: %s", vm, why);
}

static int judge_migrate(const char *vm, struct json_object *ret,
			 struct vmig_err *said)
{
	struct json_object *reasons;

	if (!json_object_object_get_ex(ret, "blocked-reasons", &reasons) ||
	    !json_object_is_type(reasons, json_type_array) ||
	    !json_object_array_length(reasons))
		return vmig_err_set(said, 0, "QEMU can save them all");
	return vmig_err_set(said, EINVAL, "VM %s cannot be migrated: %s", vm,
			    json_object_get_string(
				    json_object_array_get_idx(reasons, 0)));
}

static int judge_memdevs(const char *vm, struct json_object *ret,
			 struct vmig_err *said)
{
	size_t i, n = json_object_is_type(ret, json_type_array) ?
		      json_object_array_length(ret) : 0;

	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(ret, i);
		const char *id = vmig_json_string(o, "id");

		if (!id || strcmp(id, "ram0") || !vmig_json_uint(o, "share", 0))
			return vmig_err_set(said, EINVAL,
					    "VM %s has a RAM backend %s that is not in vmigfs and would not be migrated: remove it",
					    vm, id ? id : "without a name");
	}
	return vmig_err_set(said, 0, "all in vmigfs");
}

static int judge_status(const char *vm, struct json_object *ret,
			struct vmig_err *said)
{
	const char *status = vmig_json_string(ret, "status");

	if (vmig_json_uint(ret, "running", 0))
		return vmig_err_set(said, 0, "QEMU says it is running");
	return vmig_err_set(said, EINVAL,
			    "VM %s is not running (QEMU says: %s): only a running VM can be migrated",
			    vm, status ? status : "nothing");
}

static void on_migrate(void *arg, struct json_object *ret, const char *why);
static void on_memdevs(void *arg, struct json_object *ret, const char *why);
static void on_status(void *arg, struct json_object *ret, const char *why);

/* In this order, one QMP command each. */
static const struct {
	const char *name;
	const char *command;
	vmig_qmp_reply_fn fn;
	int (*judge)(const char *vm, struct json_object *ret,
		     struct vmig_err *said);
} steps[] = {
	{ "guest", "query-status", on_status, judge_status },
	{ "ram-backends", "query-memdev", on_memdevs, judge_memdevs },
	{ "devices", "query-migrate", on_migrate, judge_migrate },
};

#define NSTEPS	(sizeof(steps) / sizeof(steps[0]))

static void take(struct vmig_preflight *p, size_t step,
		 struct json_object *answer, const char *why)
{
	struct vmig_err said = { "" };
	int ret;

	ret = why ? blame(p->m->name, why, &said) :
	      steps[step].judge(p->m->name, answer, &said);
	vmig_preflight_add(p, steps[step].name, ret, said.text);
	step++;
	if (why || step == NSTEPS || !vmig_preflight_goes_on(p))
		p->done(p->arg);
	else
		vmig_qmp_call(p->m->qmp, steps[step].command, NULL,
			      steps[step].fn, p);
}

static void on_status(void *arg, struct json_object *ret, const char *why)
{
	take(arg, 0, ret, why);
}

static void on_memdevs(void *arg, struct json_object *ret, const char *why)
{
	take(arg, 1, ret, why);
}

static void on_migrate(void *arg, struct json_object *ret, const char *why)
{
	take(arg, 2, ret, why);
}

void vmig_preflight_qemu(struct vmig_preflight *p)
{
	vmig_qmp_call(p->m->qmp, steps[0].command, NULL, steps[0].fn, p);
}

/* vmig_preflight_forget() - p->done() is not called any more. */
void vmig_preflight_forget(struct vmig_preflight *p)
{
	if (p->m && p->m->qmp)
		vmig_qmp_forget(p->m->qmp, p);
}
