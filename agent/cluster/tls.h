/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TLS 1.3 between agents, mutual: by the cluster key or by X.509 certificates.
 *
 * Nothing is resumed: there are no tickets, no early data, no renegotiation.
 * Nothing blocks.
 */
#ifndef VMIG_TLS_H
#define VMIG_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../err.h"
#include "refusal.h"

struct vmig_config;
struct vmig_peer;
struct vmig_tls;
struct vmig_tls_session;

/* A TLS connection begins with this byte, a plain message never does. */
#define VMIG_TLS_FIRST_BYTE	0x16

/* What this node is known by; reads the key or the certificates. */
int vmig_tls_open(struct vmig_tls **tls, const struct vmig_config *config,
		  struct vmig_err *err);
void vmig_tls_close(struct vmig_tls *tls);
/* For the log: by what, and which one. Does not tell the key. */
const char *vmig_tls_describe(const struct vmig_tls *tls);

/* Both use @fd and do not own it. NULL if out of memory. */
struct vmig_tls_session *vmig_tls_connect(struct vmig_tls *tls, int fd,
					  const struct vmig_peer *peer);
struct vmig_tls_session *vmig_tls_accept(struct vmig_tls *tls, int fd);
void vmig_tls_free(struct vmig_tls_session *s);

/*
 * Return: 0 once both sides are who they must be, -EAGAIN before, else a
 * negative errno with a sentence that says where to look.
 */
int vmig_tls_handshake(struct vmig_tls_session *s, struct vmig_err *err);
bool vmig_tls_wants_write(const struct vmig_tls_session *s);

/*
 * After the handshake. As recv() and send(), with errno EAGAIN, or EPROTO with
 * a sentence in vmig_tls_why().
 */
ssize_t vmig_tls_read(struct vmig_tls_session *s, void *buf, size_t len);
ssize_t vmig_tls_write(struct vmig_tls_session *s, const void *buf, size_t len);
/* Is there something to read that poll() does not see? */
bool vmig_tls_pending(const struct vmig_tls_session *s);
const char *vmig_tls_why(const struct vmig_tls_session *s);
enum vmig_refusal vmig_tls_refusal(const struct vmig_tls_session *s);

/* Did the other side prove to be @node of @cluster, which it says it is? */
int vmig_tls_check_node(const struct vmig_tls_session *s, const char *cluster,
			const char *node, struct vmig_err *err);
/* A secret that both sides have and nobody else. Return: 0 or -EPROTO. */
int vmig_tls_export(struct vmig_tls_session *s, const char *label,
		    const uint8_t *context, size_t context_len, uint8_t *out,
		    size_t len);

#endif /* VMIG_TLS_H */
