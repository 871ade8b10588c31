// SPDX-License-Identifier: GPL-2.0
/* agent.conf. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "keyfile.h"

struct reader {
	struct vmig_config *config;
	uint32_t node_seen;
	uint32_t cluster_seen;
	uint32_t peers_seen;
};

static const char * const transports[] = {
	[VMIG_REQUEST_TRANSPORT_TCP] = "tcp",
	[VMIG_REQUEST_TRANSPORT_RDMA] = "rdma",
	[VMIG_REQUEST_TRANSPORT_AUTO] = "auto",
};

int vmig_config_transport(const char *word,
			  enum vmig_request_transport *transport)
{
	size_t i;

	for (i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		if (strcmp(transports[i], word))
			continue;
		*transport = i;
		return 0;
	}
	return -EINVAL;
}

static int parse_transport(struct vmig_keyfile *kf, const struct vmig_key *key,
			   const char *value, void *field)
{
	(void)key;
	if (vmig_config_transport(value, field))
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not one of: tcp, rdma, auto",
					  value);
	return 0;
}

static const char * const accels[] = { "kvm", "tcg", NULL };

#define FIELD(f)	.offset = offsetof(struct vmig_config, f), \
			.size = sizeof(((struct vmig_config *)0)->f)

static const struct vmig_key node_keys[] = {
	{ .name = "name", .parse = vmig_key_name, FIELD(node) },
	{ .name = "address", .parse = vmig_key_address, FIELD(address) },
	{ .name = "port", .parse = vmig_key_port, FIELD(port),
	  .min = 1, .max = UINT16_MAX },
	{ .name = "definitions", .parse = vmig_key_path, FIELD(definitions) },
	{ .name = "run", .parse = vmig_key_path, FIELD(run) },
	{ .name = "state", .parse = vmig_key_path, FIELD(state) },
	{ .name = "memory", .parse = vmig_key_path, FIELD(memory) },
	{ .name = "qemu", .parse = vmig_key_path, FIELD(qemu) },
	{ .name = "accel", .parse = vmig_key_choice, FIELD(accel),
	  .choices = accels },
	{ .name = "transport", .parse = parse_transport, FIELD(transport) },
	{ }
};

static const struct {
	const char *rule;
	enum vmig_waiver waiver;
} waivers[] = {
	{ "same-subnet", VMIG_WAIVE_SAME_SUBNET },
	{ "migration-network", VMIG_WAIVE_MIGRATION_NETWORK },
};

enum vmig_waiver vmig_config_waiver(const char *rule)
{
	size_t i;

	for (i = 0; i < sizeof(waivers) / sizeof(waivers[0]); i++)
		if (!strcmp(waivers[i].rule, rule))
			return waivers[i].waiver;
	return 0;
}

static int parse_network(struct vmig_keyfile *kf, const struct vmig_key *key,
			 const char *value, void *field)
{
	(void)key;
	if (vmig_prefix_parse(value, field))
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not a network; write its first address and the length, such as 10.77.0.0/24",
					  value);
	return 0;
}

/* "same-subnet, migration-network" */
static int parse_waive(struct vmig_keyfile *kf, const struct vmig_key *key,
		       const char *value, void *field)
{
	unsigned int *waived = field;
	char *rest, *rule;

	(void)key;
	for (rest = strdupa(value); (rule = strsep(&rest, ", \t"));) {
		if (!*rule)
			continue;
		if (!vmig_config_waiver(rule))
			return vmig_keyfile_error(kf, EINVAL,
						  "no rule that can be waived is called \"%s\"; same-subnet and migration-network can",
						  rule);
		*waived |= vmig_config_waiver(rule);
	}
	return 0;
}

static const struct vmig_key cluster_keys[] = {
	{ .name = "name", .parse = vmig_key_name, FIELD(cluster) },
	{ .name = "key", .parse = vmig_key_path, FIELD(key) },
	{ .name = "ca", .parse = vmig_key_path, FIELD(ca) },
	{ .name = "certificate", .parse = vmig_key_path, FIELD(certificate) },
	{ .name = "private-key", .parse = vmig_key_path, FIELD(private_key) },
	{ .name = "live-migrations", .parse = vmig_key_uint,
	  FIELD(live_migrations), .min = 1, .max = 16 },
	{ .name = "max-nodes", .parse = vmig_key_uint, FIELD(max_nodes),
	  .min = 2, .max = VMIG_PEERS_MAX + 1 },
	{ .name = "network", .parse = parse_network, FIELD(network) },
	{ .name = "trusted-network", .parse = vmig_key_flag,
	  FIELD(trusted_network) },
	{ .name = "waive", .parse = parse_waive, FIELD(waived) },
	{ }
};

/* "10.77.0.2", "10.77.0.2:7000", "fe80::2" or "[fe80::2]:7000". */
static int parse_endpoint(const char *value, struct vmig_peer *peer)
{
	char address[sizeof(peer->address)];
	const char *port = NULL, *colon = strrchr(value, ':');
	struct in6_addr any;
	char *end;
	size_t len = strlen(value);
	long n;

	if (colon && (*value == '[' ? colon[-1] == ']'
				    : strchr(value, ':') == colon)) {
		port = colon + 1;
		len = colon - value;
	}
	if (*value == '[') {
		if (len < 2 || value[len - 1] != ']')
			return -EINVAL;
		value++;
		len -= 2;
	}
	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, value, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &any) != 1 &&
	    inet_pton(AF_INET6, address, &any) != 1)
		return -EINVAL;
	memcpy(peer->address, address, len + 1);
	peer->port = VMIG_PORT_DEFAULT;
	if (!port)
		return 0;
	n = strtol(port, &end, 10);
	if (*port < '0' || *port > '9' || *end || n < 1 || n > UINT16_MAX)
		return -EINVAL;
	peer->port = n;
	return 0;
}

/* In [peers] the key is the peer's name. */
static int add_peer(struct vmig_keyfile *kf, void *arg, const char *key,
		    const char *value)
{
	struct vmig_config *config = ((struct reader *)arg)->config;
	struct vmig_peer *peer;
	struct vmig_err why;

	if (vmig_name_check("node", key, &why))
		return vmig_keyfile_error(kf, EINVAL, "%s", why.text);
	if (vmig_config_peer(config, key))
		return vmig_keyfile_error(kf, EEXIST, "given twice");
	if (config->npeers == VMIG_PEERS_MAX)
		return vmig_keyfile_error(kf, E2BIG,
					  "there are more than %d peers",
					  VMIG_PEERS_MAX);
	peer = &config->peers[config->npeers];
	if (parse_endpoint(value, peer))
		return vmig_keyfile_error(kf, EINVAL,
					  "\"%s\" is not ADDRESS, IPV4:PORT or [IPV6]:PORT; names are not looked up",
					  value);
	strcpy(peer->name, key);
	config->npeers++;
	return 0;
}

static int enter_section(struct vmig_keyfile *kf, void *arg, const char *name,
			 struct vmig_section *section)
{
	struct reader *reader = arg;

	if (!strcmp(name, "node")) {
		section->keys = node_keys;
		section->seen = &reader->node_seen;
		section->object = reader->config;
		return 0;
	}
	if (!strcmp(name, "cluster")) {
		section->keys = cluster_keys;
		section->seen = &reader->cluster_seen;
		section->object = reader->config;
		return 0;
	}
	if (!strcmp(name, "peers")) {
		section->other = add_peer;
		section->seen = &reader->peers_seen;
		return 0;
	}
	return vmig_keyfile_error(kf, EINVAL,
				  "there is no section [%s]; there are [node], [cluster] and [peers]",
				  name);
}

static void set_default(char *field, size_t size, const char *value)
{
	if (!*field)
		snprintf(field, size, "%s", value);
}

static int check_network(const struct vmig_config *config, const char *node,
			 const char *address, const char *name,
			 struct vmig_err *err)
{
	char network[VMIG_PREFIX_TEXT];

	if (!config->network.family ||
	    vmig_prefix_has(&config->network, address))
		return 0;
	vmig_prefix_text(&config->network, network);
	return vmig_err_set(err, EINVAL,
			    "%s: the address %s of node %s is not in [cluster] network = %s: all migrations are to use that network",
			    name, address, node, network);
}

static int check_cluster(struct vmig_config *config, const char *name,
			 struct vmig_err *err)
{
	unsigned int i;
	int ret;

	if (!config->live_migrations)
		config->live_migrations = 1;
	if (!config->max_nodes)
		config->max_nodes = VMIG_NODES_DEFAULT;
	if (config->npeers + 1 > config->max_nodes)
		return vmig_err_set(err, E2BIG,
				    "%s: %u nodes are more than the %u that [cluster] max-nodes = allows (at most %d)",
				    name, config->npeers + 1, config->max_nodes,
				    VMIG_PEERS_MAX + 1);
	ret = check_network(config, config->node, config->address, name, err);
	for (i = 0; !ret && i < config->npeers; i++)
		ret = check_network(config, config->peers[i].name,
				    config->peers[i].address, name, err);
	return ret;
}

/* A cluster key, or all of what certificates need. */
static int check_trust(struct vmig_config *config, const char *name,
		       struct vmig_err *err)
{
	bool any = *config->ca || *config->certificate || *config->private_key;
	bool all = *config->ca && *config->certificate && *config->private_key;

	set_default(config->cluster, sizeof(config->cluster), "vmig");
	if (any && *config->key)
		return vmig_err_set(err, EINVAL,
				    "%s: [cluster] has both key = and certificates: nodes know each other either by the key or by certificates",
				    name);
	if (any && !all)
		return vmig_err_set(err, EINVAL,
				    "%s: [cluster] %s = is missing: certificates need ca =, certificate = and private-key =",
				    name, !*config->ca ? "ca" :
				    !*config->certificate ? "certificate" :
				    "private-key");
	if (!any)
		set_default(config->key, sizeof(config->key), VMIG_KEY_PATH);
	return 0;
}

static int complete(struct vmig_config *config, const char *name,
		    struct vmig_err *err)
{
	int ret;

	if (!*config->node)
		return vmig_err_set(err, EINVAL,
				    "%s: [node] name = is missing: how the peers call this node",
				    name);
	if (!*config->address)
		return vmig_err_set(err, EINVAL,
				    "%s: [node] address = is missing: this node's address for migrations",
				    name);
	if (vmig_config_peer(config, config->node))
		return vmig_err_set(err, EINVAL,
				    "%s: [peers] lists this node itself, %s",
				    name, config->node);
	if (!config->port)
		config->port = VMIG_PORT_DEFAULT;
	set_default(config->definitions, sizeof(config->definitions),
		    "/etc/vmig/vms");
	set_default(config->run, sizeof(config->run), "/run/vmig-agent");
	set_default(config->state, sizeof(config->state), "/var/lib/vmig");
	set_default(config->memory, sizeof(config->memory), "/run/vmig");
	set_default(config->qemu, sizeof(config->qemu),
		    "/usr/bin/qemu-system-x86_64");
	set_default(config->accel, sizeof(config->accel), "kvm");
	ret = check_trust(config, name, err);
	return ret ? ret : check_cluster(config, name, err);
}

int vmig_config_parse(const char *text, const char *name,
		      struct vmig_config *config, struct vmig_err *err)
{
	struct reader reader = { .config = config };
	int ret;

	memset(config, 0, sizeof(*config));
	ret = vmig_keyfile_parse(text, name, enter_section, &reader, err);
	return ret ? ret : complete(config, name, err);
}

int vmig_config_load(const char *path, struct vmig_config *config,
		     struct vmig_err *err)
{
	char *text;
	int ret;

	ret = vmig_keyfile_read(path, &text, err);
	if (ret)
		return ret;
	ret = vmig_config_parse(text, path, config, err);
	free(text);
	return ret;
}

const struct vmig_peer *vmig_config_peer(const struct vmig_config *config,
					 const char *name)
{
	unsigned int i;

	for (i = 0; i < config->npeers; i++)
		if (!strcmp(config->peers[i].name, name))
			return &config->peers[i];
	return NULL;
}
