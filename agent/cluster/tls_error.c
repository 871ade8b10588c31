// SPDX-License-Identifier: GPL-2.0
/*
 * What went wrong with TLS, as a sentence that says where to look: the key, the
 * cluster's name, the clock, the address.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "tls_private.h"

/* OpenSSL's reason for an alert that came. */
#define ALERT(n) (SSL_AD_REASON_OFFSET + (n))

struct cause {
	int reason;
	enum vmig_refusal refusal;
	const char *text;
};

/* Where this node is the one that connects; "it " goes before each. */
static const struct cause client_causes[] = {
	{ SSL_R_WRONG_VERSION_NUMBER, VMIG_REFUSED_PLAIN,
	  "does not speak TLS: its vmig-agent is older, or runs with --insecure" },
	{ ALERT(SSL_AD_PROTOCOL_VERSION), VMIG_REFUSED_VERSION,
	  "does not speak TLS 1.3" },
	{ ALERT(SSL_AD_CERTIFICATE_EXPIRED), VMIG_REFUSED_EXPIRED,
	  "says that this node's certificate has expired: see [cluster] certificate = in agent.conf, and the clocks of both nodes" },
	{ ALERT(SSL_AD_UNKNOWN_CA), VMIG_REFUSED_CERTIFICATE,
	  "does not trust who made this node's certificate: see [cluster] ca = in its agent.conf" },
	{ ALERT(SSL_AD_BAD_CERTIFICATE), VMIG_REFUSED_CERTIFICATE,
	  "refuses this node's certificate: see [cluster] certificate = in agent.conf, and the clocks of both nodes" },
	{ ALERT(SSL_AD_CERTIFICATE_REQUIRED), VMIG_REFUSED_CERTIFICATE,
	  "wants a certificate of this node" },
	{ }
};

/* Where it was connected to; the address goes before each. */
static const struct cause server_causes[] = {
	{ SSL_R_BINDER_DOES_NOT_VERIFY, VMIG_REFUSED_KEY,
	  "it has another cluster key" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, VMIG_REFUSED_KEY,
	  "it does not use the cluster key" },
	{ SSL_R_NO_SHARED_CIPHER, VMIG_REFUSED_KEY,
	  "it does not use the cluster key" },
	{ SSL_R_BAD_EXTENSION, VMIG_REFUSED_KEY,
	  "its key goes with a name that cannot be a node's" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, VMIG_REFUSED_VERSION,
	  "it does not speak TLS 1.3" },
	{ SSL_R_NO_PROTOCOLS_AVAILABLE, VMIG_REFUSED_VERSION,
	  "it does not speak TLS 1.3" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, VMIG_REFUSED_CERTIFICATE,
	  "it has no certificate" },
	{ ALERT(SSL_AD_CERTIFICATE_EXPIRED), VMIG_REFUSED_EXPIRED,
	  "it says that this node's certificate has expired" },
	{ ALERT(SSL_AD_UNKNOWN_CA), VMIG_REFUSED_CERTIFICATE,
	  "it does not trust this node's certificate" },
	{ ALERT(SSL_AD_BAD_CERTIFICATE), VMIG_REFUSED_CERTIFICATE,
	  "it refuses this node's certificate" },
	{ }
};

static void say(struct vmig_tls_session *s, enum vmig_refusal refusal,
		const char *text)
{
	s->refusal = refusal;
	/* The caller says which node is meant. */
	snprintf(s->why.text, sizeof(s->why.text), "%s%s",
		 s->peer ? "it " : "", text);
}

static bool explain_by(struct vmig_tls_session *s, const struct cause *cause,
		       int reason)
{
	for (; cause->text; cause++) {
		if (cause->reason != reason)
			continue;
		say(s, cause->refusal, cause->text);
		return true;
	}
	return false;
}

static void explain_certificate(struct vmig_tls_session *s, long code)
{
	char text[256];

	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		say(s, VMIG_REFUSED_EXPIRED, s->peer ?
		    "has a certificate that has expired: have a new one made, or look at the clocks of both nodes" :
		    "its certificate has expired, by this node's clock");
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		say(s, VMIG_REFUSED_EXPIRED, s->peer ?
		    "has a certificate that is not valid yet: look at the clocks of both nodes" :
		    "its certificate is not valid yet, by this node's clock");
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		snprintf(text, sizeof(text),
			 "was looked for at %s, where the certificate is of another node: see [peers] in agent.conf",
			 s->peer ? s->peer->address : "?");
		say(s, VMIG_REFUSED_CERTIFICATE, text);
		break;
	default:
		snprintf(text, sizeof(text), "%s (%s)%s", s->peer ?
			 "has a certificate that does not count here" :
			 "its certificate does not count here",
			 X509_verify_cert_error_string(code), s->tls->by_key ?
			 ": it uses certificates, and this node a cluster key" :
			 ": see [cluster] ca = in agent.conf");
		say(s, VMIG_REFUSED_CERTIFICATE, text);
	}
}

/* A refusal of which the other side does not tell the reason. */
static void explain_client(struct vmig_tls_session *s, int reason)
{
	char text[512];

	if (reason > SSL_AD_REASON_OFFSET && s->tls->by_key)
		snprintf(text, sizeof(text),
			 "does not accept this node's cluster key: compare the key's number, which both daemons log when they start, and copy %s from one node to the other",
			 s->tls->config->key);
	else if (reason > SSL_AD_REASON_OFFSET)
		snprintf(text, sizeof(text),
			 "refused the TLS handshake (%s): does it use a cluster key where this node has certificates?",
			 SSL_alert_desc_string_long(reason -
						    SSL_AD_REASON_OFFSET));
	else if (reason)
		snprintf(text, sizeof(text), "fails in the TLS handshake: %s",
			 ERR_reason_error_string(ERR_peek_error()));
	else
		snprintf(text, sizeof(text),
			 "ended the TLS handshake; its log may say why. Is this node's address in its [peers], and is the cluster key the same?");
	say(s, VMIG_REFUSED_KEY, text);
}

void vmig_tls_explain(struct vmig_tls_session *s)
{
	int reason = ERR_GET_REASON(ERR_peek_error());
	long verified = SSL_get_verify_result(s->ssl);
	char text[256];

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
		explain_certificate(s, verified);
	else if (explain_by(s, s->peer ? client_causes : server_causes, reason))
		;
	else if (s->peer) {
		explain_client(s, reason);
	} else {
		snprintf(text, sizeof(text), "the TLS handshake failed: %s",
			 reason ? ERR_reason_error_string(ERR_peek_error()) :
			 "it closed the connection");
		say(s, VMIG_REFUSED_PROTOCOL, text);
	}
	ERR_clear_error();
}
