// SPDX-License-Identifier: GPL-2.0
/* The processors of the cluster, as far as they are known here. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../file.h"
#include "../keyfile.h"
#include "../nl_cpuid.h"
#include "handshake.h"
#include "message.h"
#include "nodes.h"

#define NODES_PATH_MAX	(PATH_MAX + VMIG_NAME_MAX + 16)

/**
 * struct known - what is known of one peer
 * @cpu: owned; NULL if it never told
 * @why: it has none for guests, or could not be asked; "" if neither
 * @vendor: "" if it never told
 * @silent: it could not be asked when that was tried last
 */
struct known {
	struct vmig_cpu *cpu;
	char why[256];
	char vendor[16];
	bool silent;
};

struct vmig_nodes {
	const struct vmig_config *config;
	struct vmig_nl *nl;
	sd_event *event;
	struct vmig_cpu *own;	/* NULL while KVM is not there */
	struct known peers[VMIG_PEERS_MAX];
};

static void store_path(const struct vmig_nodes *nodes, const char *name,
		       char path[NODES_PATH_MAX])
{
	snprintf(path, NODES_PATH_MAX, "%s/nodes/%s", nodes->config->state,
		 name);
}

static struct known *find(struct vmig_nodes *nodes, const char *name)
{
	const struct vmig_peer *peer = vmig_config_peer(nodes->config, name);

	return peer ? &nodes->peers[peer - nodes->config->peers] : NULL;
}

const struct vmig_cpu *vmig_nodes_here(struct vmig_nodes *nodes,
				       struct vmig_err *err)
{
	struct vmig_cpu *cpu = nodes->own;
	struct vmig_err why;

	/* KVM may be loaded later than the daemon. */
	if (!cpu) {
		cpu = calloc(1, sizeof(*cpu));
		if (!cpu) {
			vmig_err_set(err, ENOMEM, "out of memory");
			return NULL;
		}
		if (vmig_cpu_read(cpu, err)) {
			free(cpu);
			return NULL;
		}
		nodes->own = cpu;
	}
	cpu->filter = vmig_nl_cpuid_support(nodes->nl, &why);
	snprintf(cpu->no_filter, sizeof(cpu->no_filter), "%s",
		 cpu->filter ? "" : why.text);
	return cpu;
}

const struct vmig_cpu *vmig_nodes_cpu(struct vmig_nodes *nodes,
				      const char *name, struct vmig_err *err)
{
	struct known *known;

	if (!strcmp(name, nodes->config->node))
		return vmig_nodes_here(nodes, err);
	known = find(nodes, name);
	if (!known)
		vmig_err_set(err, ENOENT,
			     "node %s knows no node %s: add it to [peers] in agent.conf",
			     nodes->config->node, name);
	else if (!known->cpu)
		vmig_err_set(err, ENODATA,
			     "the processor of node %s is not known: %s", name,
			     known->why[0] ? known->why :
			     "it has not been met yet");
	return known ? known->cpu : NULL;
}

const char *vmig_nodes_silent(struct vmig_nodes *nodes, const char *name)
{
	const struct known *known = find(nodes, name);

	return known && known->silent ? known->why : NULL;
}

const char *vmig_nodes_vendor(struct vmig_nodes *nodes, const char *name)
{
	const struct known *known = find(nodes, name);

	return known ? known->vendor : "";
}

void vmig_nodes_add(struct vmig_nodes *nodes, struct json_object *greeting)
{
	const struct vmig_cpu *cpu;
	struct vmig_err why;

	cpu = vmig_nodes_here(nodes, &why);
	if (cpu)
		json_object_object_add(greeting, "cpu", vmig_cpu_encode(cpu));
	else
		vmig_json_add_string(greeting, "no_cpu", why.text);
}

static void keep(struct vmig_nodes *nodes, const char *name,
		 struct json_object *cpu)
{
	char path[NODES_PATH_MAX];
	struct vmig_err err;

	store_path(nodes, name, path);
	/* Not kept, it is asked again after a restart: nothing is lost. */
	if (vmig_file_write(path, json_object_to_json_string_ext(cpu,
				JSON_C_TO_STRING_PLAIN), &err))
		fprintf(stderr, "%s\n", err.text);
}

void vmig_nodes_learn(struct vmig_nodes *nodes, const char *name,
		      struct json_object *greeting)
{
	struct known *known = find(nodes, name);
	struct json_object *o;
	struct vmig_cpu *cpu;
	struct vmig_err err;
	const char *why, *vendor;

	if (!known)
		return;
	known->silent = false;
	vendor = vmig_json_string(greeting, "cpu_vendor");
	snprintf(known->vendor, sizeof(known->vendor), "%s",
		 vendor ? vendor : "");
	if (!json_object_object_get_ex(greeting, "cpu", &o)) {
		why = vmig_json_string(greeting, "no_cpu");
		snprintf(known->why, sizeof(known->why), "%s",
			 why ? why : "it does not tell");
		free(known->cpu);
		known->cpu = NULL;
		return;
	}
	cpu = calloc(1, sizeof(*cpu));
	if (!cpu)
		return;
	if (vmig_cpu_decode(o, cpu, &err)) {
		snprintf(known->why, sizeof(known->why), "%s", err.text);
		free(cpu);
		return;
	}
	known->why[0] = '\0';
	if (!known->cpu || memcmp(known->cpu, cpu, sizeof(*cpu)))
		keep(nodes, name, o);
	free(known->cpu);
	known->cpu = cpu;
}

/* One question to several peers. */
struct question {
	struct vmig_nodes *nodes;
	unsigned int pending;
	void (*fn)(void *arg);
	void *arg;
};

static void put_question(struct question *q)
{
	if (--q->pending)
		return;
	q->fn(q->arg);
	free(q);
}

static void on_told(void *arg, const struct vmig_peer *peer,
		    struct json_object *greeting, const char *why)
{
	struct question *q = arg;
	struct known *known = find(q->nodes, peer->name);

	if (why) {
		known->silent = true;
		snprintf(known->why, sizeof(known->why), "%s", why);
	} else {
		vmig_nodes_learn(q->nodes, peer->name, greeting);
	}
	put_question(q);
}

void vmig_nodes_ask(struct vmig_nodes *nodes, uint64_t wanted,
		    void (*fn)(void *arg), void *arg)
{
	const struct vmig_config *config = nodes->config;
	struct question *q = calloc(1, sizeof(*q));
	struct json_object *greeting;
	struct vmig_hello mine;
	unsigned int i;

	if (!q)
		abort();	/* a daemon without memory is restarted */
	q->nodes = nodes;
	q->fn = fn;
	q->arg = arg;
	/* Ours, so that it does not end before all are asked. */
	q->pending = 1;
	vmig_hello_local(&mine, config, NULL);
	for (i = 0; i < config->npeers; i++) {
		if (!(wanted & 1ULL << i))
			continue;
		greeting = vmig_hello_encode(&mine);
		vmig_json_add_string(greeting, "kind", "node");
		vmig_nodes_add(nodes, greeting);
		q->pending++;
		vmig_inquiry_start(nodes->event, config, &config->peers[i],
				   greeting, on_told, q);
	}
	put_question(q);
}

uint64_t vmig_nodes_unknown(struct vmig_nodes *nodes)
{
	uint64_t unknown = 0;
	unsigned int i;

	for (i = 0; i < nodes->config->npeers; i++)
		if (!nodes->peers[i].cpu)
			unknown |= 1ULL << i;
	return unknown;
}

static void load(struct vmig_nodes *nodes, unsigned int i)
{
	const char *name = nodes->config->peers[i].name;
	struct json_object *o;
	struct vmig_cpu *cpu;
	char path[NODES_PATH_MAX];
	struct vmig_err err;
	char *text;

	store_path(nodes, name, path);
	if (access(path, F_OK) || vmig_keyfile_read(path, &text, &err))
		return;
	o = json_tokener_parse(text);
	cpu = calloc(1, sizeof(*cpu));
	if (cpu && !vmig_cpu_decode(o, cpu, &err))
		nodes->peers[i].cpu = cpu;
	else
		free(cpu);
	json_object_put(o);
	free(text);
}

/* vmig_nodes_open() - For as long as the daemon lives. */
int vmig_nodes_open(struct vmig_nodes **result,
		    const struct vmig_config *config, struct vmig_nl *nl,
		    sd_event *event, struct vmig_err *err)
{
	struct vmig_nodes *nodes = calloc(1, sizeof(*nodes));
	char path[NODES_PATH_MAX];
	struct vmig_err why;
	unsigned int i;
	int ret;

	if (!nodes)
		return vmig_err_set(err, ENOMEM, "out of memory");
	nodes->config = config;
	nodes->nl = nl;
	nodes->event = event;
	store_path(nodes, "", path);
	ret = vmig_file_make_folder(path, err);
	if (ret) {
		free(nodes);
		return ret;
	}
	for (i = 0; i < config->npeers; i++)
		load(nodes, i);
	/* Everything else works without. */
	if (!vmig_nodes_here(nodes, &why))
		fprintf(stderr, "no processor for guests: %s\n", why.text);
	*result = nodes;
	return 0;
}
