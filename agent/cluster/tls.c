// SPDX-License-Identifier: GPL-2.0
/* One TLS connection: handshake, bytes, who it is, and secrets for channels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls_private.h"

int vmig_tls_open(struct vmig_tls **result, const struct vmig_config *config,
		  struct vmig_err *err)
{
	struct vmig_tls *tls = calloc(1, sizeof(*tls));
	int ret;

	if (!tls)
		return vmig_err_set(err, ENOMEM, "out of memory");
	tls->config = config;
	ret = vmig_tls_context_open(tls, err);
	if (ret)
		vmig_tls_close(tls);
	else
		*result = tls;
	return ret;
}

void vmig_tls_close(struct vmig_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->client);
	SSL_CTX_free(tls->server);
	explicit_bzero(tls->key, sizeof(tls->key));
	free(tls);
}

const char *vmig_tls_describe(const struct vmig_tls *tls)
{
	return tls->description;
}

static struct vmig_tls_session *begin(struct vmig_tls *tls, SSL_CTX *ctx,
				      int fd)
{
	struct vmig_tls_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tls = tls;
	s->ssl = SSL_new(ctx);
	if (!s->ssl || !SSL_set_fd(s->ssl, fd)) {
		vmig_tls_free(s);
		return NULL;
	}
	SSL_set_app_data(s->ssl, s);
	return s;
}

struct vmig_tls_session *vmig_tls_connect(struct vmig_tls *tls, int fd,
					  const struct vmig_peer *peer)
{
	struct vmig_tls_session *s = begin(tls, tls->client, fd);

	if (!s)
		return NULL;
	s->peer = peer;
	SSL_set_connect_state(s->ssl);
	SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_WILDCARDS);
	if (!tls->by_key && !SSL_set1_host(s->ssl, peer->name)) {
		vmig_tls_free(s);
		return NULL;
	}
	return s;
}

struct vmig_tls_session *vmig_tls_accept(struct vmig_tls *tls, int fd)
{
	struct vmig_tls_session *s = begin(tls, tls->server, fd);

	if (s)
		SSL_set_accept_state(s->ssl);
	return s;
}

void vmig_tls_free(struct vmig_tls_session *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	free(s);
}

/* Return: true if the call is to be made again when the socket is ready. */
static bool is_early(struct vmig_tls_session *s, int ret)
{
	int error = SSL_get_error(s->ssl, ret);

	s->wants_write = error == SSL_ERROR_WANT_WRITE;
	return error == SSL_ERROR_WANT_READ || s->wants_write;
}

int vmig_tls_handshake(struct vmig_tls_session *s, struct vmig_err *err)
{
	int ret;

	ERR_clear_error();
	ret = SSL_do_handshake(s->ssl);
	if (ret != 1) {
		if (is_early(s, ret))
			return -EAGAIN;
		vmig_tls_explain(s);
		return vmig_err_set(err, EPROTO, "%s", s->why.text);
	}
	s->wants_write = false;
	/* With the key both proved that they have it, or there is no session. */
	if (s->tls->by_key && !SSL_session_reused(s->ssl)) {
		s->refusal = VMIG_REFUSED_KEY;
		return vmig_err_set(err, EPROTO,
				    "the TLS handshake was made without the cluster key");
	}
	return 0;
}

bool vmig_tls_wants_write(const struct vmig_tls_session *s)
{
	return s->wants_write;
}

static ssize_t judge(struct vmig_tls_session *s, int ret)
{
	if (ret > 0)
		return ret;
	if (is_early(s, ret)) {
		errno = EAGAIN;
		return -1;
	}
	if (SSL_get_error(s->ssl, ret) == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (SSL_get_error(s->ssl, ret) == SSL_ERROR_SYSCALL && errno) {
		vmig_err_set(&s->why, errno, "the connection broke: %s",
			     strerror(errno));
	} else {
		/* The verdict on this node's certificate comes this late. */
		vmig_tls_explain(s);
	}
	errno = EPROTO;
	return -1;
}

ssize_t vmig_tls_read(struct vmig_tls_session *s, void *buf, size_t len)
{
	ERR_clear_error();
	errno = 0;
	return judge(s, SSL_read(s->ssl, buf, (int)len));
}

ssize_t vmig_tls_write(struct vmig_tls_session *s, const void *buf, size_t len)
{
	ssize_t n;

	ERR_clear_error();
	errno = 0;
	n = judge(s, SSL_write(s->ssl, buf, (int)len));
	if (!n) {
		vmig_err_set(&s->why, EPIPE, "the other node closed the connection");
		errno = EPROTO;
		return -1;
	}
	return n;
}

bool vmig_tls_pending(const struct vmig_tls_session *s)
{
	return SSL_pending(s->ssl) > 0;
}

const char *vmig_tls_why(const struct vmig_tls_session *s)
{
	return s->why.text;
}

enum vmig_refusal vmig_tls_refusal(const struct vmig_tls_session *s)
{
	return s->refusal;
}

int vmig_tls_check_node(const struct vmig_tls_session *s, const char *cluster,
			const char *node, struct vmig_err *err)
{
	X509 *cert;

	if (s->tls->by_key) {
		/* Who connected said it with the key; who was connected to has
		 * the key, and any node of the cluster may say to be any other.
		 */
		if (s->peer || (!strcmp(s->cluster, cluster) &&
				!strcmp(s->node, node)))
			return 0;
		return vmig_err_set(err, EPERM,
				    "the greeting is of node %s of cluster %s, the TLS handshake of node %s of cluster %s",
				    node, cluster, s->node, s->cluster);
	}
	cert = SSL_get0_peer_certificate(s->ssl);
	if (cert && X509_check_host(cert, node, 0, X509_CHECK_FLAG_NO_WILDCARDS,
				    NULL) == 1)
		return 0;
	return vmig_err_set(err, EPERM,
			    "the certificate is not of node %s: that name must be a DNS name in it, or its common name",
			    node);
}

int vmig_tls_export(struct vmig_tls_session *s, const char *label,
		    const uint8_t *context, size_t context_len, uint8_t *out,
		    size_t len)
{
	if (SSL_export_keying_material(s->ssl, out, len, label, strlen(label),
				       context, context_len, 1) == 1)
		return 0;
	ERR_clear_error();
	return -EPROTO;
}
