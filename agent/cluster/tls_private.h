/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the tls*.c files. */
#ifndef VMIG_TLS_PRIVATE_H
#define VMIG_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "../config.h"
#include "clusterkey.h"
#include "tls.h"

/* "cluster/node" */
#define VMIG_TLS_IDENTITY_MAX (2 * VMIG_NAME_MAX + 2)

/**
 * struct vmig_tls - what this node is known by
 * @by_key: a cluster key, else certificates
 * @identity: what is said to the other side together with the key
 */
struct vmig_tls {
	const struct vmig_config *config;
	bool by_key;
	SSL_CTX *client;
	SSL_CTX *server;
	uint8_t key[VMIG_CLUSTERKEY_LEN];
	char identity[VMIG_TLS_IDENTITY_MAX];
	char description[256];
};

/**
 * struct vmig_tls_session - one connection
 * @peer: who is being connected to; NULL at the side that accepts
 * @cluster: of the node that connected, by its key; "" before
 * @node: its name; both are proven once the handshake is through
 */
struct vmig_tls_session {
	struct vmig_tls *tls;
	SSL *ssl;
	const struct vmig_peer *peer;
	char cluster[VMIG_NAME_MAX + 1];
	char node[VMIG_NAME_MAX + 1];
	bool wants_write;
	enum vmig_refusal refusal;
	struct vmig_err why;
};

/* tls_context.c APIs: SSL contexts of a key or of certificates. */
int vmig_tls_context_open(struct vmig_tls *tls, struct vmig_err *err);

/* tls_error.c APIs: make a sentence of what OpenSSL says, in @s->why. */
void vmig_tls_explain(struct vmig_tls_session *s);

#endif /* VMIG_TLS_PRIVATE_H */
