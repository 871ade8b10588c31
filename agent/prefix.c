// SPDX-License-Identifier: GPL-2.0
/* IP networks: "10.77.0.0/24", and who is in them. No I/O. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prefix.h"

static unsigned int family_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* Bits of byte @i that belong to a network of @length bits. */
static uint8_t byte_mask(unsigned int length, unsigned int i)
{
	if (length >= 8 * (i + 1))
		return 0xff;
	if (length <= 8 * i)
		return 0;
	return (uint8_t)(0xff00 >> (length - 8 * i));
}

static int parse_address(const char *text, uint8_t address[16])
{
	if (inet_pton(AF_INET, text, address) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, address) == 1 ? AF_INET6 : 0;
}

int vmig_prefix_parse(const char *text, struct vmig_prefix *prefix)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	unsigned int i;
	char *end;
	long n;

	memset(prefix, 0, sizeof(*prefix));
	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	prefix->family = parse_address(address, prefix->address);
	n = strtol(slash + 1, &end, 10);
	if (!prefix->family || slash[1] < '0' || slash[1] > '9' || *end ||
	    n < 1 || n > 8 * (long)family_bytes(prefix->family))
		goto err_none;
	prefix->length = (unsigned int)n;
	for (i = 0; i < family_bytes(prefix->family); i++)
		if (prefix->address[i] & ~byte_mask(prefix->length, i))
			goto err_none;
	return 0;

err_none:
	prefix->family = 0;
	return -EINVAL;
}

void vmig_prefix_set(struct vmig_prefix *prefix, int family,
		     const void *address, const void *mask)
{
	const uint8_t *a = address, *m = mask;
	unsigned int i;

	memset(prefix, 0, sizeof(*prefix));
	prefix->family = family;
	for (i = 0; i < family_bytes(family); i++) {
		prefix->address[i] = a[i] & m[i];
		prefix->length += (unsigned int)__builtin_popcount(m[i]);
	}
}

bool vmig_prefix_has(const struct vmig_prefix *prefix, const char *address)
{
	uint8_t bytes[16];
	unsigned int i;

	if (!prefix->family || parse_address(address, bytes) != prefix->family)
		return false;
	for (i = 0; i < family_bytes(prefix->family); i++)
		if ((bytes[i] & byte_mask(prefix->length, i)) !=
		    prefix->address[i])
			return false;
	return true;
}

void vmig_prefix_text(const struct vmig_prefix *prefix,
		      char text[VMIG_PREFIX_TEXT])
{
	char address[INET6_ADDRSTRLEN] = "";

	if (prefix->family)
		inet_ntop(prefix->family, prefix->address, address,
			  sizeof(address));
	snprintf(text, VMIG_PREFIX_TEXT, "%s/%u", address, prefix->length);
}
