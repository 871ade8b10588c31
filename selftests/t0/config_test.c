// SPDX-License-Identifier: GPL-2.0
/*
 * agent.conf and VM definitions: what is right is understood, what is wrong is
 * refused with the file, the line, the key and what is allowed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "definition.h"
#include "keyfile.h"
#include "prefix.h"
#include "kselftest_harness.h"

static struct vmig_err err;

static int parse_config(const char *text, struct vmig_config *config)
{
	err.text[0] = '\0';
	return vmig_config_parse(text, "agent.conf", config, &err);
}

TEST(config_defaults)
{
	struct vmig_config config;

	ASSERT_EQ(0, parse_config("[node]\nname=a\naddress=10.77.0.1\n",
				  &config));
	EXPECT_STREQ("a", config.node);
	EXPECT_STREQ("10.77.0.1", config.address);
	EXPECT_EQ(4947, config.port);
	EXPECT_STREQ("/etc/vmig/vms", config.definitions);
	EXPECT_STREQ("/run/vmig-agent", config.run);
	EXPECT_STREQ("/run/vmig", config.memory);
	EXPECT_STREQ("/usr/bin/qemu-system-x86_64", config.qemu);
	EXPECT_STREQ("kvm", config.accel);
	EXPECT_STREQ("vmig", config.cluster);
	EXPECT_STREQ("/etc/vmig/cluster.key", config.key);
	EXPECT_STREQ("", config.certificate);
	EXPECT_EQ(0, config.npeers);
	EXPECT_EQ(1, config.live_migrations);
	EXPECT_EQ(16, config.max_nodes);
	EXPECT_EQ(0, config.network.family);
	EXPECT_EQ(0, config.waived);
	EXPECT_EQ(VMIG_REQUEST_TRANSPORT_TCP, config.transport);
	EXPECT_FALSE(config.trusted_network);
}

TEST(config_transport)
{
	static const struct {
		const char *word;
		enum vmig_request_transport transport;
	} words[] = {
		{ "tcp", VMIG_REQUEST_TRANSPORT_TCP },
		{ "rdma", VMIG_REQUEST_TRANSPORT_RDMA },
		{ "auto", VMIG_REQUEST_TRANSPORT_AUTO },
	};
	struct vmig_config config;
	char text[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		sprintf(text, "[node]\nname=a\naddress=::1\ntransport = %s\n"
			"[cluster]\ntrusted-network = %s\n", words[i].word,
			i ? "yes" : "no");
		ASSERT_EQ(0, parse_config(text, &config)) {
			TH_LOG("%s", err.text);
		}
		EXPECT_EQ(words[i].transport, config.transport);
		EXPECT_EQ(!!i, config.trusted_network);
	}
}

TEST(config_cluster)
{
	struct vmig_config config;
	char network[VMIG_PREFIX_TEXT];

	ASSERT_EQ(0, parse_config("[node]\nname=a\naddress=10.77.0.1\n"
				  "[cluster]\n"
				  "live-migrations = 2\n"
				  "max-nodes = 64\n"
				  "network = 10.77.0.0/16\n"
				  "waive = same-subnet,migration-network\n",
				  &config)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(2, config.live_migrations);
	EXPECT_EQ(64, config.max_nodes);
	vmig_prefix_text(&config.network, network);
	EXPECT_STREQ("10.77.0.0/16", network);
	EXPECT_EQ(VMIG_WAIVE_SAME_SUBNET | VMIG_WAIVE_MIGRATION_NETWORK,
		  config.waived);
}

TEST(prefix)
{
	static const char * const bad[] = {
		"", "/", "/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/0",
		"10.0.0.0/33", "10.0.0.0/8x", "10.0.0.0/-1", "10.0.0.1/31",
		"10.0.0/8", "fe80::/129", "fe80::1/127", "x::/64",
		"10.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0/8",
	};
	static const uint8_t address[] = { 192, 168, 37, 5 };
	static const uint8_t mask[] = { 255, 255, 240, 0 };
	struct vmig_prefix prefix;
	char text[VMIG_PREFIX_TEXT];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, vmig_prefix_parse(bad[i], &prefix)) {
			TH_LOG("taken: %s", bad[i]);
		}
		EXPECT_FALSE(vmig_prefix_has(&prefix, "0.0.0.0"));
	}
	ASSERT_EQ(0, vmig_prefix_parse("10.1.2.4/30", &prefix));
	EXPECT_TRUE(vmig_prefix_has(&prefix, "10.1.2.7"));
	EXPECT_FALSE(vmig_prefix_has(&prefix, "10.1.2.8"));
	EXPECT_FALSE(vmig_prefix_has(&prefix, "::ffff:10.1.2.7"));
	EXPECT_FALSE(vmig_prefix_has(&prefix, "nowhere"));
	ASSERT_EQ(0, vmig_prefix_parse("2001:db8:8000::/33", &prefix));
	EXPECT_TRUE(vmig_prefix_has(&prefix, "2001:db8:8001::9"));
	EXPECT_FALSE(vmig_prefix_has(&prefix, "2001:db8:7fff::9"));
	vmig_prefix_set(&prefix, AF_INET, address, mask);
	vmig_prefix_text(&prefix, text);
	EXPECT_STREQ("192.168.32.0/20", text);
}

TEST(config_full)
{
	struct vmig_config config;
	const struct vmig_peer *peer;

	ASSERT_EQ(0, parse_config("# a comment\n"
				  "[peers]\n"
				  "b = 10.77.0.2:7000\n"
				  "c = 10.77.0.3 ; another comment\n"
				  "d = fe80::4\n"
				  "e.example = [fe80::5]:7001\n"
				  "[node]\n"
				  "name = a\n"
				  "address = 2001:db8::1\n"
				  "port = 7000\n"
				  "definitions = /tmp/d\n"
				  "run = /tmp/r\n"
				  "memory = /tmp/m\n"
				  "qemu = /opt/qemu\n"
				  "accel = tcg\n", &config)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(7000, config.port);
	EXPECT_STREQ("/opt/qemu", config.qemu);
	EXPECT_STREQ("tcg", config.accel);
	ASSERT_EQ(4, config.npeers);
	peer = vmig_config_peer(&config, "b");
	ASSERT_NE(NULL, peer);
	EXPECT_STREQ("10.77.0.2", peer->address);
	EXPECT_EQ(7000, peer->port);
	EXPECT_EQ(4947, vmig_config_peer(&config, "c")->port);
	EXPECT_STREQ("fe80::4", vmig_config_peer(&config, "d")->address);
	EXPECT_EQ(4947, vmig_config_peer(&config, "d")->port);
	EXPECT_STREQ("fe80::5",
		     vmig_config_peer(&config, "e.example")->address);
	EXPECT_EQ(7001, vmig_config_peer(&config, "e.example")->port);
	EXPECT_EQ(NULL, vmig_config_peer(&config, "x"));
}

TEST(config_certificates)
{
	struct vmig_config config;

	ASSERT_EQ(0, parse_config("[node]\nname=a\naddress=10.77.0.1\n"
				  "[cluster]\nname = east\nca = /c/ca.pem\n"
				  "certificate = /c/a.pem\n"
				  "private-key = /c/a.key\n", &config)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_STREQ("east", config.cluster);
	EXPECT_STREQ("", config.key);
	EXPECT_STREQ("/c/ca.pem", config.ca);
	EXPECT_STREQ("/c/a.pem", config.certificate);
	EXPECT_STREQ("/c/a.key", config.private_key);
}

struct bad {
	const char *text;
	const char *says;
};

/* Each is refused, with exactly this. */
static const struct bad bad_configs[] = {
	{ "", "agent.conf: [node] name = is missing: how the peers call this node" },
	{ "[node]\nname=a\n",
	  "agent.conf: [node] address = is missing: this node's address for migrations" },
	{ "name=a\n", "agent.conf:1: name: a key must follow a [section]" },
	{ "[nodes]\n", "agent.conf:1: there is no section [nodes]; there are [node], [cluster] and [peers]" },
	{ "[node]\n\nnmae = a\n",
	  "agent.conf:3: nmae: there is no such key here; there are name, address, port, definitions, run, state, memory, qemu, accel, transport" },
	{ "[node]\nname = a b\n",
	  "agent.conf:2: name: \"a b\" cannot be the name of a node or VM: 1 to 63 of A-Z a-z 0-9 . _ -, a letter, digit or _ first" },
	{ "[node]\nname = a\nname = b\n", "agent.conf:3: name: given twice" },
	{ "[node]\nname = a\n[peers]\n[node]\nname = b\n",
	  "agent.conf:5: name: given twice" },
	{ "[node]\nname =\n", "agent.conf:2: name: the value is missing" },
	{ "[node]\nname = a\n b\n",
	  "agent.conf:3: name: the value must be on one line" },
	{ "[node]\naddress = localhost\n",
	  "agent.conf:2: address: \"localhost\" is not an IPv4 or IPv6 address; names are not looked up" },
	{ "[node]\nport = 0\n",
	  "agent.conf:2: port: \"0\" is not a number from 1 to 65535" },
	{ "[node]\nport = 65536\n",
	  "agent.conf:2: port: \"65536\" is not a number from 1 to 65535" },
	{ "[node]\nport = -1\n",
	  "agent.conf:2: port: \"-1\" is not a number from 1 to 65535" },
	{ "[node]\nport = 99999999999999999999\n",
	  "agent.conf:2: port: \"99999999999999999999\" is not a number from 1 to 65535" },
	{ "[node]\nport = 7x\n",
	  "agent.conf:2: port: \"7x\" is not a number from 1 to 65535" },
	{ "[node]\nrun = tmp\n",
	  "agent.conf:2: run: \"tmp\" is not an absolute path; it must start with /" },
	{ "[node]\naccel = xen\n",
	  "agent.conf:2: accel: \"xen\" is not one of: kvm, tcg" },
	{ "[node]\nfoo\n",
	  "agent.conf:2: this is neither a [section] nor key = value" },
	{ "[node\n", "agent.conf:1: a section's name ends with ]" },
	{ "[node] x\n", "agent.conf:1: there is text behind the section's name: x" },
	{ "[]\n", "agent.conf:1: a section's name has 1 to 63 bytes" },
	{ "[node]\nname=a\naddress=::1\n[peers]\na = 10.0.0.1\n",
	  "agent.conf: [peers] lists this node itself, a" },
	{ "[node]\nname=a\naddress=::1\n[cluster]\ncertificate = /c\nkey = /k\n",
	  "agent.conf: [cluster] has both key = and certificates: nodes know each other either by the key or by certificates" },
	{ "[node]\nname=a\naddress=::1\n[cluster]\ncertificate = /c\nca = /c\n",
	  "agent.conf: [cluster] private-key = is missing: certificates need ca =, certificate = and private-key =" },
	{ "[cluster]\nname = ../x\n",
	  "agent.conf:2: name: \"../x\" cannot be the name of a node or VM: 1 to 63 of A-Z a-z 0-9 . _ -, a letter, digit or _ first" },
	{ "[peers]\nb = 10.0.0.1\nb = 10.0.0.2\n",
	  "agent.conf:3: b: given twice" },
	{ "[peers]\nb =\n",
	  "agent.conf:2: b: \"\" is not ADDRESS, IPV4:PORT or [IPV6]:PORT; names are not looked up" },
	{ "[peers]\nb = 10.0.0.1:\n",
	  "agent.conf:2: b: \"10.0.0.1:\" is not ADDRESS, IPV4:PORT or [IPV6]:PORT; names are not looked up" },
	{ "[peers]\nb = 10.0.0.1:70000\n",
	  "agent.conf:2: b: \"10.0.0.1:70000\" is not ADDRESS, IPV4:PORT or [IPV6]:PORT; names are not looked up" },
	{ "[peers]\nb = [fe80::1\n",
	  "agent.conf:2: b: \"[fe80::1\" is not ADDRESS, IPV4:PORT or [IPV6]:PORT; names are not looked up" },
	{ "[peers]\nb = hostb\n",
	  "agent.conf:2: b: \"hostb\" is not ADDRESS, IPV4:PORT or [IPV6]:PORT; names are not looked up" },
	{ "[cluster]\nwaive = same-subnet bridge\n",
	  "agent.conf:2: waive: no rule that can be waived is called \"bridge\"; same-subnet and migration-network can" },
	{ "[node]\ntransport = infiniband\n",
	  "agent.conf:2: transport: \"infiniband\" is not one of: tcp, rdma, auto" },
	{ "[cluster]\ntrusted-network = true\n",
	  "agent.conf:2: trusted-network: \"true\" is neither yes nor no" },
	{ "[cluster]\nlive-migrations = 0\n",
	  "agent.conf:2: live-migrations: \"0\" is not a number from 1 to 16" },
	{ "[cluster]\nmax-nodes = 65\n",
	  "agent.conf:2: max-nodes: \"65\" is not a number from 2 to 64" },
	{ "[cluster]\nnetwork = 10.77.0.1/24\n",
	  "agent.conf:2: network: \"10.77.0.1/24\" is not a network; write its first address and the length, such as 10.77.0.0/24" },
	{ "[node]\nname=a\naddress=10.0.0.1\n[peers]\nb = 10.0.1.2\n[cluster]\nnetwork=10.0.0.0/24\n",
	  "agent.conf: the address 10.0.1.2 of node b is not in [cluster] network = 10.0.0.0/24: all migrations are to use that network" },
	{ "[node]\nname=a\naddress=::1\n[cluster]\nnetwork=10.0.0.0/24\n",
	  "agent.conf: the address ::1 of node a is not in [cluster] network = 10.0.0.0/24: all migrations are to use that network" },
	{ "[node]\nname=a\naddress=::1\n[peers]\nb=::2\nc=::3\n[cluster]\nmax-nodes=2\n",
	  "agent.conf: 3 nodes are more than the 2 that [cluster] max-nodes = allows (at most 64)" },
	{ "[peers]\n.b = 10.0.0.1\n",
	  "agent.conf:2: .b: \".b\" cannot be the name of a node: 1 to 63 of A-Z a-z 0-9 . _ -, a letter, digit or _ first" },
};

TEST(config_refused)
{
	struct vmig_config config;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_configs); i++) {
		EXPECT_GT(0, parse_config(bad_configs[i].text, &config)) {
			TH_LOG("taken: %s", bad_configs[i].text);
		}
		EXPECT_STREQ(bad_configs[i].says, err.text);
	}
}

static int parse_peers(unsigned int n, const char *more)
{
	char text[4096] = "[node]\nname=a\naddress=10.0.1.1\n[peers]\n";
	struct vmig_config config;
	unsigned int i;

	for (i = 0; i < n; i++)
		sprintf(text + strlen(text), "n%u = 10.0.0.%u\n", i, i + 1);
	strcat(text, more);
	return parse_config(text, &config);
}

TEST(config_too_many_peers)
{
	EXPECT_EQ(0, parse_peers(15, ""));
	EXPECT_EQ(-E2BIG, parse_peers(16, ""));
	EXPECT_STREQ("agent.conf: 17 nodes are more than the 16 that [cluster] max-nodes = allows (at most 64)",
		     err.text);
	EXPECT_EQ(0, parse_peers(63, "[cluster]\nmax-nodes = 64\n"));
	EXPECT_EQ(-E2BIG, parse_peers(64, "[cluster]\nmax-nodes = 64\n"));
	EXPECT_STREQ("agent.conf:68: n63: there are more than 63 peers",
		     err.text);
}

TEST(config_file)
{
	struct vmig_config config;

	EXPECT_EQ(-ENOENT, vmig_config_load("/nonexistent/x", &config, &err));
	EXPECT_STREQ("/nonexistent/x: No such file or directory", err.text);
	EXPECT_EQ(-EISDIR, vmig_config_load("/", &config, &err));
	EXPECT_EQ(-EINVAL, vmig_config_load("/proc/self/cmdline", &config,
					    &err));
	EXPECT_STREQ("/proc/self/cmdline: not a text file", err.text);
	EXPECT_EQ(-EFBIG, vmig_config_load("/proc/self/exe", &config, &err));
	/* Without a place for the sentence. */
	EXPECT_EQ(-EINVAL, vmig_config_parse("x", "y", &config, NULL));
}

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

static const struct bad bad_definitions[] = {
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

TEST(size)
{
	uint64_t n = 1;

	EXPECT_EQ(0, vmig_size_parse("0", &n));
	EXPECT_EQ(0, n);
	EXPECT_EQ(0, vmig_size_parse("4096", &n));
	EXPECT_EQ(4096, n);
	EXPECT_EQ(0, vmig_size_parse("3k", &n));
	EXPECT_EQ(3 << 10, n);
	EXPECT_EQ(0, vmig_size_parse("16777215T", &n));
	EXPECT_EQ(16777215ull << 40, n);
	EXPECT_EQ(-ERANGE, vmig_size_parse("16777216T", &n));
	EXPECT_EQ(-ERANGE, vmig_size_parse("18446744073709551616", &n));
	EXPECT_EQ(-EINVAL, vmig_size_parse("", &n));
	EXPECT_EQ(-EINVAL, vmig_size_parse("M", &n));
	EXPECT_EQ(-EINVAL, vmig_size_parse("1MB", &n));
	EXPECT_EQ(-EINVAL, vmig_size_parse(" 1", &n));
	EXPECT_EQ(-EINVAL, vmig_size_parse("1.5G", &n));
}

TEST(name)
{
	char longest[VMIG_NAME_MAX + 2];

	memset(longest, 'x', sizeof(longest));
	longest[VMIG_NAME_MAX] = '\0';
	EXPECT_EQ(0, vmig_name_check("VM", longest, &err));
	longest[VMIG_NAME_MAX] = 'x';
	longest[VMIG_NAME_MAX + 1] = '\0';
	EXPECT_EQ(-EINVAL, vmig_name_check("VM", longest, &err));
	EXPECT_EQ(0, vmig_name_check("VM", "_A.b-9", &err));
	EXPECT_EQ(-EINVAL, vmig_name_check("VM", "", &err));
	EXPECT_EQ(-EINVAL, vmig_name_check("VM", "-a", &err));
	EXPECT_EQ(-EINVAL, vmig_name_check("VM", "a b", &err));
	EXPECT_EQ(-EINVAL, vmig_name_check("VM", "caf\xc3\xa9", &err));
}

TEST_HARNESS_MAIN
