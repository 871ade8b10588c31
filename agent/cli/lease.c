// SPDX-License-Identifier: GPL-2.0
/* Who may run a VM, and `vm recover`. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../keyfile.h"
#include "cli.h"

/* vmig_lease_print() - A line of `vm show`. */
void vmig_lease_print(struct json_object *lease, size_t disks)
{
	const char *kind = vmig_document_text(lease, "kind");
	const char *holder = vmig_document_text(lease, "holder");

	if (!*kind || !strcmp(kind, "none")) {
		printf("lease    none%s\n", disks ?
		       ": nothing keeps two nodes from running it on the same disks; see lease = in vmig-vm(5)" :
		       "");
		return;
	}
	printf("lease    %s", kind);
	if (!vmig_document_flag(lease, "known"))
		printf(", not read yet");
	else if (*holder)
		printf(", held by node %s, epoch %s%s", holder,
		       vmig_document_text(lease, "epoch"),
		       vmig_document_flag(lease, "complete") ? "" :
		       "; not all disks follow it");
	else
		printf(", held by nobody");
	putchar('\n');
}

static void print_recovery(struct json_object *o)
{
	const char *vm = vmig_document_text(o, "vm");
	const char *node = vmig_document_text(o, "node");
	const char *holder = vmig_document_text(o, "holder");

	printf("vm       %s\n", vm);
	vmig_lease_print(o, 1);
	printf("%s\n", vmig_document_text(o, "evidence"));
	if (vmig_document_flag(o, "arrived") && strcmp(holder, node))
		printf("It has arrived on node %s, where it is paused, and whether it was handed over is not known: it cannot go on there.\n"
		       "If it runs elsewhere, remove what has arrived: vmig-agent vm undefine %s\n",
		       node, vm);
	if (!*holder)
		printf("Nobody holds it: vmig-agent vm start %s\n", vm);
	else if (!strcmp(holder, node))
		printf("This node holds it: vmig-agent vm start %s\n", vm);
	else
		printf("If node %s is dead for certain, that is powered off or cut off from the storage, take it over:\n"
		       "  vmig-agent vm recover %s --fence-confirmed --epoch %s\n",
		       holder, vm, vmig_document_text(o, "epoch"));
}

/* With --fence-confirmed: the record that was seen has to be named. */
static int check_epoch(const char *vm, bool confirmed, const char *epoch)
{
	if (confirmed && !epoch)
		return vmig_usage("vm recover: --fence-confirmed needs --epoch N, of the lease that you saw with: vmig-agent vm recover %s",
				  vm);
	if (!confirmed && epoch)
		return vmig_usage("vm recover: --epoch goes with --fence-confirmed, by which you say that the lease's holder is dead for certain");
	if (epoch && (!*epoch || epoch[strspn(epoch, "0123456789")]))
		return vmig_usage("vm recover: --epoch %s is not a number", epoch);
	return 0;
}

int vmig_cmd_vm_recover(int argc, char **argv)
{
	static const struct option options[] = {
		{ "fence-confirmed", no_argument, NULL, 'f' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ }
	};
	bool confirmed = false, json = false;
	struct vmig_request request;
	const char *epoch = NULL;
	struct vmig_err err;
	int c, ret;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			confirmed = true;
		else if (c == 'e')
			epoch = optarg;
		else if (c == 'j')
			json = true;
		else
			return vmig_usage("vm recover: wrong option");
	}
	if (argc - optind != 1)
		return vmig_usage("vm recover wants the name of one VM");
	if (vmig_name_check("VM", argv[optind], &err))
		return vmig_fail(&err);
	ret = check_epoch(argv[optind], confirmed, epoch);
	if (ret)
		return ret;
	vmig_request_init(&request, VMIG_REQUEST_OP_VM_RECOVER, argv[optind]);
	request.data = (char *)epoch;
	return vmig_document_ask(&request, json, print_recovery);
}
