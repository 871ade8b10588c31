/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel TLS: from then on a socket encrypts what is written to it. */
#ifndef VMIG_KTLS_H
#define VMIG_KTLS_H

#include <stdint.h>

#include "../err.h"

/* TLS 1.3 with AES-256-GCM, as the kernel takes it: no padding. */
struct vmig_ktls_key {
	uint8_t key[32];
	uint8_t salt[4];
	uint8_t iv[8];
};

/* Can this node's kernel do it? Loads the module. Return: 0 or -errno. */
int vmig_ktls_check(struct vmig_err *err);
/*
 * Have the kernel load all that it takes, ciphers too: on the first channel of a
 * migration that would hold up everything else. Blocks. Return: 0 or -errno.
 */
int vmig_ktls_load(struct vmig_err *err);
/*
 * @fd is connected TCP; the first record is number 0 in both directions. What
 * was received and not read yet is encrypted already.
 */
int vmig_ktls_set(int fd, const struct vmig_ktls_key *send,
		  const struct vmig_ktls_key *receive, struct vmig_err *err);

#endif /* VMIG_KTLS_H */
