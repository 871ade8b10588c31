/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The definition of a VM: a small ini file from which both hosts build the
 * same QEMU command line. See vmig-vm(5).
 */
#ifndef VMIG_DEFINITION_H
#define VMIG_DEFINITION_H

#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/vmig.h>

#include "cpu/cpu.h"
#include "err.h"
#include "keyfile.h"

#define VMIG_DISKS_MAX		16
#define VMIG_NICS_MAX		8
#define VMIG_ADDRESSES_MAX	16
#define VMIG_DEVICE_NAME_MAX	31

struct vmig_disk {
	char name[VMIG_DEVICE_NAME_MAX + 1];
	char path[PATH_MAX];
	char format[16];	/* raw, qcow2 */
	char bus[16];		/* virtio */
	char cache[16];		/* none, writeback, writethrough, directsync */
};

struct vmig_address {
	int family;		/* AF_INET or AF_INET6 */
	union {
		struct in_addr ip4;
		struct in6_addr ip6;
	};
};

struct vmig_nic {
	char name[VMIG_DEVICE_NAME_MAX + 1];
	uint8_t mac[6];
	char bridge[IFNAMSIZ];
	unsigned int vlan;	/* 0: that of the bridge's new ports */
	/* Addresses that are not the definition's: vmig_neighbours_learn() */
	bool learned;
	unsigned int naddresses;
	struct vmig_address addresses[VMIG_ADDRESSES_MAX];
};

/* Absent strings are "". */
struct vmig_definition {
	char name[VMIG_NAME_MAX + 1];
	uint64_t memory;	/* bytes, a multiple of 2 MiB */
	unsigned int vcpus;
	char machine[64];
	char cpu[256];		/* "host" unless given by hand */
	char cpu_policy[VMIG_CPU_POLICY_MAX];
	char kernel[PATH_MAX];
	char initrd[PATH_MAX];
	char cmdline[VMIG_LINE_MAX + 1];
	char bios[PATH_MAX];
	char extra[VMIG_LINE_MAX + 1];
	char lease[16];		/* none, lease-file, scsi-pr */
	unsigned int ndisks;
	struct vmig_disk disks[VMIG_DISKS_MAX];
	unsigned int nnics;
	struct vmig_nic nics[VMIG_NICS_MAX];
};

/*
 * Fill in @def (about 100 KiB: allocate it) from @text; @source stands for
 * the file in error sentences. Return: 0 or a negative errno.
 */
int vmig_definition_parse(const char *text, const char *source,
			  struct vmig_definition *def, struct vmig_err *err);

/*
 * Read the definition at @path. If @text is not NULL it becomes the file's
 * text, which the caller frees.
 */
int vmig_definition_load(const char *path, struct vmig_definition *def,
			 char **text, struct vmig_err *err);

/* -EINVAL if @text is no IP address, -ERANGE if no NIC can have it. */
int vmig_address_parse(const char *text, struct vmig_address *address);

/*
 * The text of a definition with @key of [vm] set to @value, to be freed; what
 * comes of it is for vmig_definition_parse() to judge. NULL without memory.
 */
char *vmig_definition_set(const char *text, const char *key,
			  const char *value);

#endif /* VMIG_DEFINITION_H */
