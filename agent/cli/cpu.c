// SPDX-License-Identifier: GPL-2.0
/* Commands about processors: cpu show, cpu baseline, cpu check. */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <string.h>

#include "../config.h"
#include "../keyfile.h"
#include "cli.h"

static void print_cpu(struct json_object *cpu)
{
	printf("node     %s%s%s\nvendor   %s\nmodel    %s\nlevel    %s\n",
	       vmig_document_text(cpu, "node"),
	       *vmig_document_text(cpu, "silent") ?
	       ", as it told last; now: " : "",
	       vmig_document_text(cpu, "silent"),
	       vmig_document_text(cpu, "vendor"),
	       vmig_document_text(cpu, "model"),
	       vmig_document_text(cpu, "level"));
	printf("memory   %s bits of address\nclock    %s kHz%s\n",
	       vmig_document_text(cpu, "address_bits"),
	       vmig_document_text(cpu, "tsc_khz"),
	       vmig_document_flag(cpu, "tsc_scaling") ?
	       ", guests may have another" : "");
	if (vmig_document_flag(cpu, "filter"))
		printf("filter   possible\n");
	else
		printf("filter   not possible: %s\n",
		       vmig_document_text(cpu, "no_filter"));
	vmig_document_print_words("features ",
				  vmig_document_array(cpu, "features"));
}

static void print_baseline(struct json_object *baseline)
{
	struct json_object *nodes = vmig_document_array(baseline, "nodes");
	struct json_object *losses = vmig_document_array(baseline, "losses");
	struct json_object *o;
	char head[64];
	size_t i;

	for (i = 0; i < vmig_document_length(nodes); i++) {
		o = json_object_array_get_idx(nodes, i);
		printf("node     %s: %s, %s\n", vmig_document_text(o, "node"),
		       vmig_document_text(o, "vendor"),
		       vmig_document_text(o, "model"));
	}
	printf("level    %s\n", vmig_document_text(baseline, "level"));
	vmig_document_print_words("features ",
				  vmig_document_array(baseline, "features"));
	for (i = 0; i < vmig_document_length(losses); i++) {
		o = json_object_array_get_idx(losses, i);
		snprintf(head, sizeof(head), "without  %s, for the sake of ",
			 vmig_document_text(o, "feature"));
		vmig_document_print_words(head,
					  vmig_document_array(o, "lacking"));
	}
}

static void print_check(struct json_object *check)
{
	struct json_object *reasons = vmig_document_array(check, "reasons");
	size_t i;

	printf("VM %s %s on node %s%s%s%s\n", vmig_document_text(check, "vm"),
	       vmig_document_flag(check, "possible") ? "can run" :
	       "cannot run",
	       vmig_document_text(check, "node"),
	       *vmig_document_text(check, "silent") ?
	       " by what that told last; now: " : "",
	       vmig_document_text(check, "silent"),
	       vmig_document_length(reasons) ? ":" : "");
	for (i = 0; i < vmig_document_length(reasons); i++)
		printf("  %s\n", json_object_get_string(
			       json_object_array_get_idx(reasons, i)));
}

/* vmig_processor_print() - What a VM sees of the processor, for vm show. */
void vmig_processor_print(struct json_object *processor)
{
	struct json_object *asked = vmig_document_array(processor, "asked"), *o;
	size_t i;

	printf("policy   %s", vmig_document_text(processor, "policy"));
	if (!*vmig_document_text(processor, "frozen_on")) {
		printf(", not frozen yet\n");
		return;
	}
	printf(", frozen on node %s%s\n",
	       vmig_document_text(processor, "frozen_on"),
	       vmig_document_flag(processor, "filtered") ? "" :
	       ", without a filter");
	vmig_document_print_words("hidden   ",
				  vmig_document_array(processor, "hidden"));
	for (i = 0; i < vmig_document_length(asked); i++) {
		o = json_object_array_get_idx(asked, i);
		printf("asked    for %s %s times\n",
		       vmig_document_text(o, "feature"),
		       vmig_document_text(o, "queries"));
	}
}

int vmig_cmd_cpu_show(int argc, char **argv)
{
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, 1);
	struct vmig_request request;
	struct vmig_err err;

	if (ret)
		return ret;
	vmig_request_init(&request, VMIG_REQUEST_OP_CPU_SHOW, NULL);
	if (optind < argc) {
		if (vmig_name_check("node", argv[optind], &err))
			return vmig_fail(&err);
		snprintf(request.node, sizeof(request.node), "%s",
			 argv[optind]);
	}
	return vmig_document_ask(&request, json, print_cpu);
}

int vmig_cmd_cpu_baseline(int argc, char **argv)
{
	char names[(VMIG_PEERS_MAX + 1) * (VMIG_NAME_MAX + 1) + 1] = "";
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, VMIG_PEERS_MAX + 1);
	struct vmig_request request;
	struct vmig_err err;

	if (ret)
		return ret;
	for (; optind < argc; optind++) {
		if (vmig_name_check("node", argv[optind], &err))
			return vmig_fail(&err);
		if (*names)
			strcat(names, " ");
		strcat(names, argv[optind]);
	}
	vmig_request_init(&request, VMIG_REQUEST_OP_CPU_BASELINE, NULL);
	request.data = names;
	return vmig_document_ask(&request, json, print_baseline);
}

int vmig_cmd_cpu_check(int argc, char **argv)
{
	bool json = false, possible;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 2, 2);
	struct json_object *check;
	struct vmig_request request;
	struct vmig_reply reply;
	struct vmig_err err;

	if (ret)
		return ret;
	if (vmig_name_check("VM", argv[optind], &err) ||
	    vmig_name_check("node", argv[optind + 1], &err))
		return vmig_fail(&err);
	vmig_request_init(&request, VMIG_REQUEST_OP_CPU_CHECK, argv[optind]);
	snprintf(request.node, sizeof(request.node), "%s", argv[optind + 1]);
	ret = vmig_ask(&request, &reply, &err);
	if (!ret)
		ret = vmig_reply_json(reply.data, &check, &err);
	vmig_reply_free(&reply);
	if (ret)
		return vmig_fail(&err);
	if (json)
		vmig_json_print(stdout, check, false);
	else
		print_check(check);
	possible = vmig_document_flag(check, "possible");
	json_object_put(check);
	return possible ? VMIG_EXIT_OK : VMIG_EXIT_FAILED;
}
