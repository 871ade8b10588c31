/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is different when the caller has set kernel TLS on a channel's socket.
 *
 * Sending and receiving are not: the socket's own functions encrypt. A page
 * that is sent by reference is read once, when its record is encrypted into
 * pages of its own: what is repeated is that ciphertext, so that a page that
 * changes meanwhile may be torn but its record always is what its tag says. (That
 * is so with AES-GCM, whose tag is of the ciphertext, and the only one taken.
 * AES-CCM reads a page twice: for the tag, and to encrypt it.)
 * (A device that encrypts is given copies unless TLS_TX_ZEROCOPY_RO is set,
 * which nobody does.)
 */
#ifndef _VMIG_TRANSPORT_TLS_H
#define _VMIG_TRANSPORT_TLS_H

#include <linux/types.h>

/*
 * Records that one key may protect: 2^24.5 of AES-GCM leave an attacker a
 * chance of 2^-57 (RFC 8446, 5.5). Of 16 KiB each that are 362 GiB. Neither 6.1
 * nor 6.12 can change the key of a socket.
 */
#define VMIG_TLS_RECORDS_MAX	23726566ULL

struct sock;

bool vmig_tls_is_on(const struct sock *sk);
bool vmig_tls_has_keys(struct sock *sk);
bool vmig_tls_is_gcm(struct sock *sk);
bool vmig_tls_is_spent(struct sock *sk);
bool vmig_tls_is_flushed(struct sock *sk);

#endif /* _VMIG_TRANSPORT_TLS_H */
