// SPDX-License-Identifier: GPL-2.0
/* node drain and node undrain: begin it, and tell how it goes until its end. */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <string.h>
#include <time.h>

#include "../keyfile.h"
#include "cli.h"

#define POLL_MS		500
/* A node that is asked may be restarting. */
#define SILENCE_POLLS	60

struct progress {
	struct vmig_request request;
	const char *under_way;	/* the state that has an end */
	bool back;
	bool quiet;
	struct json_object *told;	/* VM: what was printed of it last */
	struct json_object *node;	/* node-show's last answer */
};

static void print_whys(struct json_object *vm)
{
	struct json_object *whys = vmig_document_array(vm, "whys"), *o;
	size_t i;

	for (i = 0; i < vmig_document_length(whys); i++) {
		o = json_object_array_get_idx(whys, i);
		printf("  node %s: %s\n", vmig_document_text(o, "node"),
		       vmig_document_text(o, "why"));
	}
}

static void print_vm(const struct progress *p, struct json_object *vm)
{
	const char *name = vmig_document_text(vm, "vm");
	const char *node = vmig_document_text(vm, "node");
	const char *state = vmig_document_text(vm, "state");
	const char *here = vmig_document_text(p->node, "node");

	if (!strcmp(state, "moves"))
		printf("VM %s: from node %s to node %s\n", name,
		       p->back ? node : here, p->back ? here : node);
	else if (!strcmp(state, "moved"))
		printf("VM %s: runs on node %s\n", name, p->back ? here : node);
	else if (!strcmp(state, "stayed"))
		printf("VM %s: %s\n", name, p->back ? "did not come back" :
		       "stays");
	else if (!strcmp(state, "gone"))
		printf("VM %s: %s\n", name, p->back ? "does not come back" :
		       "ended by itself");
	if (!strcmp(state, "stayed") || !strcmp(state, "gone"))
		print_whys(vm);
	fflush(stdout);
}

/* Only what is new. */
static void print_progress(struct progress *p)
{
	struct json_object *drain = vmig_document_object(p->node, "drain");
	struct json_object *vms = vmig_document_array(drain, "vms");
	size_t i;

	for (i = 0; i < vmig_document_length(vms); i++) {
		struct json_object *vm = json_object_array_get_idx(vms, i);
		const char *name = vmig_document_text(vm, "vm");
		const char *state = vmig_document_text(vm, "state");

		if (!strcmp(vmig_document_text(p->told, name), state))
			continue;
		json_object_object_add(p->told, name,
				       json_object_new_string(state));
		if (!p->quiet)
			print_vm(p, vm);
	}
}

static void print_stopped(struct progress *p)
{
	struct json_object *drain = vmig_document_object(p->node, "drain");
	struct json_object *list = vmig_document_array(drain, "stopped");
	size_t i;

	for (i = 0; i < vmig_document_length(list) && !p->back; i++)
		printf("VM %s: is stopped, and stays\n",
		       json_object_get_string(
			       json_object_array_get_idx(list, i)));
}

static int ask(struct progress *p, enum vmig_request_op op,
	       struct vmig_err *err)
{
	struct vmig_reply reply;
	struct json_object *o;
	int ret;

	p->request.op = op;
	ret = vmig_ask(&p->request, &reply, err);
	if (!ret)
		ret = vmig_reply_json(reply.data, &o, err);
	vmig_reply_free(&reply);
	if (ret)
		return ret;
	json_object_put(p->node);
	p->node = o;
	return 0;
}

static const char *state_of(const struct progress *p)
{
	return vmig_document_text(vmig_document_object(p->node, "drain"),
				  "state");
}

/* To the end, also over a restart of the node's daemon. */
static int follow(struct progress *p, struct vmig_err *err)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	unsigned int silent = 0;
	int ret = 0;

	print_progress(p);
	while (!strcmp(state_of(p), p->under_way)) {
		nanosleep(&pause, NULL);
		ret = ask(p, VMIG_REQUEST_OP_NODE_SHOW, err);
		silent = ret ? silent + 1 : 0;
		if (silent == SILENCE_POLLS)
			return ret;
		print_progress(p);
	}
	return 0;
}

static int finish(struct progress *p, bool json)
{
	const char *state = state_of(p);
	const char *node = vmig_document_text(p->node, "node");
	bool good = !strcmp(state, "drained") || !strcmp(state, "returned") ||
		    !strcmp(state, "none");

	if (json) {
		vmig_json_print(stdout,
				vmig_document_object(p->node, "drain"), false);
	} else {
		print_stopped(p);
		if (p->back)
			printf("node %s takes VMs again%s\n", node,
			       good ? "" : ", and not all that left are back");
		else
			printf("node %s is %s\n", node, good ? "drained" :
			       "not drained: VMs are left that found no other node");
	}
	return good ? VMIG_EXIT_OK : VMIG_EXIT_FAILED;
}

static int run(int argc, char **argv, enum vmig_request_op op)
{
	bool json = false;
	const struct vmig_flag flags[] = { { "json", &json }, { } };
	int ret = vmig_args(argc, argv, flags, 0, 1);
	struct progress p = {
		.back = op == VMIG_REQUEST_OP_NODE_UNDRAIN,
	};
	struct vmig_err err;

	if (ret)
		return ret;
	vmig_request_init(&p.request, op, NULL);
	if (optind < argc) {
		if (vmig_name_check("node", argv[optind], &err))
			return vmig_fail(&err);
		strcpy(p.request.node, argv[optind]);
	}
	p.under_way = p.back ? "returning" : "draining";
	p.quiet = json;
	p.told = json_object_new_object();
	ret = ask(&p, op, &err);
	if (!ret)
		ret = follow(&p, &err);
	ret = ret ? vmig_fail(&err) : finish(&p, json);
	json_object_put(p.told);
	json_object_put(p.node);
	return ret;
}

int vmig_cmd_node_drain(int argc, char **argv)
{
	return run(argc, argv, VMIG_REQUEST_OP_NODE_DRAIN);
}

int vmig_cmd_node_undrain(int argc, char **argv)
{
	return run(argc, argv, VMIG_REQUEST_OP_NODE_UNDRAIN);
}
