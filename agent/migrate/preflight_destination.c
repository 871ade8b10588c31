// SPDX-License-Identifier: GPL-2.0
/* Can this node run the VM that another one wants to send? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "../net/interface.h"
#include "../net/net.h"
#include "../vmm/machine.h"
#include "../vmm/types.h"
#include "disk.h"
#include "preflight.h"
#include "room.h"
#include "transport.h"

static int check_processor(struct vmig_preflight *p, struct vmig_err *said)
{
	struct json_object *cpu = NULL;

	json_object_object_get_ex(p->msg, "cpu", &cpu);
	vmig_err_set(said, 0, cpu ? "as the VM knows it" : "the VM knows none");
	return vmig_processor_arrive(p->m, cpu, said);
}

static int check_memory(struct vmig_preflight *p, struct vmig_err *said)
{
	uint64_t room = vmig_room_now(p->daemon);
	const struct vmig_definition *def = p->m->def;

	return vmig_err_set(said, room < def->memory ? ENOMEM : 0,
			    "%llu MiB of memory are free, VM %s needs %llu MiB",
			    (unsigned long long)room >> 20, def->name,
			    (unsigned long long)def->memory >> 20);
}

static int check_vmigfs(struct vmig_preflight *p, struct vmig_err *said)
{
	const char *folder = p->daemon->config->memory;
	const struct vmig_definition *def = p->m->def;
	struct statvfs st;
	uint64_t room;

	if (statvfs(folder, &st))
		return vmig_err_set(said, errno, "%s: %s", folder,
				    strerror(errno));
	/* No blocks: mounted without size=. */
	room = (uint64_t)st.f_bavail * st.f_frsize;
	if (!st.f_blocks || room >= def->memory)
		return vmig_err_set(said, 0, "%s", folder);
	return vmig_err_set(said, ENOSPC,
			    "%s has %llu MiB free, VM %s needs %llu MiB: mount it with a larger size=",
			    folder, (unsigned long long)room >> 20, def->name,
			    (unsigned long long)def->memory >> 20);
}

static int check_file(const char *vm, const char *what, const char *path,
		      int mode, struct vmig_err *err)
{
	if (!*path || !access(path, mode))
		return 0;
	return vmig_err_set(err, errno, "%s of VM %s: %s: %s", what, vm, path,
			    strerror(errno));
}

static int check_files(struct vmig_preflight *p, struct vmig_err *said)
{
	const struct vmig_definition *def = p->m->def;
	int ret;

	ret = check_file(def->name, "kernel", def->kernel, R_OK, said);
	if (!ret)
		ret = check_file(def->name, "initrd", def->initrd, R_OK, said);
	/* QEMU looks for a bare name in its own folders. */
	if (!ret && strchr(def->bios, '/'))
		ret = check_file(def->name, "bios", def->bios, R_OK, said);
	if (!ret)
		ret = check_file(def->name, "qemu", p->daemon->config->qemu,
				 X_OK, said);
	return ret ? ret : vmig_err_set(said, 0, "%s, and those of the VM",
					p->daemon->config->qemu);
}

static int check_machine_type(struct vmig_preflight *p, struct vmig_err *said)
{
	const char *there = vmig_json_string(p->msg, "machine_type");
	const struct vmig_definition *def = p->m->def;
	const char *machine = *def->machine ? def->machine : "pc";
	const char *qemu = p->daemon->config->qemu;
	const char *known = vmig_types_text(p->daemon->types);
	char type[VMIG_TYPE_MAX];
	int ret;

	ret = vmig_types_find(known, there ? there : machine, type);
	if (ret == -ENODATA)
		return vmig_err_set(said, 0, "%s does not tell", qemu);
	if (ret)
		return vmig_err_set(said, EOPNOTSUPP,
				    "VM %s has a machine of type %s, which %s does not know: `%s -machine help` lists those it knows",
				    def->name, there ? there : machine, qemu,
				    qemu);
	/* Both ends are started from the definition, not from its meaning. */
	if (there && (vmig_types_find(known, machine, type) ||
		      strcmp(type, there)))
		return vmig_err_set(said, EOPNOTSUPP,
				    "machine = %s of VM %s means %s on node %s and %s here: name the version in its definition, and start it again",
				    machine, def->name, there, p->peer, type);
	return vmig_err_set(said, 0, "%s", type);
}

static int check_mtu(struct vmig_preflight *p, struct vmig_err *said)
{
	uint64_t there = vmig_json_uint(p->msg, "mtu", 0);
	struct vmig_interface interface;
	int ret;

	ret = vmig_interface_find(p->daemon->config->address, &interface, said);
	if (ret)
		return ret;
	if (!there || there == interface.mtu)
		return vmig_err_set(said, 0, "%u bytes on %s", interface.mtu,
				    interface.name);
	return vmig_err_set(said, EINVAL,
			    "the MTU of the migration link %s is %u here and %llu on node %s: packets of the longer kind would be lost; set the same",
			    interface.name, interface.mtu,
			    (unsigned long long)there, p->peer);
}

static int check_disk(struct vmig_preflight *p, const struct vmig_disk *disk,
		      struct vmig_err *said)
{
	struct vmig_disk_identity here, there;
	struct json_object *disks, *o;
	char what[64];
	int ret;

	snprintf(what, sizeof(what), "disk %s", disk->name);
	ret = check_file(p->m->def->name, what, disk->path, R_OK | W_OK, said);
	if (!ret)
		ret = vmig_disk_identify(disk, &here, said);
	if (ret)
		return ret;
	if (json_object_object_get_ex(p->msg, "disks", &disks) &&
	    json_object_object_get_ex(disks, disk->name, &o)) {
		vmig_disk_decode(o, &there);
		ret = vmig_disk_compare(&here, &there, p->peer, said);
	}
	if (ret) {
		vmig_err_prefix(said, "disk %s of VM %s: %s is not the same disk: ",
				disk->name, p->m->def->name, disk->path);
		return ret;
	}
	return vmig_err_set(said, 0, "%s: %s, %s of %llu MiB", disk->name,
			    disk->path, here.kind,
			    (unsigned long long)here.size >> 20);
}

/* What the guest may send it must be able to send here, too. */
static int check_nic(struct vmig_preflight *p, const struct vmig_nic *nic,
		     struct vmig_err *said)
{
	unsigned int mtu = vmig_interface_mtu(nic->bridge);
	struct json_object *bridges;
	uint64_t there = 0;
	int ret;

	ret = vmig_bridge_check(nic->bridge, nic->vlan, said);
	if (!ret && json_object_object_get_ex(p->msg, "bridges", &bridges))
		there = vmig_json_uint(bridges, nic->bridge, 0);
	if (!ret && there > mtu)
		ret = vmig_err_set(said, EINVAL,
				   "the MTU of bridge %s is %u here and %llu on node %s: what the guest sends would be lost; ip link set %s mtu %llu",
				   nic->bridge, mtu, (unsigned long long)there,
				   p->peer, nic->bridge,
				   (unsigned long long)there);
	if (ret) {
		vmig_err_prefix(said, "NIC %s of VM %s: ", nic->name,
				p->m->def->name);
		return ret;
	}
	if (nic->vlan)
		return vmig_err_set(said, 0, "%s: %s, VLAN %u, MTU %u",
				    nic->name, nic->bridge, nic->vlan, mtu);
	return vmig_err_set(said, 0, "%s: %s, MTU %u", nic->name, nic->bridge,
			    mtu);
}

/* One line each. */
static void run_devices(struct vmig_preflight *p)
{
	const struct vmig_definition *def = p->m->def;
	struct vmig_err said;
	unsigned int i;

	for (i = 0; i < def->ndisks && vmig_preflight_goes_on(p); i++)
		vmig_preflight_add(p, "disk",
				   check_disk(p, &def->disks[i], &said),
				   said.text);
	for (i = 0; i < def->nnics && vmig_preflight_goes_on(p); i++)
		vmig_preflight_add(p, "bridge",
				   check_nic(p, &def->nics[i], &said),
				   said.text);
}

static const struct vmig_check checks[] = {
	{ "draining", vmig_check_draining },
	{ "processor", check_processor },
	{ "memory", check_memory },
	{ "vmigfs", check_vmigfs },
	{ "files", check_files },
	{ "machine-type", check_machine_type },
};

static const struct vmig_check link_checks[] = {
	{ "mtu", check_mtu },
	{ "same-subnet", vmig_check_same_subnet },
	{ "migration-network", vmig_check_migration_network },
	{ "slat", vmig_check_slat },
	{ "encryption", vmig_check_encryption },
	{ "transport", vmig_check_transport_choice },
	/* Last: what cannot work at all is not worth waiting for. */
	{ "slot", vmig_check_slot },
};

/* @p->m is the VM by the definition that came in @setup. */
void vmig_preflight_destination(struct vmig_preflight *p,
				struct json_object *setup)
{
	p->msg = setup;
	vmig_preflight_run(p, checks, sizeof(checks) / sizeof(checks[0]));
	run_devices(p);
	vmig_preflight_run(p, link_checks,
			   sizeof(link_checks) / sizeof(link_checks[0]));
	p->msg = NULL;
}
