// SPDX-License-Identifier: GPL-2.0
/*
 * Definitions of VMs: what is right is understood, what is wrong is refused with
 * the file, the line, the key and what is allowed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "definition.h"
#include "keyfile.h"
#include "kselftest_harness.h"

static struct vmig_err err;

FIXTURE(definition) {
	struct vmig_definition *def;
};

FIXTURE_SETUP(definition)
{
	self->def = malloc(sizeof(*self->def));
	ASSERT_NE(NULL, self->def);
	err.text[0] = '\0';
}

FIXTURE_TEARDOWN(definition)
{
	free(self->def);
}

TEST_F(definition, defaults)
{
	const struct vmig_definition *def = self->def;

	ASSERT_EQ(0, vmig_definition_parse("[vm]\nname = web1\n", "web1.ini",
					   self->def, &err));
	EXPECT_STREQ("web1", def->name);
	EXPECT_EQ(256ull << 20, def->memory);
	EXPECT_EQ(1, def->vcpus);
	EXPECT_STREQ("pc", def->machine);
	EXPECT_STREQ("host", def->cpu);
	EXPECT_STREQ("host", def->cpu_policy);
	EXPECT_STREQ("", def->kernel);
	EXPECT_STREQ("", def->extra);
	EXPECT_STREQ("none", def->lease);
	EXPECT_EQ(0, def->ndisks);
	EXPECT_EQ(0, def->nnics);
}

TEST_F(definition, full)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0xab, 0xcd, 0xef };
	const struct vmig_definition *def = self->def;
	struct in6_addr ip6;

	ASSERT_EQ(0, vmig_definition_parse(
		"[vm]\n"
		"name = web1\n"
		"memory = 2G\n"
		"vcpus = 4\n"
		"machine = q35,suppress-vmdesc=on\n"
		"cpu = host,-x2apic\n"
		"kernel = /boot/vmlinux\n"
		"initrd = /boot/initrd\n"
		"cmdline = console=ttyS0\n"
		"\tquiet panic=-1\n"
		"\n"
		"bios = /usr/share/qboot.rom\n"
		"extra = -device virtio-rng-pci\n"
		"lease = scsi-pr\n"
		"[disk root]\n"
		"path = /srv/web1.qcow2\n"
		"format = qcow2\n"
		"[disk  data]\n"
		"path = /dev/sdb\n"
		"cache = directsync\n"
		"[nic net0]\n"
		"mac = 52:54:00:AB:cd:ef\n"
		"bridge = br7\n"
		"addresses = 10.77.0.50, fe80::1\n"
		" 10.77.0.51\n"
		"[nic net1]\n"
		"mac = 52:54:00:00:00:02\n"
		"[disk root]\n"
		"bus = virtio\n", "web1.ini", self->def, &err)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(2ull << 30, def->memory);
	EXPECT_EQ(4, def->vcpus);
	EXPECT_STREQ("q35,suppress-vmdesc=on", def->machine);
	EXPECT_STREQ("console=ttyS0 quiet panic=-1", def->cmdline);
	EXPECT_STREQ("-device virtio-rng-pci", def->extra);
	EXPECT_STREQ("scsi-pr", def->lease);
	ASSERT_EQ(2, def->ndisks);
	EXPECT_STREQ("root", def->disks[0].name);
	EXPECT_STREQ("qcow2", def->disks[0].format);
	EXPECT_STREQ("none", def->disks[0].cache);
	EXPECT_STREQ("data", def->disks[1].name);
	EXPECT_STREQ("raw", def->disks[1].format);
	EXPECT_STREQ("directsync", def->disks[1].cache);
	ASSERT_EQ(2, def->nnics);
	EXPECT_EQ(0, memcmp(mac, def->nics[0].mac, 6));
	EXPECT_STREQ("br7", def->nics[0].bridge);
	EXPECT_STREQ("br0", def->nics[1].bridge);
	ASSERT_EQ(3, def->nics[0].naddresses);
	EXPECT_EQ(AF_INET, def->nics[0].addresses[0].family);
	EXPECT_EQ(inet_addr("10.77.0.50"),
		  def->nics[0].addresses[0].ip4.s_addr);
	EXPECT_EQ(AF_INET6, def->nics[0].addresses[1].family);
	inet_pton(AF_INET6, "fe80::1", &ip6);
	EXPECT_EQ(0, memcmp(&ip6, &def->nics[0].addresses[1].ip6, 16));
	EXPECT_EQ(AF_INET, def->nics[0].addresses[2].family);
	EXPECT_EQ(0, def->nics[1].naddresses);
}

TEST_F(definition, policies)
{
	static const char * const good[] = {
		"cpu-policy = cluster", "cpu-policy = custom:x86-64-v2,-aes",
		"cpu = host\ncpu-policy = hyperv-r2", "cpu = EPYC",
		"cpu = EPYC\ncpu-policy = host",
	};
	char text[128];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "[vm]\nname = a\n%s\n", good[i]);
		EXPECT_EQ(0, vmig_definition_parse(text, "x", self->def,
						   &err)) {
			TH_LOG("%s: %s", good[i], err.text);
		}
	}
}

/* The text before and after. */
TEST_F(definition, set)
{
	static const char * const cases[][2] = {
		{ "[vm]\nname = a\n",
		  "[vm]\ncpu-policy = new\nname = a\n" },
		{ "# mine\n[vm]\nname = a\ncpu-policy = old\ncpu-policy-not = 1\n",
		  "# mine\n[vm]\ncpu-policy = new\nname = a\ncpu-policy-not = 1\n" },
		/* another section's, another value's, a comment's */
		{ "[disk x]\ncpu-policy = 1\n[vm]\ncmdline = a\n  cpu-policy = 2\n;cpu-policy = 3\n",
		  "[disk x]\ncpu-policy = 1\n[vm]\ncpu-policy = new\ncmdline = a\n  cpu-policy = 2\n;cpu-policy = 3\n" },
		{ "[vm]\nname = a\n\n[nic n]\n[vm]\ncpu-policy=old",
		  "[vm]\ncpu-policy = new\nname = a\n\n[nic n]\n[vm]\n" },
		{ "[vm]", "[vm]\ncpu-policy = new\n" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = vmig_definition_set(cases[i][0], "cpu-policy",
						 "new");

		EXPECT_STREQ(cases[i][1], text);
		free(text);
	}
}

static const struct {
	const char *text;
	const char *says;
} bad_definitions[] = {
	{ "", "x: [vm] name = is missing" },
	{ "[vm]\nname = ..\n",
	  "x:2: name: \"..\" cannot be the name of a node or VM: 1 to 63 of A-Z a-z 0-9 . _ -, a letter, digit or _ first" },
	{ "[vm]\nname = a/b\n",
	  "x:2: name: \"a/b\" cannot be the name of a node or VM: 1 to 63 of A-Z a-z 0-9 . _ -, a letter, digit or _ first" },
	{ "[vm]\nmemory = 256X\n",
	  "x:2: memory: \"256X\" is not a size; write bytes, or a number with K, M, G or T such as 512M" },
	{ "[vm]\nmemory = 1 G\n",
	  "x:2: memory: \"1 G\" is not a size; write bytes, or a number with K, M, G or T such as 512M" },
	{ "[vm]\nmemory = -1G\n",
	  "x:2: memory: \"-1G\" is not a size; write bytes, or a number with K, M, G or T such as 512M" },
	{ "[vm]\nmemory = 1M\n",
	  "x:2: memory: 1M is out of range: 2M to 16777216M" },
	{ "[vm]\nmemory = 99999999T\n",
	  "x:2: memory: \"99999999T\" is not a size; write bytes, or a number with K, M, G or T such as 512M" },
	{ "[vm]\nmemory = 17T\n",
	  "x:2: memory: 17T is out of range: 2M to 16777216M" },
	{ "[vm]\nmemory = 3M\n", "x:2: memory: 3M is not a multiple of 2M" },
	{ "[vm]\nvcpus = 0\n",
	  "x:2: vcpus: \"0\" is not a number from 1 to 255" },
	{ "[vm]\nname = a\ncpu = EPYC\ncpu-policy = cluster\n",
	  "x: [vm] cpu = EPYC is a model chosen by hand, which goes with cpu-policy = host only: a policy chooses the model itself; remove cpu = or cpu-policy =" },
	{ "[vm]\nlease = nfs\n",
	  "x:2: lease: \"nfs\" is not one of: none, lease-file, scsi-pr" },
	{ "[vm]\nname = a\nlease = lease-file\n",
	  "x: [vm] lease = lease-file is kept with the VM's shared disks, and it has none: add a [disk NAME] or remove lease =" },
	{ "[vm]\ncpu-policy = clustr\n",
	  "x:2: cpu-policy: no processor policy is called \"clustr\" (did you mean cluster?); policies are host, hyperv-r2, hyperv-r2-strict, cluster, x86-64-v2, x86-64-v3, x86-64-v4 and custom:+FEATURE,-FEATURE,..." },
	{ "[vm]\ncpu-policy = custom:+avx,-avx\n",
	  "x:2: cpu-policy: the policy has both +avx and -avx: leave one of them out" },
	{ "[vm]\nmachine = pc q35\n",
	  "x:2: machine: \"pc q35\" has a blank in it" },
	{ "[vm]\nname = a\ninitrd = /i\n",
	  "x: [vm] kernel = is missing: initrd and cmdline belong to it" },
	{ "[disk]\n",
	  "x:1: there is no section [disk]; there are [vm], [disk NAME] and [nic NAME]" },
	{ "[disk 0]\n",
	  "x:1: \"0\" cannot be the name of a device: 1 to 31 of A-Z a-z 0-9 . _ -, a letter first" },
	{ "[nic a,b]\n",
	  "x:1: \"a,b\" cannot be the name of a device: 1 to 31 of A-Z a-z 0-9 . _ -, a letter first" },
	{ "[vm]\nname = a\n[disk root]\n",
	  "x: [disk root] path = is missing: the image or block device, by the same path on both hosts" },
	{ "[disk root]\nformat = vmdk\n",
	  "x:2: format: \"vmdk\" is not one of: raw, qcow2" },
	{ "[disk root]\ncache = writeback\n",
	  "x:2: cache: \"writeback\" is not one of: none, directsync" },
	{ "[vm]\nname = a\n[nic n]\n",
	  "x: [nic n] mac = is missing: the VM keeps its address on every host" },
	{ "[nic n]\nmac = 52:54:00:00:00\n",
	  "x:2: mac: \"52:54:00:00:00\" is not a MAC address; write six bytes such as 52:54:00:12:34:56" },
	{ "[nic n]\nmac = 52:54:00:00:00:0g\n",
	  "x:2: mac: \"52:54:00:00:00:0g\" is not a MAC address; write six bytes such as 52:54:00:12:34:56" },
	{ "[nic n]\nmac = 53:54:00:00:00:01\n",
	  "x:2: mac: 53:54:00:00:00:01 is not the address of one NIC: the first byte must be even, and not all zero" },
	{ "[nic n]\nmac = 00:00:00:00:00:00\n",
	  "x:2: mac: 00:00:00:00:00:00 is not the address of one NIC: the first byte must be even, and not all zero" },
	{ "[vm]\nname=a\n[nic n]\nmac=52:54:00:00:00:01\n[nic m]\nmac=52:54:00:00:00:01\n",
	  "x: [nic m] mac = is that of [nic n]" },
	{ "[nic n]\nbridge = a-name-too-long\n[vm]\nname = a\n",
	  "x: [nic n] mac = is missing: the VM keeps its address on every host" },
	{ "[nic n]\nbridge = a-name-too-long.\n",
	  "x:2: bridge: \"a-name-too-long.\" cannot be the name of a network link: 1 to 15 bytes without / : and blanks" },
	{ "[nic n]\naddresses = 10.77.0.50/24\n",
	  "x:2: addresses: \"10.77.0.50/24\" is not an IPv4 or IPv6 address; separate them by commas, without a prefix length" },
	{ "[nic n]\naddresses = 10.77.0.50, ff02::1\n",
	  "x:2: addresses: ff02::1 cannot be the address of a NIC" },
	{ "[nic n]\naddresses = 0.0.0.0\n",
	  "x:2: addresses: 0.0.0.0 cannot be the address of a NIC" },
};

TEST_F(definition, refused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_definitions); i++) {
		EXPECT_GT(0, vmig_definition_parse(bad_definitions[i].text,
						   "x", self->def, &err)) {
			TH_LOG("taken: %s", bad_definitions[i].text);
		}
		EXPECT_STREQ(bad_definitions[i].says, err.text);
	}
}

/* Nothing is written past an array, whatever its limit. */
TEST_F(definition, limits)
{
	char *text = malloc(VMIG_DATA_MAX);
	unsigned int i;

	strcpy(text, "[vm]\nname = a\n");
	for (i = 0; i <= VMIG_DISKS_MAX; i++)
		sprintf(text + strlen(text), "[disk d%u]\npath = /d\n", i);
	EXPECT_EQ(-E2BIG, vmig_definition_parse(text, "x", self->def, &err));
	EXPECT_STREQ("x:35: there are more than 16 disks", err.text);

	*text = '\0';
	for (i = 0; i <= VMIG_NICS_MAX; i++)
		sprintf(text + strlen(text), "[nic n%u]\n", i);
	EXPECT_EQ(-E2BIG, vmig_definition_parse(text, "x", self->def, &err));
	EXPECT_STREQ("x:9: there are more than 8 NICs", err.text);

	strcpy(text, "[nic n]\naddresses =");
	for (i = 0; i <= VMIG_ADDRESSES_MAX; i++)
		sprintf(text + strlen(text), " 10.0.0.%u", i + 1);
	EXPECT_EQ(-E2BIG, vmig_definition_parse(text, "x", self->def, &err));
	EXPECT_STREQ("x:2: addresses: there are more than 16 addresses",
		     err.text);

	strcpy(text, "[vm]\nkernel = /");
	memset(text + strlen(text), 'k', VMIG_LINE_MAX - 10);
	text[5 + VMIG_LINE_MAX] = '\0';
	EXPECT_EQ(-EINVAL, vmig_definition_parse(text, "x", self->def, &err));
	EXPECT_STREQ("x: [vm] name = is missing", err.text);
	strcat(text, "kk");
	EXPECT_EQ(-E2BIG, vmig_definition_parse(text, "x", self->def, &err));
	EXPECT_STREQ("x:2: the line has more than 4095 bytes; go on in the next line, with a blank in front",
		     err.text);

	strcpy(text, "[vm]\ncmdline = x\n");
	for (i = 0; i < 5; i++) {
		strcat(text, " ");
		memset(text + strlen(text), 'k', 1000);
		text[17 + (i + 1) * 1002 - 1] = '\n';
		text[17 + (i + 1) * 1002] = '\0';
	}
	EXPECT_EQ(-E2BIG, vmig_definition_parse(text, "x", self->def, &err));
	EXPECT_STREQ("x:7: cmdline: longer than 4095 bytes", err.text);
	free(text);
}

TEST_HARNESS_MAIN
