// SPDX-License-Identifier: GPL-2.0
/* The random number that joins the connections of one migration. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "token.h"

int vmig_token_new(uint8_t token[VMIG_TOKEN_LEN])
{
	/* Up to 256 bytes come whole or not at all. */
	if (getrandom(token, VMIG_TOKEN_LEN, 0) != VMIG_TOKEN_LEN)
		return -errno;
	return 0;
}

void vmig_token_text(const uint8_t token[VMIG_TOKEN_LEN],
		     char text[VMIG_TOKEN_TEXT])
{
	unsigned int i;

	for (i = 0; i < VMIG_TOKEN_LEN; i++)
		sprintf(text + 2 * i, "%02x", token[i]);
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int vmig_token_parse(const char *text, uint8_t token[VMIG_TOKEN_LEN])
{
	unsigned int i;

	if (!text || strlen(text) != VMIG_TOKEN_TEXT - 1)
		return -EINVAL;
	for (i = 0; i < VMIG_TOKEN_LEN; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		token[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}
