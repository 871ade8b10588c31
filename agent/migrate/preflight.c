// SPDX-License-Identifier: GPL-2.0
/* Refuse early what cannot work, one sentence a check; nothing is changed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/handshake.h"
#include "../cluster/message.h"
#include "../cluster/nodes.h"
#include "../net/net.h"
#include "../vmm/machine.h"
#include "destination.h"
#include "source.h"

static int check_names(struct vmig_daemon *daemon,
		       const struct vmig_request *request,
		       struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	char known[512] = "none";
	size_t len = 0;
	unsigned int i;

	if (!request->vm[0] || !request->node[0])
		return vmig_err_set(err, EINVAL,
				    "migrate wants the name of a VM and of a node");
	if (!strcmp(request->node, config->node))
		return vmig_err_set(err, EINVAL,
				    "VM %s is on node %s already: name another node",
				    request->vm, config->node);
	if (vmig_config_peer(config, request->node))
		return 0;
	for (i = 0; i < config->npeers && len < sizeof(known) - 80; i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len,
					"%s%s", i ? ", " : "",
					config->peers[i].name);
	return vmig_err_set(err, ENOENT,
			    "node %s knows no node %s (it knows: %s): add it to [peers] in agent.conf",
			    config->node, request->node, known);
}

/* What QEMU has mapped is what the kernel calls this VM's memory. */
static int check_memory(struct vmig_daemon *daemon, struct vmig_machine *m,
			struct vmig_err *err)
{
	struct vmig_vm_info *info = calloc(1, sizeof(*info));
	struct vmig_err why;
	int ret;

	if (!info)
		return vmig_err_set(err, ENOMEM, "out of memory");
	ret = vmig_nl_vm_get(daemon->nl, m->name, info, &why);
	if (ret == -ENOENT)
		ret = vmig_err_set(err, EINVAL,
				   "the memory of VM %s is not in vmigfs: mount vmigfs on %s (memory = in agent.conf) and start the VM again",
				   m->name, daemon->config->memory);
	else if (ret)
		ret = vmig_err_set(err, -ret, "%s", why.text);
	else if (info->nregions != 1 ||
		 info->regions[0].size != m->def->memory)
		ret = vmig_err_set(err, EINVAL,
				   "%s/%s does not hold the one region of %llu bytes that VM %s is defined with",
				   daemon->config->memory, m->name,
				   (unsigned long long)m->def->memory, m->name);
	else if (info->migration)
		ret = vmig_err_set(err, EBUSY,
				   "VM %s is being migrated already (migration %u)",
				   m->name, info->migration);
	free(info);
	return ret;
}

/* vmig_preflight_source() - What is known here without asking anybody. */
int vmig_preflight_source(struct vmig_daemon *daemon,
			  const struct vmig_request *request,
			  struct vmig_err *err)
{
	struct vmig_machine *m;
	int ret;

	ret = check_names(daemon, request, err);
	if (ret)
		return ret;
	m = vmig_machine_find(daemon, request->vm);
	if (!m || vmig_machine_is_leaving(m))
		return vmig_err_set(err, ENOENT,
				    "there is no VM %s on node %s; `vmig-agent vm list` tells those there are",
				    request->vm, daemon->config->node);
	if (m->incoming)
		return vmig_err_set(err, EBUSY,
				    "VM %s is still arriving on node %s",
				    m->name, daemon->config->node);
	if (m->ops)
		return vmig_err_set(err, EBUSY,
				    "VM %s is being migrated already; `vmig-agent status %s` tells how far it is",
				    m->name, m->name);
	if (m->resume)
		return vmig_err_set(err, EBUSY,
				    "VM %s does not run on yet after a failed migration",
				    m->name);
	if (m->pidfd < 0 || !m->running)
		return vmig_err_set(err, EINVAL,
				    "VM %s is not running: only a running VM can be migrated",
				    m->name);
	return check_memory(daemon, m, err);
}

static bool blames(struct vmig_source *s, const char *why)
{
	if (why)
		vmig_source_fail(s, EIO, "QEMU of VM %s: %s", s->m->name, why);
	return why;
}

static void on_migrate(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_source *s = arg;
	struct json_object *reasons;

	if (blames(s, why))
		return;
	if (json_object_object_get_ex(ret, "blocked-reasons", &reasons) &&
	    json_object_array_length(reasons)) {
		vmig_source_fail(s, EINVAL, "VM %s cannot be migrated: %s",
				 s->m->name, json_object_get_string(
				 json_object_array_get_idx(reasons, 0)));
		return;
	}
	vmig_source_can_move(s);
}

static void on_memdevs(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_source *s = arg;
	size_t i;

	if (blames(s, why))
		return;
	for (i = 0; i < json_object_array_length(ret); i++) {
		struct json_object *o = json_object_array_get_idx(ret, i);
		const char *id = vmig_json_string(o, "id");

		if (!id || strcmp(id, "ram0") || !vmig_json_uint(o, "share", 0)) {
			vmig_source_fail(s, EINVAL,
					 "VM %s has a RAM backend %s that is not in vmigfs and would not be migrated: remove it",
					 s->m->name, id ? id : "without a name");
			return;
		}
	}
	vmig_qmp_call(s->m->qmp, "query-migrate", NULL, on_migrate, s);
}

static void on_status(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_source *s = arg;
	const char *status;

	if (blames(s, why))
		return;
	status = vmig_json_string(ret, "status");
	if (!vmig_json_uint(ret, "running", 0)) {
		vmig_source_fail(s, EINVAL,
				 "VM %s is not running (QEMU says: %s): only a running VM can be migrated",
				 s->m->name, status ? status : "nothing");
		return;
	}
	vmig_qmp_call(s->m->qmp, "query-memdev", NULL, on_memdevs, s);
}

/* vmig_preflight_qemu() - What only QEMU can say; vmig_source_can_move() follows. */
void vmig_preflight_qemu(struct vmig_source *s)
{
	vmig_qmp_call(s->m->qmp, "query-status", NULL, on_status, s);
}

/* The other node's processor, before anything is made there for the VM. */
static int check_processor(struct vmig_source *s, struct vmig_err *err)
{
	const struct vmig_cpu *there;
	struct vmig_err why;

	if (!vmig_processor_is_frozen(s->m))
		return 0;
	there = vmig_nodes_cpu(s->daemon->nodes, s->peer->name, &why);
	if (!there)
		return vmig_err_set(err, EOPNOTSUPP, "%s", why.text);
	return vmig_processor_fits(s->m, s->peer->name, there, err);
}

/* vmig_preflight_node() - Is that the node, and can the VM go there? */
int vmig_preflight_node(struct vmig_source *s, struct json_object *greeting,
			struct vmig_err *err)
{
	struct vmig_hello mine, theirs;
	int ret;

	ret = vmig_hello_decode(greeting, &theirs, err);
	if (!ret)
		ret = vmig_hello_local(&mine, s->daemon->config->node, err);
	if (!ret)
		ret = vmig_hello_check(&mine, &theirs, err);
	if (!ret)
		ret = vmig_hello_check_vendor(&mine, &theirs, err);
	if (ret) {
		vmig_err_prefix(err, "node %s: ", s->peer->name);
		return ret;
	}
	if (strcmp(theirs.node, s->peer->name))
		return vmig_err_set(err, EPROTO,
				    "at %s there is node %s, not node %s: see [peers] in agent.conf",
				    s->peer->address, theirs.node,
				    s->peer->name);
	vmig_nodes_learn(s->daemon->nodes, s->peer->name, greeting);
	return check_processor(s, err);
}

/* The source puts this node's name in front of what is said from here on. */
static int check_file(const char *vm, const char *what, const char *path,
		      int mode, struct vmig_err *err)
{
	if (!*path || !access(path, mode))
		return 0;
	return vmig_err_set(err, errno, "%s of VM %s: %s: %s", what, vm, path,
			    strerror(errno));
}

static int check_room(struct vmig_daemon *daemon,
		      const struct vmig_definition *def, struct vmig_err *err)
{
	const struct vmig_config *config = daemon->config;
	uint64_t room = vmig_memory_free();
	struct statvfs st;

	if (statvfs(config->memory, &st))
		return vmig_err_set(err, errno, "%s: %s", config->memory,
				    strerror(errno));
	if (room < def->memory)
		return vmig_err_set(err, ENOMEM,
				    "%llu MiB of memory are free, VM %s needs %llu MiB",
				    (unsigned long long)room >> 20, def->name,
				    (unsigned long long)def->memory >> 20);
	/* No blocks: mounted without size=. */
	room = (uint64_t)st.f_bavail * st.f_frsize;
	if (st.f_blocks && room < def->memory)
		return vmig_err_set(err, ENOSPC,
				    "%s has %llu MiB free, VM %s needs %llu MiB: mount it with a larger size=",
				    config->memory,
				    (unsigned long long)room >> 20, def->name,
				    (unsigned long long)def->memory >> 20);
	return 0;
}

/* vmig_preflight_destination() - Can this node run the VM? */
int vmig_preflight_destination(struct vmig_daemon *daemon,
			       const struct vmig_definition *def,
			       struct vmig_err *err)
{
	char what[64];
	unsigned int i;
	int ret;

	ret = check_room(daemon, def, err);
	if (!ret)
		ret = check_file(def->name, "kernel", def->kernel, R_OK, err);
	if (!ret)
		ret = check_file(def->name, "initrd", def->initrd, R_OK, err);
	/* QEMU looks for a bare name in its own folders. */
	if (!ret && strchr(def->bios, '/'))
		ret = check_file(def->name, "bios", def->bios, R_OK, err);
	if (!ret)
		ret = check_file(def->name, "qemu", daemon->config->qemu,
				 X_OK, err);
	for (i = 0; !ret && i < def->ndisks; i++) {
		snprintf(what, sizeof(what), "disk %s", def->disks[i].name);
		ret = check_file(def->name, what, def->disks[i].path,
				 R_OK | W_OK, err);
	}
	for (i = 0; !ret && i < def->nnics; i++) {
		ret = vmig_bridge_check(def->nics[i].bridge, err);
		if (ret)
			vmig_err_prefix(err, "NIC %s of VM %s: ",
					def->nics[i].name, def->name);
	}
	return ret;
}
