// SPDX-License-Identifier: GPL-2.0
/* Proofs and keys of channels, from the control connection's TLS exporter. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include <linux/vmig.h>

#include "../cluster/conn.h"
#include "../cluster/ktls.h"
#include "../cluster/message.h"
#include "../cluster/tls.h"
#include "secure.h"

#define ID_LABEL	"EXPORTER-vmig-channel-id"
#define KEY_LABEL	"EXPORTER-vmig-channel-key"

#define PROOF_LEN	32
#define PROOF_TEXT	(2 * PROOF_LEN + 1)

enum direction {
	TO_DESTINATION,
	TO_SOURCE,
};

static int export_proof(const struct vmig_secure *channel,
			char text[PROOF_TEXT])
{
	struct vmig_tls_session *session = vmig_conn_session(channel->control);
	uint8_t context[VMIG_TOKEN_LEN + 1], proof[PROOF_LEN];
	unsigned int i;
	int ret;

	memcpy(context, channel->token, VMIG_TOKEN_LEN);
	context[VMIG_TOKEN_LEN] = (uint8_t)channel->index;
	ret = vmig_tls_export(session, ID_LABEL, context, sizeof(context),
			      proof, sizeof(proof));
	for (i = 0; !ret && i < PROOF_LEN; i++)
		sprintf(text + 2 * i, "%02x", proof[i]);
	return ret;
}

static int export_key(const struct vmig_secure *channel, enum direction way,
		      struct vmig_ktls_key *key)
{
	uint8_t context[VMIG_TOKEN_LEN + 2];

	memcpy(context, channel->token, VMIG_TOKEN_LEN);
	context[VMIG_TOKEN_LEN] = (uint8_t)channel->index;
	context[VMIG_TOKEN_LEN + 1] = (uint8_t)way;
	return vmig_tls_export(vmig_conn_session(channel->control), KEY_LABEL,
			       context, sizeof(context), (uint8_t *)key,
			       sizeof(*key));
}

int vmig_secure_greet(const struct vmig_secure *channel,
		      struct json_object *greeting, struct vmig_err *err)
{
	char proof[PROOF_TEXT];

	if (!vmig_conn_session(channel->control))
		return 0;
	if (export_proof(channel, proof))
		return vmig_err_set(err, EPROTO,
				    "TLS gives no secret for channel %u",
				    channel->index);
	vmig_json_add_string(greeting, "proof", proof);
	return 0;
}

bool vmig_secure_check(const struct vmig_secure *channel,
		       struct json_object *greeting)
{
	const char *said = vmig_json_string(greeting, "proof");
	char proof[PROOF_TEXT];

	if (!vmig_conn_session(channel->control))
		return !said;
	return said && strlen(said) == PROOF_TEXT - 1 &&
	       !export_proof(channel, proof) &&
	       !CRYPTO_memcmp(said, proof, PROOF_TEXT - 1);
}

int vmig_secure_socket(const struct vmig_secure *channel, int fd, bool source,
		       struct vmig_err *err)
{
	struct vmig_ktls_key there, back;
	int ret = 0;

	if (!vmig_conn_session(channel->control))
		return 0;
	if (export_key(channel, TO_DESTINATION, &there) ||
	    export_key(channel, TO_SOURCE, &back))
		ret = vmig_err_set(err, EPROTO,
				   "TLS gives no key for channel %u",
				   channel->index);
	if (!ret)
		ret = vmig_ktls_set(fd, source ? &there : &back,
				    source ? &back : &there, err);
	explicit_bzero(&there, sizeof(there));
	explicit_bzero(&back, sizeof(back));
	return ret;
}
