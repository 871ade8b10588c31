// SPDX-License-Identifier: GPL-2.0
/* What the source knows without asking anybody, and what it tells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "../net/interface.h"
#include "../vmm/machine.h"
#include "../vmm/types.h"
#include "disk.h"
#include "preflight.h"
#include "transport.h"

static int check_state(struct vmig_preflight *p, struct vmig_err *said)
{
	const struct vmig_machine *m = p->m;

	if (m->incoming)
		return vmig_err_set(said, EBUSY,
				    "VM %s is still arriving on node %s",
				    m->name, p->daemon->config->node);
	if (m->ops)
		return vmig_err_set(said, EBUSY,
				    "VM %s is being migrated already; `vmig-agent status %s` tells how far it is",
				    m->name, m->name);
	if (m->resume)
		return vmig_err_set(said, EBUSY,
				    "VM %s does not run on yet after a failed migration",
				    m->name);
	if (m->pidfd < 0 || !m->running)
		return vmig_err_set(said, EINVAL,
				    "VM %s is not running: only a running VM can be migrated",
				    m->name);
	return vmig_err_set(said, 0, "running");
}

/* As it was last read; it is read again when a migration begins. */
static int check_lease(struct vmig_preflight *p, struct vmig_err *said)
{
	const struct vmig_machine *m = p->m;
	const struct vmig_ownership *lease = &m->lease;

	if (!vmig_ownership_is_used(m) && m->def->ndisks)
		return vmig_err_set(said, 0,
				    "none: nothing keeps two nodes from running VM %s on the same disks; see lease = in vmig-vm(5)",
				    m->name);
	if (!vmig_ownership_is_used(m) || m->pidfd < 0)
		return VMIG_CHECK_NONE;
	if (!lease->known)
		return vmig_err_set(said, 0, "%s, not read yet", m->def->lease);
	if (!lease->held)
		return vmig_err_set(said, EBUSY,
				    "VM %s runs here, and %s%s holds its lease: see vmig-agent vm recover %s",
				    m->name, *lease->record.holder ? "node " :
				    "nobody", lease->record.holder, m->name);
	return vmig_err_set(said, 0, "%s, epoch %llu", m->def->lease,
			    (unsigned long long)lease->record.epoch);
}

/* What QEMU has mapped is what the kernel calls this VM's memory. */
static int check_vmigfs(struct vmig_preflight *p, struct vmig_err *said)
{
	struct vmig_vm_info *info = calloc(1, sizeof(*info));
	const struct vmig_machine *m = p->m;
	const char *folder = p->daemon->config->memory;
	struct vmig_err why;
	int ret;

	if (!info)
		return vmig_err_set(said, ENOMEM, "out of memory");
	ret = vmig_nl_vm_get(p->daemon->nl, m->name, info, &why);
	if (m->pidfd < 0)
		ret = VMIG_CHECK_NONE;
	else if (ret == -ENOENT)
		ret = vmig_err_set(said, EINVAL,
				   "the memory of VM %s is not in vmigfs: mount vmigfs on %s (memory = in agent.conf) and start the VM again",
				   m->name, folder);
	else if (ret)
		ret = vmig_err_set(said, -ret, "%s", why.text);
	else if (info->nregions != 1 ||
		 info->regions[0].size != m->def->memory)
		ret = vmig_err_set(said, EINVAL,
				   "%s/%s does not hold the one region of %llu bytes that VM %s is defined with",
				   folder, m->name,
				   (unsigned long long)m->def->memory, m->name);
	else if (info->migration)
		ret = vmig_err_set(said, EBUSY,
				   "VM %s is being migrated already (migration %u)",
				   m->name, info->migration);
	else
		vmig_err_set(said, 0, "%s/%s", folder, m->name);
	free(info);
	return ret;
}

/* A guest that is only known by its MAC is found again all the same. */
static int check_addresses(struct vmig_preflight *p, struct vmig_err *said)
{
	struct vmig_definition *def = p->m->def;
	char unknown[VMIG_NICS_MAX * (VMIG_DEVICE_NAME_MAX + 2)] = "";
	unsigned int i;

	if (!def->nnics)
		return VMIG_CHECK_NONE;
	vmig_neighbours_learn(def);
	for (i = 0; i < def->nnics; i++) {
		if (def->nics[i].naddresses)
			continue;
		if (*unknown)
			strcat(unknown, ", ");
		strcat(unknown, def->nics[i].name);
	}
	if (!*unknown)
		return vmig_err_set(said, 0, "of all NICs known");
	return vmig_err_set(said, 0,
			    "not known of %s: neither defined nor met by this host, so that RARP announces the MAC alone",
			    unknown);
}

static const struct vmig_check checks[] = {
	{ "state", check_state },
	{ "lease", check_lease },
	{ "vmigfs", check_vmigfs },
	{ "same-subnet", vmig_check_same_subnet },
	{ "migration-network", vmig_check_migration_network },
	{ "slat", vmig_check_slat },
	{ "encryption", vmig_check_encryption },
	{ "transport", vmig_check_transport_offer },
	{ "addresses", check_addresses },
	/* Last: what cannot work at all is not worth waiting for. */
	{ "slot", vmig_check_slot },
};

void vmig_preflight_source(struct vmig_preflight *p)
{
	vmig_preflight_run(p, checks, sizeof(checks) / sizeof(checks[0]));
}

static struct json_object *describe_disks(const struct vmig_definition *def)
{
	struct json_object *o = vmig_json_new(NULL);
	struct vmig_disk_identity id;
	unsigned int i;

	for (i = 0; i < def->ndisks; i++)
		if (!vmig_disk_identify(&def->disks[i], &id, NULL))
			json_object_object_add(o, def->disks[i].name,
					       vmig_disk_encode(&id));
	return o;
}

static struct json_object *describe_bridges(const struct vmig_definition *def)
{
	struct json_object *o = vmig_json_new(NULL);
	unsigned int i;

	for (i = 0; i < def->nnics; i++)
		vmig_json_add_uint(o, def->nics[i].bridge,
				   vmig_interface_mtu(def->nics[i].bridge));
	return o;
}

/*
 * An alias such as "pc" stands for another machine with another QEMU. While
 * this node's QEMU has not told, nothing is said about it.
 */
struct json_object *vmig_preflight_setup(const struct vmig_preflight *p)
{
	struct json_object *setup = vmig_json_new("setup");
	const struct vmig_machine *m = p->m;
	struct vmig_interface interface;
	struct json_object *learned;
	char type[VMIG_TYPE_MAX];

	vmig_json_add_string(setup, "vm", m->name);
	vmig_json_add_string(setup, "definition", m->text);
	if (vmig_processor_is_frozen(m))
		json_object_object_add(setup, "cpu",
				       vmig_cpu_state_encode(m->cpu));
	if (vmig_ownership_is_used(m) && m->lease.known && m->pidfd >= 0)
		json_object_object_add(setup, "lease",
				       vmig_ownership_describe(m));
	json_object_object_add(setup, "disks", describe_disks(m->def));
	json_object_object_add(setup, "bridges", describe_bridges(m->def));
	learned = vmig_learned_encode(m->def);
	if (learned)
		json_object_object_add(setup, "addresses", learned);
	if (!vmig_interface_find(p->daemon->config->address, &interface, NULL))
		vmig_json_add_uint(setup, "mtu", interface.mtu);
	/* Asks anew if the binary has changed. */
	if (vmig_types_ready(p->daemon->types) &&
	    !vmig_types_find(vmig_types_text(p->daemon->types),
			     m->def->machine, type))
		vmig_json_add_string(setup, "machine_type", type);
	return setup;
}
