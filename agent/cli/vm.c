// SPDX-License-Identifier: GPL-2.0
/* Commands by which the daemon does something to a VM. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../definition.h"
#include "cli.h"

/* Ask for something that is answered by a sentence, or by nothing. */
static int ask_for_action(const struct vmig_request *request)
{
	struct vmig_reply reply;
	struct vmig_err err;
	int ret = vmig_ask(request, &reply, &err);

	if (!ret && *reply.message)
		printf("%s\n", reply.message);
	vmig_reply_free(&reply);
	return ret ? vmig_fail(&err) : VMIG_EXIT_OK;
}

static int act_on_vm(enum vmig_request_op op, const char *vm, bool force)
{
	struct vmig_request request;
	struct vmig_err err;

	if (vmig_name_check("VM", vm, &err))
		return vmig_fail(&err);
	vmig_request_init(&request, op, vm);
	request.force = force;
	return ask_for_action(&request);
}

int vmig_cmd_vm_define(int argc, char **argv)
{
	int ret = vmig_args(argc, argv, NULL, 1, 1);
	struct vmig_definition *def;
	struct vmig_request request;
	struct vmig_err err;
	char *text = NULL;

	if (ret)
		return ret;
	def = malloc(sizeof(*def));
	if (!def) {
		vmig_err_set(&err, ENOMEM, "out of memory");
		return vmig_fail(&err);
	}
	/* The daemon checks it too; only here the file's name is known. */
	if (vmig_definition_load(argv[optind], def, &text, &err)) {
		ret = vmig_fail(&err);
	} else {
		vmig_request_init(&request, VMIG_REQUEST_OP_VM_DEFINE,
				  def->name);
		request.data = text;
		ret = ask_for_action(&request);
	}
	free(text);
	free(def);
	return ret;
}

int vmig_cmd_vm_undefine(int argc, char **argv)
{
	int ret = vmig_args(argc, argv, NULL, 1, 1);

	return ret ? ret : act_on_vm(VMIG_REQUEST_OP_VM_UNDEFINE, argv[optind],
				     false);
}

int vmig_cmd_vm_set(int argc, char **argv)
{
	int ret = vmig_args(argc, argv, NULL, 2, 2);
	struct vmig_request request;
	struct vmig_err err;

	if (ret)
		return ret;
	if (vmig_name_check("VM", argv[optind], &err))
		return vmig_fail(&err);
	vmig_request_init(&request, VMIG_REQUEST_OP_VM_SET, argv[optind]);
	request.data = argv[optind + 1];
	return ask_for_action(&request);
}

int vmig_cmd_vm_start(int argc, char **argv)
{
	int ret = vmig_args(argc, argv, NULL, 1, 1);

	return ret ? ret : act_on_vm(VMIG_REQUEST_OP_VM_START, argv[optind],
				     false);
}

int vmig_cmd_vm_stop(int argc, char **argv)
{
	bool force = false;
	const struct vmig_flag flags[] = { { "force", &force }, { } };
	int ret = vmig_args(argc, argv, flags, 1, 1);

	return ret ? ret : act_on_vm(VMIG_REQUEST_OP_VM_STOP, argv[optind],
				     force);
}
