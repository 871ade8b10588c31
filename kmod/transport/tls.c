// SPDX-License-Identifier: GPL-2.0
/* What is different when the caller has set kernel TLS on a channel's socket. */
#include <linux/list.h>
#include <linux/string.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tls.h>

#include "transport/tls.h"

/* It stays on once it is: nothing takes a ULP off a socket. */
bool vmig_tls_is_on(const struct sock *sk)
{
	const struct tcp_ulp_ops *ops = inet_csk(sk)->icsk_ulp_ops;

	return ops && !strcmp(ops->name, "tls");
}

/* Both directions, or what is sent or received would be in plain. */
bool vmig_tls_has_keys(struct sock *sk)
{
	const struct tls_context *ctx;
	bool keys;

	lock_sock(sk);
	ctx = tls_get_ctx(sk);
	keys = ctx && ctx->tx_conf != TLS_BASE && ctx->rx_conf != TLS_BASE;
	release_sock(sk);
	return keys;
}

/* What tls.h says of pages that change, and of records, is true of this one. */
bool vmig_tls_is_gcm(struct sock *sk)
{
	u16 cipher;

	lock_sock(sk);
	cipher = tls_get_ctx(sk)->prot_info.cipher_type;
	release_sock(sk);
	return cipher == TLS_CIPHER_AES_GCM_128 ||
	       cipher == TLS_CIPHER_AES_GCM_256;
}

/* Has the key for sending protected as much as it may? */
bool vmig_tls_is_spent(struct sock *sk)
{
	__be64 records;

	lock_sock(sk);
	memcpy(&records, tls_get_ctx(sk)->tx.rec_seq, sizeof(records));
	release_sock(sk);
	return be64_to_cpu(records) >= VMIG_TLS_RECORDS_MAX;
}

/* Is all that was sent in TCP's hands? A FIN would overtake it otherwise. */
bool vmig_tls_is_flushed(struct sock *sk)
{
	const struct tls_sw_context_tx *sw;
	const struct tls_context *ctx;
	bool flushed;

	lock_sock(sk);
	ctx = tls_get_ctx(sk);
	flushed = !ctx->partially_sent_record;
	if (flushed && ctx->tx_conf == TLS_SW) {
		sw = ctx->priv_ctx_tx;
		flushed = list_empty(&sw->tx_list);
	}
	release_sock(sk);
	return flushed;
}
