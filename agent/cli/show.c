// SPDX-License-Identifier: GPL-2.0
/* Commands by which the daemon tells something: vm list, vm show, node. */
#include <getopt.h>
#include <json-c/json.h>
#include <string.h>

#include "../keyfile.h"
#include "cli.h"

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return "";
	return json_object_get_string(value);
}

static uint64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return 0;
	return json_object_get_uint64(value);
}

static struct json_object *array_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_array))
		return NULL;
	return value;
}

static size_t length_of(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

static void print_list(struct json_object *json)
{
	struct json_object *vms = array_of(json, "vms");
	size_t n = length_of(vms), i;
	int width = 2, len;

	if (!n) {
		printf("no VMs\n");
		return;
	}
	for (i = 0; i < n; i++) {
		len = strlen(text_of(json_object_array_get_idx(vms, i),
				     "name"));
		if (len > width)
			width = len;
	}
	printf("%-*s  %-9s  %8s  %5s  %8s\n", width, "VM", "STATE", "MEMORY",
	       "VCPUS", "PID");
	for (i = 0; i < n; i++) {
		struct json_object *vm = json_object_array_get_idx(vms, i);
		uint64_t pid = number_of(vm, "pid");

		printf("%-*s  %-9s  %8s  %5llu  %8s\n", width,
		       text_of(vm, "name"), text_of(vm, "state"),
		       vmig_text_bytes(number_of(vm, "memory")).s,
		       (unsigned long long)number_of(vm, "vcpus"),
		       pid ? text_of(vm, "pid") : "-");
	}
}

static void print_nic(struct json_object *nic)
{
	struct json_object *addresses = array_of(nic, "addresses");
	size_t i;

	printf("nic      %s: %s on bridge %s, tap %s", text_of(nic, "name"),
	       text_of(nic, "mac"), text_of(nic, "bridge"),
	       text_of(nic, "tap"));
	for (i = 0; i < length_of(addresses); i++)
		printf("%s %s", i ? "," : ", addresses",
		       json_object_get_string(
			       json_object_array_get_idx(addresses, i)));
	putchar('\n');
}

static void print_vm(struct json_object *vm)
{
	struct json_object *disks = array_of(vm, "disks");
	struct json_object *nics = array_of(vm, "nics");
	struct json_object *disk;
	size_t i;

	printf("vm       %s\nstate    %s", text_of(vm, "name"),
	       text_of(vm, "state"));
	if (number_of(vm, "pid"))
		printf(", QEMU is process %s", text_of(vm, "pid"));
	printf("\nmemory   %s\nvcpus    %s of %s\nmachine  %s\n",
	       vmig_text_bytes(number_of(vm, "memory")).s,
	       text_of(vm, "vcpus"), text_of(vm, "cpu"),
	       text_of(vm, "machine"));
	for (i = 0; i < length_of(disks); i++) {
		disk = json_object_array_get_idx(disks, i);
		printf("disk     %s: %s (%s)\n", text_of(disk, "name"),
		       text_of(disk, "path"), text_of(disk, "format"));
	}
	for (i = 0; i < length_of(nics); i++)
		print_nic(json_object_array_get_idx(nics, i));
}

static void print_node(struct json_object *node)
{
	struct json_object *peers = array_of(node, "peers"), *peer;
	size_t i;

	printf("node     %s, address %s port %s\n", text_of(node, "node"),
	       text_of(node, "address"), text_of(node, "port"));
	printf("kernel   %s on %s\n", text_of(node, "kernel"),
	       text_of(node, "cpu_vendor"));
	printf("memory   %s free\n",
	       vmig_text_bytes(number_of(node, "memory_free")).s);
	for (i = 0; i < length_of(peers); i++) {
		peer = json_object_array_get_idx(peers, i);
		printf("peer     %s, address %s port %s\n",
		       text_of(peer, "name"), text_of(peer, "address"),
		       text_of(peer, "port"));
	}
}

/* Ask for something that is answered by a document. */
static int ask_for_document(const struct vmig_request *request, bool as_json,
			    void (*print)(struct json_object *json))
{
	struct json_object *json = NULL;
	struct vmig_reply reply;
	struct vmig_err err;
	int ret = vmig_ask(request, &reply, &err);

	if (!ret)
		ret = vmig_reply_json(reply.data, &json, &err);
	vmig_reply_free(&reply);
	if (ret)
		return vmig_fail(&err);
	if (as_json)
		vmig_json_print(stdout, json, false);
	else
		print(json);
	json_object_put(json);
	return VMIG_EXIT_OK;
}

int vmig_cmd_vm_list(int argc, char **argv)
{
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, 0);
	struct vmig_request request;

	if (ret)
		return ret;
	vmig_request_init(&request, VMIG_REQUEST_OP_VM_LIST, NULL);
	return ask_for_document(&request, json, print_list);
}

int vmig_cmd_vm_show(int argc, char **argv)
{
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 1, 1);
	struct vmig_request request;
	struct vmig_err err;

	if (ret)
		return ret;
	if (vmig_name_check("VM", argv[optind], &err))
		return vmig_fail(&err);
	vmig_request_init(&request, VMIG_REQUEST_OP_VM_SHOW, argv[optind]);
	return ask_for_document(&request, json, print_vm);
}

int vmig_cmd_node(int argc, char **argv)
{
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, 0);
	struct vmig_request request;

	if (ret)
		return ret;
	vmig_request_init(&request, VMIG_REQUEST_OP_NODE_SHOW, NULL);
	return ask_for_document(&request, json, print_node);
}
