/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The random numbers that join the connections of one migration: a token, which
 * channels say in the open, and a secret, which only RDMA connections know and
 * only the control connection has told.
 */
#ifndef VMIG_TOKEN_H
#define VMIG_TOKEN_H

#include <stdint.h>

#include <linux/vmig.h>

/* As text: hexadecimal digits and the final NUL. */
#define VMIG_TOKEN_TEXT (2 * VMIG_TOKEN_LEN + 1)
#define VMIG_SECRET_TEXT (2 * VMIG_SECRET_LEN + 1)

int vmig_token_new(uint8_t token[VMIG_TOKEN_LEN]);
void vmig_token_text(const uint8_t token[VMIG_TOKEN_LEN],
		     char text[VMIG_TOKEN_TEXT]);
/* @text may be NULL. Return: 0 or -EINVAL. */
int vmig_token_parse(const char *text, uint8_t token[VMIG_TOKEN_LEN]);

int vmig_secret_new(uint8_t secret[VMIG_SECRET_LEN]);
void vmig_secret_text(const uint8_t secret[VMIG_SECRET_LEN],
		      char text[VMIG_SECRET_TEXT]);
int vmig_secret_parse(const char *text, uint8_t secret[VMIG_SECRET_LEN]);

#endif /* VMIG_TOKEN_H */
