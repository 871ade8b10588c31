// SPDX-License-Identifier: GPL-2.0
/* status and cancel: what the kernel says of migrations, and to it. */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../keyfile.h"
#include "cli.h"

#define POLL_MS		250
/* What the kernel says is worth telling also if the daemon is stuck. */
#define ASK_LIMIT_MS	3000

static struct json_object *build_vm(const struct vmig_vm_info *vm)
{
	struct json_object *o = json_object_new_object();
	struct json_object *regions = json_object_new_array(), *r;
	unsigned int i;

	for (i = 0; i < vm->nregions; i++) {
		const struct vmig_region_info *info = &vm->regions[i];

		r = json_object_new_object();
		json_object_object_add(r, "name",
				       json_object_new_string(info->name));
		json_object_object_add(r, "size_bytes",
				       json_object_new_uint64(info->size));
		json_object_object_add(r, "allocated_bytes",
				       json_object_new_uint64(info->allocated));
		json_object_object_add(r, "page_size_bytes",
				       json_object_new_uint64(info->page_size));
		json_object_array_add(regions, r);
	}
	json_object_object_add(o, "name", json_object_new_string(vm->name));
	json_object_object_add(o, "regions", regions);
	return o;
}

static void print_regions(const struct vmig_vm_info *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nregions; i++) {
		const struct vmig_region_info *region = &vm->regions[i];

		printf("  region %-5s %s, of which %s allocated",
		       region->name, vmig_text_bytes(region->size).s,
		       vmig_text_bytes(region->allocated).s);
		if (region->page_size)
			printf(", in pages of %s",
			       vmig_text_bytes(region->page_size).s);
		putchar('\n');
	}
}

/* What the daemon has not begun yet; without a daemon nothing waits. */
static struct json_object *ask_queue(void)
{
	struct json_object *json = NULL;
	struct vmig_request request;
	struct vmig_reply reply;

	vmig_request_init(&request, VMIG_REQUEST_OP_NODE_SHOW, NULL);
	if (vmig_ask_within(&request, ASK_LIMIT_MS, &reply, NULL) ||
	    vmig_reply_json(reply.data, &json, NULL))
		json = NULL;
	vmig_reply_free(&reply);
	return json;
}

static int print_all_json(struct vmig_nl *nl, const struct vmig_mig_info *list,
			  size_t n, struct json_object *node,
			  struct vmig_err *err)
{
	struct json_object *o, *array;
	struct vmig_agent_info agent;
	struct vmig_vm_info *vms;
	size_t nvms, i;
	int ret;

	ret = vmig_nl_vm_list(nl, &vms, &nvms, err);
	if (ret)
		return ret;
	o = json_object_new_object();
	/* Absent without a daemon. */
	if (!vmig_nl_agent_get(nl, &agent, NULL))
		json_object_object_add(o, "node",
				       json_object_new_string(agent.node));
	array = json_object_new_array();
	for (i = 0; i < nvms; i++)
		json_object_array_add(array, build_vm(&vms[i]));
	json_object_object_add(o, "vms", array);
	array = json_object_new_array();
	for (i = 0; i < n; i++)
		json_object_array_add(array, vmig_json_migration(&list[i]));
	json_object_object_add(o, "migrations", array);
	array = vmig_document_array(node, "queue");
	json_object_object_add(o, "queue", array ? json_object_get(array) :
			       json_object_new_array());
	vmig_json_print(stdout, o, false);
	json_object_put(o);
	free(vms);
	return 0;
}

static int show_all(struct vmig_nl *nl, bool json, struct vmig_err *err)
{
	struct json_object *node = ask_queue();
	struct vmig_mig_info *list;
	size_t n;
	int ret;

	ret = vmig_nl_migration_list(nl, &list, &n, err);
	if (ret)
		goto out;
	if (json) {
		ret = print_all_json(nl, list, n, node, err);
	} else {
		vmig_table_print(stdout, list, n);
		vmig_queue_print(node, NULL);
	}
	free(list);
out:
	json_object_put(node);
	return ret;
}

static int show_vm(struct vmig_nl *nl, const char *name, bool json,
		   struct vmig_err *err)
{
	struct json_object *o, *node;
	struct vmig_mig_info info;
	struct vmig_vm_info vm;
	bool has_vm, has_info;

	/* After it moved away only the migration is left here. */
	has_info = !vmig_nl_migration_get(nl, 0, name, &info, err);
	has_vm = !vmig_nl_vm_get(nl, name, &vm, has_info ? NULL : err);
	if (!has_info && !has_vm)
		return -ENOENT;
	if (json) {
		o = has_vm ? build_vm(&vm) : json_object_new_object();
		if (!has_vm)
			json_object_object_add(o, "name",
					       json_object_new_string(name));
		if (has_info)
			json_object_object_add(o, "migration",
					       vmig_json_migration(&info));
		vmig_json_print(stdout, o, false);
		json_object_put(o);
		return 0;
	}
	if (has_info)
		vmig_report_print(stdout, &info);
	else
		printf("VM %s has not migrated\n", name);
	if (has_vm)
		print_regions(&vm);
	node = ask_queue();
	vmig_queue_print(node, name);
	json_object_put(node);
	return 0;
}

/* The VM's newest migration, or without a name the only one under way. */
static int find_live(struct vmig_nl *nl, const char *vm, uint32_t *id,
		     struct vmig_err *err)
{
	struct vmig_mig_info *list, info;
	size_t n, i, live = 0;
	int ret;

	if (vm) {
		ret = vmig_nl_migration_get(nl, 0, vm, &info, err);
		if (!ret)
			*id = info.id;
		return ret;
	}
	ret = vmig_nl_migration_list(nl, &list, &n, err);
	if (ret)
		return ret;
	for (i = 0; i < n; i++) {
		if (vmig_state_is_terminal(list[i].state))
			continue;
		*id = list[i].id;
		live++;
	}
	free(list);
	if (live == 1)
		return 0;
	return vmig_err_set(err, ENOENT,
			    live ? "several migrations are under way; name the VM"
				 : "no migration is under way");
}

static int watch_one(struct vmig_nl *nl, const char *vm, bool json,
		     struct vmig_err *err)
{
	struct vmig_watch watch;
	struct vmig_mig_info info;
	struct json_object *o;
	uint32_t id = 0;
	int ret;

	ret = find_live(nl, vm, &id, err);
	if (!ret)
		ret = vmig_nl_subscribe(nl, err);
	if (ret)
		return ret;
	vmig_watch_init(&watch, json ? stderr : stdout);
	while (!(ret = vmig_nl_migration_get(nl, id, NULL, &info, err))) {
		vmig_watch_update(&watch, &info);
		if (vmig_state_is_terminal(info.state))
			break;
		ret = vmig_nl_wait(nl, POLL_MS, err);
		if (ret)
			break;
	}
	vmig_watch_end(&watch);
	if (ret)
		return ret;
	if (json) {
		o = vmig_json_migration(&info);
		vmig_json_print(stdout, o, false);
		json_object_put(o);
	} else {
		vmig_report_print(stdout, &info);
	}
	if (info.state == VMIG_STATE_DONE)
		return 0;
	return vmig_err_set(err, info.error ? info.error : ECANCELED,
			    "the migration ended as %s",
			    vmig_state_name(info.state));
}

int vmig_cmd_status(int argc, char **argv)
{
	bool json = false, watch = false;
	const struct vmig_flag flags[] = {
		{ "json", &json }, { "watch", &watch }, { }
	};
	int ret = vmig_args(argc, argv, flags, 0, 1);
	const char *vm = ret ? NULL : argv[optind];
	struct vmig_err err;
	struct vmig_nl *nl;

	if (ret)
		return ret;
	if (vm && vmig_name_check("VM", vm, &err))
		return vmig_fail(&err);
	ret = vmig_nl_open(&nl, &err);
	if (ret)
		return vmig_fail(&err);
	if (watch)
		ret = watch_one(nl, vm, json, &err);
	else if (vm)
		ret = show_vm(nl, vm, json, &err);
	else
		ret = show_all(nl, json, &err);
	vmig_nl_close(nl);
	return ret ? vmig_fail(&err) : VMIG_EXIT_OK;
}

/* One that the kernel does not know yet, or that waits for its turn. */
static int cancel_waiting(const char *vm)
{
	struct vmig_request request;
	struct vmig_reply reply;
	int ret;

	vmig_request_init(&request, VMIG_REQUEST_OP_CANCEL, vm);
	ret = vmig_ask_within(&request, ASK_LIMIT_MS, &reply, NULL);
	vmig_reply_free(&reply);
	return ret;
}

int vmig_cmd_cancel(int argc, char **argv)
{
	int ret = vmig_args(argc, argv, NULL, 1, 1);
	struct vmig_err err;
	struct vmig_nl *nl;
	char reason[64];

	if (ret)
		return ret;
	if (vmig_name_check("VM", argv[optind], &err) ||
	    vmig_nl_open(&nl, &err))
		return vmig_fail(&err);
	snprintf(reason, sizeof(reason),
		 "cancelled by a command of user %u, process %d",
		 (unsigned int)getuid(), (int)getpid());
	ret = vmig_nl_migration_cancel(nl, 0, argv[optind], reason, &err);
	vmig_nl_close(nl);
	if (ret)
		ret = cancel_waiting(argv[optind]);
	if (ret)
		return vmig_fail(&err);
	printf("the migration of VM %s is cancelled; the VM stays where it was\n",
	       argv[optind]);
	return VMIG_EXIT_OK;
}
