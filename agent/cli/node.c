// SPDX-License-Identifier: GPL-2.0
/* node list and node show: what nodes are and what they are at. */
#include <getopt.h>
#include <json-c/json.h>
#include <string.h>

#include "../keyfile.h"
#include "cli.h"

/* "idle", "web1 to b", "web1 from b". */
static void format_slot(struct json_object *node, char *text, size_t size)
{
	struct json_object *slot = vmig_document_object(node, "slot");
	struct json_object *holders = vmig_document_array(slot, "holders"), *o;
	bool leaves;

	if (!vmig_document_length(holders)) {
		snprintf(text, size, "idle");
		return;
	}
	o = json_object_array_get_idx(holders, 0);
	leaves = !strcmp(vmig_document_text(o, "from"),
			 vmig_document_text(node, "node"));
	snprintf(text, size, "%s %s %s%s", vmig_document_text(o, "vm"),
		 leaves ? "to" : "from",
		 vmig_document_text(o, leaves ? "to" : "from"),
		 vmig_document_length(holders) > 1 ? ", ..." : "");
}

static int name_width(struct json_object *nodes)
{
	size_t n = vmig_document_length(nodes), i;
	int width = 4, len;

	for (i = 0; i < n; i++) {
		len = (int)strlen(vmig_document_text(
			json_object_array_get_idx(nodes, i), "node"));
		if (len > width)
			width = len;
	}
	return width;
}

static void print_list(struct json_object *json)
{
	struct json_object *nodes = vmig_document_array(json, "nodes");
	size_t n = vmig_document_length(nodes), i;
	int width = name_width(nodes);
	char slot[256];

	printf("%-*s  %-15s  %3s  %8s  %-16s  %-9s  %s\n", width, "NODE",
	       "ADDRESS", "VMS", "FREE", "KERNEL", "STATE", "MIGRATES");
	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(nodes, i);

		printf("%-*s  %-15s  ", width, vmig_document_text(o, "node"),
		       vmig_document_text(o, "address"));
		if (*vmig_document_text(o, "silent")) {
			printf("%3s  %8s  %-16s  not reached: %s\n", "-", "-",
			       "-", vmig_document_text(o, "silent"));
			continue;
		}
		format_slot(o, slot, sizeof(slot));
		printf("%3s  %8s  %-16s  %-9s  %s\n",
		       vmig_document_text(o, "vms"),
		       vmig_text_bytes(vmig_document_number(o, "memory_free")).s,
		       vmig_document_text(o, "kernel"),
		       vmig_document_flag(o, "draining") ? "draining" : "ready",
		       slot);
	}
}

static void print_holders(struct json_object *node)
{
	struct json_object *slot = vmig_document_object(node, "slot");
	struct json_object *list = vmig_document_array(slot, "holders"), *o;
	size_t i;

	printf("slots    %zu of %s in use\n", vmig_document_length(list),
	       vmig_document_text(slot, "limit"));
	for (i = 0; i < vmig_document_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		printf("moves    VM %s from node %s to node %s since %s s\n",
		       vmig_document_text(o, "vm"),
		       vmig_document_text(o, "from"),
		       vmig_document_text(o, "to"),
		       vmig_document_text(o, "seconds"));
	}
}

void vmig_queue_print(struct json_object *node, const char *vm)
{
	struct json_object *list = vmig_document_array(node, "queue"), *o;
	size_t i;

	for (i = 0; i < vmig_document_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		if (vm && strcmp(vm, vmig_document_text(o, "vm")))
			continue;
		printf("waits    %s. VM %s to node %s since %s s: %s\n",
		       vmig_document_text(o, "position"),
		       vmig_document_text(o, "vm"),
		       vmig_document_text(o, "node"),
		       vmig_document_text(o, "seconds"),
		       vmig_document_text(o, "why"));
	}
}

/* Only what has happened. */
static void print_refused(struct json_object *refused)
{
	const char *between = "refused  ";

	if (!refused)
		return;
	json_object_object_foreach(refused, reason, times) {
		if (!json_object_get_uint64(times))
			continue;
		printf("%s%s %llu", between, reason,
		       (unsigned long long)json_object_get_uint64(times));
		between = ", ";
	}
	if (*between == ',')
		putchar('\n');
}

static void print_node(struct json_object *node)
{
	struct json_object *peers = vmig_document_array(node, "peers"), *peer;
	size_t i;

	printf("node     %s, address %s port %s\n",
	       vmig_document_text(node, "node"),
	       vmig_document_text(node, "address"),
	       vmig_document_text(node, "port"));
	printf("kernel   %s on %s\n", vmig_document_text(node, "kernel"),
	       vmig_document_text(node, "cpu_vendor"));
	printf("memory   %s free, %s if all VMs touch all of theirs\n",
	       vmig_text_bytes(vmig_document_number(node, "memory_free")).s,
	       vmig_text_bytes(vmig_document_number(node, "memory_room")).s);
	printf("vms      %s, of which %s run\n",
	       vmig_document_text(node, "vms"),
	       vmig_document_text(node, "vms_running"));
	if (vmig_document_flag(node, "draining"))
		printf("drained  no VM starts or arrives here; state: %s\n",
		       vmig_document_text(vmig_document_object(node, "drain"),
					  "state"));
	print_holders(node);
	vmig_queue_print(node, NULL);
	for (i = 0; i < vmig_document_length(peers); i++) {
		peer = json_object_array_get_idx(peers, i);
		printf("peer     %s, address %s port %s\n",
		       vmig_document_text(peer, "name"),
		       vmig_document_text(peer, "address"),
		       vmig_document_text(peer, "port"));
	}
	print_refused(vmig_document_object(node, "refused"));
}

int vmig_cmd_node_list(int argc, char **argv)
{
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, 0);
	struct vmig_request request;

	if (ret)
		return ret;
	vmig_request_init(&request, VMIG_REQUEST_OP_NODE_LIST, NULL);
	return vmig_document_ask(&request, json, print_list);
}

int vmig_cmd_node_show(int argc, char **argv)
{
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, 1);
	struct vmig_request request;
	struct vmig_err err;

	if (ret)
		return ret;
	vmig_request_init(&request, VMIG_REQUEST_OP_NODE_SHOW, NULL);
	if (optind < argc) {
		if (vmig_name_check("node", argv[optind], &err))
			return vmig_fail(&err);
		strcpy(request.node, argv[optind]);
	}
	return vmig_document_ask(&request, json, print_node);
}
