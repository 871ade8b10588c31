/* SPDX-License-Identifier: GPL-2.0 */
/*
 * agent.conf: what this node is and who its peers are.
 *
 * Everything unknown or malformed is an error that names the file, the line,
 * the key and what is allowed. See agent.conf(5).
 */
#ifndef VMIG_CONFIG_H
#define VMIG_CONFIG_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/vmig.h>

#include "err.h"
#include "prefix.h"

#define VMIG_CONFIG_PATH	"/etc/vmig/agent.conf"
#define VMIG_KEY_PATH		"/etc/vmig/cluster.key"
#define VMIG_PORT_DEFAULT	4947
/* A node may be in the mask of a uint64_t by its number. */
#define VMIG_PEERS_MAX		63
#define VMIG_NODES_DEFAULT	16

/* Rules of a migration that an operator may do without, in agent.conf. */
enum vmig_waiver {
	VMIG_WAIVE_SAME_SUBNET = 1 << 0,
	VMIG_WAIVE_MIGRATION_NETWORK = 1 << 1,
};

struct vmig_peer {
	char name[VMIG_NAME_MAX + 1];
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
};

struct vmig_tls;

/**
 * struct vmig_config - agent.conf
 * @cluster: name of the cluster, which all nodes of it agree in
 * @key: path of the cluster key; "" with @certificate
 * @ca: PEM file of who may certify a node, with @certificate; else ""
 * @certificate: this node's, with @private_key; "" with @key
 * @tls: how peers are spoken to, set and owned by who runs the daemon; NULL
 *	is in plain text
 * @live_migrations: that this node takes part in at once
 * @transport: of migrations that do not ask for another one
 * @network: of migrations; none means that of the interface with @address
 * @trusted_network: guest memory may cross it unencrypted
 * @waived: bits of enum vmig_waiver
 */
struct vmig_config {
	char node[VMIG_NAME_MAX + 1];
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
	char definitions[PATH_MAX];
	char run[PATH_MAX];
	char state[PATH_MAX];
	char memory[PATH_MAX];
	char qemu[PATH_MAX];
	char accel[32];
	char cluster[VMIG_NAME_MAX + 1];
	char key[PATH_MAX];
	char ca[PATH_MAX];
	char certificate[PATH_MAX];
	char private_key[PATH_MAX];
	unsigned int live_migrations;
	unsigned int max_nodes;
	enum vmig_request_transport transport;
	struct vmig_prefix network;
	bool trusted_network;
	unsigned int waived;
	struct vmig_tls *tls;
	unsigned int npeers;
	struct vmig_peer peers[VMIG_PEERS_MAX];
};

/* Fill in @config from the file at @path. Return: 0 or a negative errno. */
int vmig_config_load(const char *path, struct vmig_config *config,
		     struct vmig_err *err);
/* The same from text; @name stands for the file in error sentences. */
int vmig_config_parse(const char *text, const char *name,
		      struct vmig_config *config, struct vmig_err *err);
/* NULL if there is no such peer. */
const struct vmig_peer *vmig_config_peer(const struct vmig_config *config,
					 const char *name);
/* "tcp", "rdma" or "auto". Return: 0 or -EINVAL. */
int vmig_config_transport(const char *word,
			  enum vmig_request_transport *transport);
/* The waiver of a rule by its name; 0 if it cannot be waived. */
enum vmig_waiver vmig_config_waiver(const char *rule);

#endif /* VMIG_CONFIG_H */
