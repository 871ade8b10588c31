// SPDX-License-Identifier: GPL-2.0
/*
 * agent.conf: what is right is understood, what is wrong is refused with the
 * file, the line, the key and what is allowed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
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
