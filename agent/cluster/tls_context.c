// SPDX-License-Identifier: GPL-2.0
/*
 * What OpenSSL is told: TLS 1.3 with (EC)DHE, always mutual, nothing resumed.
 *
 * The cluster key is an external pre-shared key bound to SHA-256. Its identity
 * is "cluster/node"; the binder in the first message covers it, so that nobody
 * without the key can say it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "../keyfile.h"
#include "tls_private.h"

#define PSK_CIPHER	"TLS_AES_128_GCM_SHA256"
#define X509_CIPHERS	"TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"

static SSL_SESSION *make_session(SSL *ssl, const struct vmig_tls *tls)
{
	/* The number of PSK_CIPHER on the wire. */
	static const unsigned char id[] = { 0x13, 0x01 };
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, id);
	SSL_SESSION *session = SSL_SESSION_new();

	if (session && cipher &&
	    SSL_SESSION_set1_master_key(session, tls->key, sizeof(tls->key)) &&
	    SSL_SESSION_set_cipher(session, cipher) &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

static int use_key(SSL *ssl, const EVP_MD *md, const unsigned char **id,
		   size_t *id_len, SSL_SESSION **session)
{
	struct vmig_tls_session *s = SSL_get_app_data(ssl);

	*session = NULL;
	/* The server chose a cipher that the key is not for. */
	if (md && !EVP_MD_is_a(md, "SHA2-256"))
		return 0;
	*session = make_session(ssl, s->tls);
	*id = (const unsigned char *)s->tls->identity;
	*id_len = strlen(s->tls->identity);
	return !!*session;
}

/*
 * Whatever name goes with the key is taken here and judged by the greeting, so
 * that a node of the cluster is told what is wrong with its configuration.
 */
static int find_key(SSL *ssl, const unsigned char *id, size_t id_len,
		    SSL_SESSION **session)
{
	struct vmig_tls_session *s = SSL_get_app_data(ssl);
	char text[VMIG_TLS_IDENTITY_MAX];
	char *node;

	*session = NULL;
	if (id_len >= sizeof(text))
		return 0;
	memcpy(text, id, id_len);
	text[id_len] = '\0';
	node = strchr(text, '/');
	if (!node || strlen(text) != id_len)
		return 0;
	*node++ = '\0';
	if (vmig_name_check("cluster", text, NULL) ||
	    vmig_name_check("node", node, NULL))
		return 0;
	strcpy(s->cluster, text);
	strcpy(s->node, node);
	*session = make_session(ssl, s->tls);
	return !!*session;
}

static SSL_CTX *make_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
			    SSL_OP_NO_COMPRESSION |
			    SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
			 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER |
			   SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
	    SSL_CTX_set_num_tickets(ctx, 0) &&
	    SSL_CTX_set_max_early_data(ctx, 0) &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256"))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static int open_key(struct vmig_tls *tls, struct vmig_err *err)
{
	const struct vmig_config *config = tls->config;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char text[sizeof("vmig") - 1 + sizeof(tls->key)] = "vmig";
	int ret = vmig_clusterkey_load(config->key, tls->key, err);

	if (ret)
		return ret;
	snprintf(tls->identity, sizeof(tls->identity), "%s/%s",
		 config->cluster, config->node);
	/* 32 bits that tell two keys apart and nothing of 256. */
	memcpy(text + 4, tls->key, sizeof(tls->key));
	if (!EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha256(), NULL) ||
	    !SSL_CTX_set_ciphersuites(tls->client, PSK_CIPHER) ||
	    !SSL_CTX_set_ciphersuites(tls->server, PSK_CIPHER))
		return vmig_err_set(err, EPROTO,
				    "OpenSSL does not know " PSK_CIPHER);
	SSL_CTX_set_psk_use_session_callback(tls->client, use_key);
	SSL_CTX_set_psk_find_session_callback(tls->server, find_key);
	snprintf(tls->description, sizeof(tls->description),
		 "cluster %s, key number %02x%02x%02x%02x", config->cluster,
		 digest[0], digest[1], digest[2], digest[3]);
	return 0;
}

static int fail(const char *path, const char *what, struct vmig_err *err)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	vmig_err_set(err, EINVAL, "%s: this is not %s in PEM format: %s", path,
		     what, why ? why : "it cannot be read");
	ERR_clear_error();
	return -EINVAL;
}

static int load_files(SSL_CTX *ctx, const struct vmig_config *config,
		      struct vmig_err *err)
{
	if (SSL_CTX_load_verify_file(ctx, config->ca) != 1)
		return fail(config->ca, "a certificate", err);
	if (SSL_CTX_use_certificate_chain_file(ctx, config->certificate) != 1)
		return fail(config->certificate, "a certificate", err);
	if (SSL_CTX_use_PrivateKey_file(ctx, config->private_key,
					SSL_FILETYPE_PEM) != 1) {
		if (ERR_GET_REASON(ERR_peek_last_error()) !=
		    X509_R_KEY_VALUES_MISMATCH)
			return fail(config->private_key, "a private key", err);
		ERR_clear_error();
		return vmig_err_set(err, EINVAL,
				    "%s is not the private key of certificate %s",
				    config->private_key, config->certificate);
	}
	SSL_CTX_set_client_CA_list(ctx, NULL);
	return SSL_CTX_set_ciphersuites(ctx, X509_CIPHERS) ? 0 :
		vmig_err_set(err, EPROTO, "OpenSSL does not know " X509_CIPHERS);
}

/* A peer would refuse it: say so where it can be mended. */
static int check_own(const struct vmig_tls *tls, struct vmig_err *err)
{
	const struct vmig_config *config = tls->config;
	X509 *cert = SSL_CTX_get0_certificate(tls->server);

	if (X509_check_host(cert, config->node, 0,
			    X509_CHECK_FLAG_NO_WILDCARDS, NULL) != 1)
		return vmig_err_set(err, EINVAL,
				    "%s is not the certificate of node %s: that name must be a DNS name in it, or its common name",
				    config->certificate, config->node);
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		return vmig_err_set(err, EKEYEXPIRED,
				    "the certificate %s has expired: have a new one made, or set this node's clock",
				    config->certificate);
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		return vmig_err_set(err, EKEYEXPIRED,
				    "the certificate %s is not valid yet: set this node's clock",
				    config->certificate);
	return 0;
}

static int open_certificates(struct vmig_tls *tls, struct vmig_err *err)
{
	const struct vmig_config *config = tls->config;
	int ret;

	ret = vmig_clusterkey_check(config->private_key, err);
	if (!ret)
		ret = load_files(tls->client, config, err);
	if (!ret)
		ret = load_files(tls->server, config, err);
	if (!ret)
		ret = check_own(tls, err);
	snprintf(tls->description, sizeof(tls->description),
		 "cluster %s, certificate %s", config->cluster,
		 config->certificate);
	return ret;
}

int vmig_tls_context_open(struct vmig_tls *tls, struct vmig_err *err)
{
	tls->client = make_context(TLS_client_method());
	tls->server = make_context(TLS_server_method());
	if (!tls->client || !tls->server)
		return vmig_err_set(err, EPROTO, "OpenSSL has no TLS 1.3");
	/* Without one a server refuses every session, those of a key too. */
	SSL_CTX_set_session_id_context(tls->server,
				       (const unsigned char *)"vmig", 4);
	tls->by_key = !*tls->config->certificate;
	return tls->by_key ? open_key(tls, err) : open_certificates(tls, err);
}
