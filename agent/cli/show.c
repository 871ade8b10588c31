// SPDX-License-Identifier: GPL-2.0
/* Commands by which the daemon tells something: vm list, vm show. */
#include <getopt.h>
#include <json-c/json.h>
#include <string.h>

#include "../keyfile.h"
#include "cli.h"

/* "a", "nobody", "-" without one, "?" if the storage was not asked yet */
static const char *lease_word(struct json_object *lease)
{
	const char *kind = vmig_document_text(lease, "kind");

	if (!*kind || !strcmp(kind, "none"))
		return "-";
	if (!vmig_document_flag(lease, "known"))
		return "?";
	return *vmig_document_text(lease, "holder") ?
		vmig_document_text(lease, "holder") : "nobody";
}

static void print_list(struct json_object *json)
{
	struct json_object *vms = vmig_document_array(json, "vms");
	size_t n = vmig_document_length(vms), i;
	int width = 2, len;

	if (!n) {
		printf("no VMs\n");
		return;
	}
	for (i = 0; i < n; i++) {
		len = strlen(vmig_document_text(json_object_array_get_idx(vms, i),
				     "name"));
		if (len > width)
			width = len;
	}
	printf("%-*s  %-9s  %8s  %5s  %8s  %s\n", width, "VM", "STATE", "MEMORY",
	       "VCPUS", "PID", "LEASE");
	for (i = 0; i < n; i++) {
		struct json_object *vm = json_object_array_get_idx(vms, i);
		uint64_t pid = vmig_document_number(vm, "pid");

		printf("%-*s  %-9s  %8s  %5llu  %8s  %s\n", width,
		       vmig_document_text(vm, "name"), vmig_document_text(vm, "state"),
		       vmig_text_bytes(vmig_document_number(vm, "memory")).s,
		       (unsigned long long)vmig_document_number(vm, "vcpus"),
		       pid ? vmig_document_text(vm, "pid") : "-",
		       lease_word(vmig_document_object(vm, "lease")));
	}
}

static void print_nic(struct json_object *nic)
{
	struct json_object *addresses = vmig_document_array(nic, "addresses");
	struct json_object *announced = vmig_document_object(nic, "announced");
	size_t i;

	printf("nic      %s: %s on bridge %s, tap %s", vmig_document_text(nic, "name"),
	       vmig_document_text(nic, "mac"), vmig_document_text(nic, "bridge"),
	       vmig_document_text(nic, "tap"));
	if (vmig_document_number(nic, "vlan"))
		printf(", VLAN %s", vmig_document_text(nic, "vlan"));
	for (i = 0; i < vmig_document_length(addresses); i++)
		printf("%s %s", i ? "," : ", addresses",
		       json_object_get_string(
			       json_object_array_get_idx(addresses, i)));
	puts(vmig_document_flag(nic, "learned")
	     ? " (learned from the neighbours of this host)" :
	     i ? "" : ", addresses not known: only its MAC is announced");
	if (announced) {
		fputs("announce ", stdout);
		vmig_network_print_nic(stdout, announced);
	}
}

static void print_vm(struct json_object *vm)
{
	struct json_object *disks = vmig_document_array(vm, "disks");
	struct json_object *nics = vmig_document_array(vm, "nics");
	struct json_object *disk;
	size_t i;

	printf("vm       %s\nstate    %s", vmig_document_text(vm, "name"),
	       vmig_document_text(vm, "state"));
	if (vmig_document_number(vm, "pid"))
		printf(", QEMU is process %s", vmig_document_text(vm, "pid"));
	printf("\nmemory   %s\nvcpus    %s of %s\nmachine  %s\n",
	       vmig_text_bytes(vmig_document_number(vm, "memory")).s,
	       vmig_document_text(vm, "vcpus"), vmig_document_text(vm, "cpu"),
	       vmig_document_text(vm, "machine"));
	vmig_processor_print(vmig_document_object(vm, "processor"));
	vmig_lease_print(vmig_document_object(vm, "lease"),
			 vmig_document_length(disks));
	for (i = 0; i < vmig_document_length(disks); i++) {
		disk = json_object_array_get_idx(disks, i);
		printf("disk     %s: %s (%s)\n", vmig_document_text(disk, "name"),
		       vmig_document_text(disk, "path"), vmig_document_text(disk, "format"));
	}
	for (i = 0; i < vmig_document_length(nics); i++)
		print_nic(json_object_array_get_idx(nics, i));
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
	return vmig_document_ask(&request, json, print_list);
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
	return vmig_document_ask(&request, json, print_vm);
}
