// SPDX-License-Identifier: GPL-2.0
/* check: what would speak against a migration, a line a check. */
#include <getopt.h>
#include <json-c/json.h>
#include <string.h>

#include "../keyfile.h"
#include "cli.h"

/* Further lines of a text begin where the first did. */
static void print_text(const char *text, int indent)
{
	size_t len;

	for (;;) {
		len = strcspn(text, "\n");
		printf("%.*s\n", (int)len, text);
		if (!text[len])
			return;
		text += len + 1;
		printf("%*s", indent, "");
	}
}

static void print_checks(struct json_object *json)
{
	struct json_object *checks = vmig_document_array(json, "checks");
	size_t n = vmig_document_length(checks), i, failed = 0;

	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(checks, i);
		const char *node = vmig_document_text(o, "node");
		int indent;

		indent = printf("%-7s %-17s %s: ",
				vmig_document_text(o, "verdict"),
				vmig_document_text(o, "name"), node);
		print_text(*vmig_document_text(o, "text") ?
			   vmig_document_text(o, "text") : "-", indent);
		failed += !vmig_document_flag(o, "ok");
	}
	if (failed)
		printf("VM %s cannot move to node %s: %zu of %zu checks failed\n",
		       vmig_document_text(json, "vm"),
		       vmig_document_text(json, "node"), failed, n);
	else
		printf("VM %s can move to node %s\n",
		       vmig_document_text(json, "vm"),
		       vmig_document_text(json, "node"));
}

static int parse_args(int argc, char **argv, struct vmig_request *request,
		      bool *json)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "transport", required_argument, NULL, 't' },
		{ }
	};
	struct vmig_err err;
	int c, ret = 0;

	vmig_request_init(request, VMIG_REQUEST_OP_CHECK, NULL);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			*json = true;
		else if (c == 't')
			ret = vmig_request_take_transport(request, optarg);
		else
			ret = vmig_usage("check: wrong option");
		if (ret)
			return ret;
	}
	if (argc - optind != 2)
		return vmig_usage("check wants a VM and a node");
	if (vmig_name_check("VM", argv[optind], &err) ||
	    vmig_name_check("node", argv[optind + 1], &err))
		return vmig_fail(&err);
	strcpy(request->vm, argv[optind]);
	strcpy(request->node, argv[optind + 1]);
	return 0;
}

int vmig_cmd_check(int argc, char **argv)
{
	bool json = false, possible;
	struct vmig_request request;
	struct json_object *checks;
	struct vmig_reply reply;
	struct vmig_err err;
	int ret;

	ret = parse_args(argc, argv, &request, &json);
	if (ret)
		return ret;
	ret = vmig_ask(&request, &reply, &err);
	if (!ret)
		ret = vmig_reply_json(reply.data, &checks, &err);
	vmig_reply_free(&reply);
	if (ret)
		return vmig_fail(&err);
	if (json)
		vmig_json_print(stdout, checks, false);
	else
		print_checks(checks);
	possible = vmig_document_flag(checks, "possible");
	json_object_put(checks);
	return possible ? VMIG_EXIT_OK : VMIG_EXIT_FAILED;
}
