// SPDX-License-Identifier: GPL-2.0
/* Checks that both nodes of a migration make of themselves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../cluster/ktls.h"
#include "../drain/drain.h"
#include "../net/interface.h"
#include "../vmm/machine.h"
#include "preflight.h"
#include "slot.h"

/* A bridge of VMs would mix guests' traffic with guests' memory. */
int vmig_check_migration_network(struct vmig_preflight *p,
				 struct vmig_err *said)
{
	const struct vmig_config *config = p->daemon->config;
	const struct vmig_definition *def = p->m ? p->m->def : NULL;
	struct vmig_interface interface;
	unsigned int i;
	int ret;

	ret = vmig_interface_find(config->address, &interface, said);
	if (ret)
		return ret;
	for (i = 0; def && i < def->nnics; i++)
		if (!strcmp(def->nics[i].bridge, interface.name))
			return vmig_err_set(said, EINVAL,
					    "the migration address %s is on %s, the bridge of NIC %s of VM %s: give migrations a network of their own",
					    config->address, interface.name,
					    def->nics[i].name, def->name);
	return vmig_err_set(said, 0, "%s on %s", config->address,
			    interface.name);
}

/*
 * Nodes of one subnet share their switches: a VM's traffic follows it by ARP,
 * and its memory crosses no router.
 */
int vmig_check_same_subnet(struct vmig_preflight *p, struct vmig_err *said)
{
	const struct vmig_config *config = p->daemon->config;
	const struct vmig_peer *peer = vmig_config_peer(config, p->peer);
	struct vmig_prefix network = config->network;
	struct vmig_interface interface;
	char text[VMIG_PREFIX_TEXT];
	int ret;

	if (!peer)
		return VMIG_CHECK_NONE;
	if (!network.family) {
		ret = vmig_interface_find(config->address, &interface, said);
		if (ret)
			return ret;
		network = interface.network;
	}
	vmig_prefix_text(&network, text);
	if (vmig_prefix_has(&network, peer->address))
		return vmig_err_set(said, 0, "%s", text);
	return vmig_err_set(said, EINVAL,
			    "the address %s of node %s is not in %s, the migration network of node %s",
			    peer->address, peer->name, text, config->node);
}

/* Return: 'Y', 'N', or 0 if the module is not there or does not tell. */
static char read_parameter(const char *path)
{
	FILE *file = fopen(path, "re");
	int c;

	if (!file)
		return 0;
	c = fgetc(file);
	fclose(file);
	if (c == 'Y' || c == '1')
		return 'Y';
	return c == 'N' || c == '0' ? 'N' : 0;
}

/* Without it KVM shadows page tables, and tracking writes is slow and untried. */
int vmig_check_slat(struct vmig_preflight *p, struct vmig_err *said)
{
	static const struct {
		const char *path;
		const char *name;
		const char *hint;
	} parameters[] = {
		{ "/sys/module/kvm_amd/parameters/npt", "nested paging",
		  "modprobe kvm_amd npt=1" },
		{ "/sys/module/kvm_intel/parameters/ept",
		  "extended page tables", "modprobe kvm_intel ept=1" },
	};
	unsigned int i;

	if (strcmp(p->daemon->config->accel, "kvm"))
		return VMIG_CHECK_NONE;
	for (i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		char c = read_parameter(parameters[i].path);

		if (c == 'N')
			return vmig_err_set(said, EOPNOTSUPP,
					    "%s are off in KVM, or the processor or the firmware lacks them: %s",
					    parameters[i].name,
					    parameters[i].hint);
		if (c)
			return vmig_err_set(said, 0, "%s", parameters[i].name);
	}
	return vmig_err_set(said, ENODEV,
			    "KVM is not loaded: modprobe kvm_amd or kvm_intel, or set accel = in agent.conf");
}

/* Guest memory leaves a node as the kernel's TLS only. */
int vmig_check_encryption(struct vmig_preflight *p, struct vmig_err *said)
{
	int ret;

	if (!p->daemon->config->tls)
		return VMIG_CHECK_NONE;
	ret = vmig_ktls_check(said);
	return ret ? ret : vmig_err_set(said, 0, "TLS 1.3 in the kernel");
}

int vmig_check_draining(struct vmig_preflight *p, struct vmig_err *said)
{
	const char *node = p->daemon->config->node;

	if (!vmig_drain_is_on(p->daemon))
		return VMIG_CHECK_NONE;
	return vmig_err_set(said, EBUSY,
			    "node %s is drained: no VM starts or arrives there before `vmig-agent node undrain %s`",
			    node, node);
}

int vmig_check_slot(struct vmig_preflight *p, struct vmig_err *said)
{
	return vmig_slot_check(p->daemon, p->m, p->peer, said);
}
