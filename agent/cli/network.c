// SPDX-License-Identifier: GPL-2.0
/* What became of a VM's announcements, and the command that makes them. */
#include <getopt.h>
#include <json-c/json.h>
#include <string.h>

#include "../keyfile.h"
#include "cli.h"

/* "lan: the VM sent a frame after 12 ms, in round 1" */
void vmig_network_print_nic(FILE *out, struct json_object *nic)
{
	const char *by = vmig_document_text(nic, "acknowledged_by");
	unsigned int ms = vmig_document_number(nic, "ms");
	unsigned int rounds = vmig_document_number(nic, "rounds");

	if (!strcmp(by, "vm") || !strcmp(by, "outside"))
		fprintf(out, "%s: %s after %u ms, in round %u\n",
			vmig_document_text(nic, "nic"),
			!strcmp(by, "vm") ? "the VM sent a frame"
					  : "a frame came from outside",
			ms, rounds);
	else
		fprintf(out, "%s: warning: not acknowledged within %u rounds, %u ms\n",
			vmig_document_text(nic, "nic"), rounds, ms);
}

void vmig_network_print(FILE *out, struct json_object *network)
{
	size_t i;

	for (i = 0; i < vmig_document_length(network); i++) {
		fputs("  network      ", out);
		vmig_network_print_nic(out,
				       json_object_array_get_idx(network, i));
	}
}

static void print_answer(struct json_object *json)
{
	struct json_object *network = vmig_document_array(json, "network");
	size_t i;

	for (i = 0; i < vmig_document_length(network); i++)
		vmig_network_print_nic(stdout,
				       json_object_array_get_idx(network, i));
}

int vmig_cmd_announce(int argc, char **argv)
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
	vmig_request_init(&request, VMIG_REQUEST_OP_ANNOUNCE, argv[optind]);
	return vmig_document_ask(&request, json, print_answer);
}
