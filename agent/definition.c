// SPDX-License-Identifier: GPL-2.0
/* Definitions of VMs. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition.h"
#include "keyfile.h"

/* A region is mapped with huge pages; QEMU is given align=2M. */
#define MEMORY_UNIT	(2ull << 20)
#define MEMORY_MAX	(16ull << 40)
#define MEMORY_DEFAULT	(256ull << 20)

struct reader {
	struct vmig_definition *def;
	uint32_t vm_seen;
	uint32_t disk_seen[VMIG_DISKS_MAX];
	uint32_t nic_seen[VMIG_NICS_MAX];
};

static const char * const formats[] = { "raw", "qcow2", NULL };
static const char * const buses[] = { "virtio", NULL };
static const char * const leases[] = { "none", "lease-file", "scsi-pr", NULL };
/* None that the host's page cache would hide from the other host's QEMU. */
static const char * const caches[] = { "none", "directsync", NULL };

static vmig_key_fn parse_memory, parse_policy, parse_mac, parse_addresses;

#define FIELD(type, f)	.offset = offsetof(struct type, f), \
			.size = sizeof(((struct type *)0)->f)
#define VM(f)		FIELD(vmig_definition, f)
#define DISK(f)		FIELD(vmig_disk, f)
#define NIC(f)		FIELD(vmig_nic, f)

static const struct vmig_key vm_keys[] = {
	{ .name = "name", .parse = vmig_key_name, VM(name) },
	{ .name = "memory", .parse = parse_memory, VM(memory),
	  .min = MEMORY_UNIT, .max = MEMORY_MAX },
	{ .name = "vcpus", .parse = vmig_key_uint, VM(vcpus),
	  .min = 1, .max = 255 },
	{ .name = "machine", .parse = vmig_key_word, VM(machine) },
	{ .name = "cpu", .parse = vmig_key_word, VM(cpu) },
	{ .name = "cpu-policy", .parse = parse_policy, VM(cpu_policy) },
	{ .name = "kernel", .parse = vmig_key_path, VM(kernel) },
	{ .name = "initrd", .parse = vmig_key_path, VM(initrd) },
	{ .name = "cmdline", .parse = vmig_key_string, VM(cmdline),
	  .joins = true },
	{ .name = "bios", .parse = vmig_key_path, VM(bios) },
	{ .name = "extra", .parse = vmig_key_string, VM(extra), .joins = true },
	{ .name = "lease", .parse = vmig_key_choice, VM(lease),
	  .choices = leases },
	{ }
};

static const struct vmig_key disk_keys[] = {
	{ .name = "path", .parse = vmig_key_path, DISK(path) },
	{ .name = "format", .parse = vmig_key_choice, DISK(format),
	  .choices = formats },
	{ .name = "bus", .parse = vmig_key_choice, DISK(bus),
	  .choices = buses },
	{ .name = "cache", .parse = vmig_key_choice, DISK(cache),
	  .choices = caches },
	{ }
};

static const struct vmig_key nic_keys[] = {
	{ .name = "mac", .parse = parse_mac, NIC(mac) },
	{ .name = "bridge", .parse = vmig_key_ifname, NIC(bridge) },
	{ .name = "addresses", .parse = parse_addresses, .joins = true },
	{ .name = "vlan", .parse = vmig_key_uint, NIC(vlan),
	  .min = 1, .max = 4094 },
	{ }
};

static int parse_memory(struct vmig_keyfile *kf, const struct vmig_key *key,
			const char *value, void *field)
{
	int err = vmig_key_size(kf, key, value, field);

	if (!err && *(uint64_t *)field % MEMORY_UNIT)
		return vmig_keyfile_error(kf, EINVAL,
					  "%s is not a multiple of 2M", value);
	return err;
}

static int parse_policy(struct vmig_keyfile *kf, const struct vmig_key *key,
			const char *value, void *field)
{
	struct vmig_err why;
	int err = vmig_key_word(kf, key, value, field);

	if (!err && vmig_cpu_policy_check(value, &why))
		return vmig_keyfile_error(kf, EINVAL, "%s", why.text);
	return err;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_mac(const char *text, uint8_t mac[6])
{
	int i, high, low;

	for (i = 0; i < 6; i++, text += 3) {
		high = hex_digit(text[0]);
		low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = high << 4 | low;
	}
	return true;
}

static int parse_mac(struct vmig_keyfile *kf, const struct vmig_key *key,
		     const char *value, void *field)
{
	static const uint8_t zero[6];
	uint8_t *mac = field;

	(void)key;
	if (!decode_mac(value, mac))
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not a MAC address; write six bytes such as 52:54:00:12:34:56",
					  value);
	if (mac[0] & 1 || !memcmp(mac, zero, sizeof(zero)))
		return vmig_keyfile_error(kf, EINVAL,
					  "%s is not the address of one NIC: the first byte must be even, and not all zero",
					  value);
	return 0;
}

int vmig_address_parse(const char *text, struct vmig_address *address)
{
	bool bad;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &address->ip4) == 1) {
		address->family = AF_INET;
		bad = IN_MULTICAST(ntohl(address->ip4.s_addr)) ||
		      !address->ip4.s_addr ||
		      address->ip4.s_addr == INADDR_BROADCAST;
	} else if (inet_pton(AF_INET6, text, &address->ip6) == 1) {
		address->family = AF_INET6;
		bad = IN6_IS_ADDR_MULTICAST(&address->ip6) ||
		      IN6_IS_ADDR_UNSPECIFIED(&address->ip6);
	} else {
		return -EINVAL;
	}
	return bad ? -ERANGE : 0;
}

static int add_address(struct vmig_keyfile *kf, struct vmig_nic *nic,
		       const char *text)
{
	struct vmig_address address;
	int ret = vmig_address_parse(text, &address);

	if (ret == -EINVAL)
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not an IPv4 or IPv6 address; separate them by commas, without a prefix length",
					  text);
	if (ret)
		return vmig_keyfile_error(kf, EINVAL,
					  "%s cannot be the address of a NIC",
					  text);
	if (nic->naddresses == VMIG_ADDRESSES_MAX)
		return vmig_keyfile_error(kf, E2BIG,
					  "there are more than %d addresses",
					  VMIG_ADDRESSES_MAX);
	nic->addresses[nic->naddresses++] = address;
	return 0;
}

/* The key's offset is 0, so that @field is the NIC. */
static int parse_addresses(struct vmig_keyfile *kf, const struct vmig_key *key,
			   const char *value, void *field)
{
	char list[VMIG_LINE_MAX + 1], *rest = list, *text;
	int err = 0;

	(void)key;
	snprintf(list, sizeof(list), "%s", value);
	while (!err && (text = strsep(&rest, ", \t")))
		if (*text)
			err = add_address(kf, field, text);
	return err;
}

/* "disk NAME" to NAME, or NULL if it is not one. */
static const char *device_name(const char *section, const char *kind)
{
	size_t len = strlen(kind);

	if (strncmp(section, kind, len) || section[len] != ' ')
		return NULL;
	section += len;
	while (*section == ' ')
		section++;
	return section;
}

static int check_device_name(struct vmig_keyfile *kf, const char *name)
{
	struct vmig_err why;

	/* It becomes part of QEMU's ids, which start with a letter. */
	if (!isalpha((unsigned char)*name) ||
	    strlen(name) > VMIG_DEVICE_NAME_MAX ||
	    vmig_name_check("device", name, &why))
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" cannot be the name of a device: 1 to %d of A-Z a-z 0-9 . _ -, a letter first",
					  name, VMIG_DEVICE_NAME_MAX);
	return 0;
}

static int enter_disk(struct vmig_keyfile *kf, struct reader *reader,
		      const char *name, struct vmig_section *section)
{
	struct vmig_definition *def = reader->def;
	unsigned int i;

	if (check_device_name(kf, name))
		return -EINVAL;
	for (i = 0; i < def->ndisks; i++)
		if (!strcmp(def->disks[i].name, name))
			break;
	if (i == VMIG_DISKS_MAX)
		return vmig_keyfile_error(kf, E2BIG,
					  "there are more than %d disks",
					  VMIG_DISKS_MAX);
	if (i == def->ndisks)
		strcpy(def->disks[def->ndisks++].name, name);
	section->keys = disk_keys;
	section->seen = &reader->disk_seen[i];
	section->object = &def->disks[i];
	return 0;
}

static int enter_nic(struct vmig_keyfile *kf, struct reader *reader,
		     const char *name, struct vmig_section *section)
{
	struct vmig_definition *def = reader->def;
	unsigned int i;

	if (check_device_name(kf, name))
		return -EINVAL;
	for (i = 0; i < def->nnics; i++)
		if (!strcmp(def->nics[i].name, name))
			break;
	if (i == VMIG_NICS_MAX)
		return vmig_keyfile_error(kf, E2BIG,
					  "there are more than %d NICs",
					  VMIG_NICS_MAX);
	if (i == def->nnics)
		strcpy(def->nics[def->nnics++].name, name);
	section->keys = nic_keys;
	section->seen = &reader->nic_seen[i];
	section->object = &def->nics[i];
	return 0;
}

static int enter_section(struct vmig_keyfile *kf, void *arg, const char *name,
			 struct vmig_section *section)
{
	struct reader *reader = arg;
	const char *device;

	if (!strcmp(name, "vm")) {
		section->keys = vm_keys;
		section->seen = &reader->vm_seen;
		section->object = reader->def;
		return 0;
	}
	device = device_name(name, "disk");
	if (device)
		return enter_disk(kf, reader, device, section);
	device = device_name(name, "nic");
	if (device)
		return enter_nic(kf, reader, device, section);
	return vmig_keyfile_error(kf, EINVAL,
				  "there is no section [%s]; there are [vm], [disk NAME] and [nic NAME]",
				  name);
}

static void set_default(char *field, const char *value)
{
	if (!*field)
		strcpy(field, value);
}

static int complete_disks(struct vmig_definition *def, const char *source,
			  struct vmig_err *err)
{
	unsigned int i;

	for (i = 0; i < def->ndisks; i++) {
		struct vmig_disk *disk = &def->disks[i];

		if (!*disk->path)
			return vmig_err_set(err, EINVAL,
					    "%s: [disk %s] path = is missing: the image or block device, by the same path on both hosts",
					    source, disk->name);
		set_default(disk->format, "raw");
		set_default(disk->bus, "virtio");
		set_default(disk->cache, "none");
	}
	return 0;
}

static int complete_nics(struct vmig_definition *def,
			 const struct reader *reader, const char *source,
			 struct vmig_err *err)
{
	unsigned int i, j;

	for (i = 0; i < def->nnics; i++) {
		struct vmig_nic *nic = &def->nics[i];

		/* Bit 0 of what was seen is the first key, mac. */
		if (!(reader->nic_seen[i] & 1))
			return vmig_err_set(err, EINVAL,
					    "%s: [nic %s] mac = is missing: the VM keeps its address on every host",
					    source, nic->name);
		for (j = 0; j < i; j++)
			if (!memcmp(nic->mac, def->nics[j].mac, 6))
				return vmig_err_set(err, EINVAL,
						    "%s: [nic %s] mac = is that of [nic %s]",
						    source, nic->name,
						    def->nics[j].name);
		set_default(nic->bridge, "br0");
	}
	return 0;
}

static int complete(struct vmig_definition *def, const struct reader *reader,
		    const char *source, struct vmig_err *err)
{
	int ret;

	if (!*def->name)
		return vmig_err_set(err, EINVAL, "%s: [vm] name = is missing",
				    source);
	if (!*def->kernel && (*def->initrd || *def->cmdline))
		return vmig_err_set(err, EINVAL,
				    "%s: [vm] kernel = is missing: initrd and cmdline belong to it",
				    source);
	if (!def->memory)
		def->memory = MEMORY_DEFAULT;
	if (!def->vcpus)
		def->vcpus = 1;
	set_default(def->machine, "pc");
	set_default(def->cpu, "host");
	set_default(def->cpu_policy, "host");
	if (strcmp(def->cpu, "host") && strcmp(def->cpu_policy, "host"))
		return vmig_err_set(err, EINVAL,
				    "%s: [vm] cpu = %s is a model chosen by hand, which goes with cpu-policy = host only: a policy chooses the model itself; remove cpu = or cpu-policy =",
				    source, def->cpu);
	set_default(def->lease, "none");
	if (strcmp(def->lease, "none") && !def->ndisks)
		return vmig_err_set(err, EINVAL,
				    "%s: [vm] lease = %s is kept with the VM's shared disks, and it has none: add a [disk NAME] or remove lease =",
				    source, def->lease);
	ret = complete_disks(def, source, err);
	return ret ? ret : complete_nics(def, reader, source, err);
}

int vmig_definition_parse(const char *text, const char *source,
			  struct vmig_definition *def, struct vmig_err *err)
{
	struct reader reader = { .def = def };
	int ret;

	memset(def, 0, sizeof(*def));
	ret = vmig_keyfile_parse(text, source, enter_section, &reader, err);
	return ret ? ret : complete(def, &reader, source, err);
}

int vmig_definition_load(const char *path, struct vmig_definition *def,
			 char **text, struct vmig_err *err)
{
	char *buf;
	int ret;

	ret = vmig_keyfile_read(path, &buf, err);
	if (ret)
		return ret;
	ret = vmig_definition_parse(buf, path, def, err);
	if (!ret && text)
		*text = buf;
	else
		free(buf);
	return ret;
}
