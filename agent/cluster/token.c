// SPDX-License-Identifier: GPL-2.0
/* The random numbers that join the connections of one migration. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "token.h"

static int make(uint8_t *bytes, size_t n)
{
	/* Up to 256 bytes come whole or not at all. */
	if (getrandom(bytes, n, 0) != (ssize_t)n)
		return -errno;
	return 0;
}

static void print(const uint8_t *bytes, size_t n, char *text)
{
	size_t i;

	for (i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int parse(const char *text, uint8_t *bytes, size_t n)
{
	size_t i;

	if (!text || strlen(text) != 2 * n)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int vmig_token_new(uint8_t token[VMIG_TOKEN_LEN])
{
	return make(token, VMIG_TOKEN_LEN);
}

void vmig_token_text(const uint8_t token[VMIG_TOKEN_LEN],
		     char text[VMIG_TOKEN_TEXT])
{
	print(token, VMIG_TOKEN_LEN, text);
}

int vmig_token_parse(const char *text, uint8_t token[VMIG_TOKEN_LEN])
{
	return parse(text, token, VMIG_TOKEN_LEN);
}

int vmig_secret_new(uint8_t secret[VMIG_SECRET_LEN])
{
	return make(secret, VMIG_SECRET_LEN);
}

void vmig_secret_text(const uint8_t secret[VMIG_SECRET_LEN],
		      char text[VMIG_SECRET_TEXT])
{
	print(secret, VMIG_SECRET_LEN, text);
}

int vmig_secret_parse(const char *text, uint8_t secret[VMIG_SECRET_LEN])
{
	return parse(text, secret, VMIG_SECRET_LEN);
}
