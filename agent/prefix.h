/* SPDX-License-Identifier: GPL-2.0 */
/* IP networks: "10.77.0.0/24", and who is in them. No I/O. */
#ifndef VMIG_PREFIX_H
#define VMIG_PREFIX_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Room for an IPv6 network with its length. */
#define VMIG_PREFIX_TEXT	(INET6_ADDRSTRLEN + 4)

/**
 * struct vmig_prefix - a network
 * @family: AF_INET, AF_INET6, or 0 for none
 * @length: in bits
 */
struct vmig_prefix {
	int family;
	unsigned int length;
	uint8_t address[16];
};

/* "NETWORK/LENGTH", without bits behind the length. Return: 0 or -EINVAL. */
int vmig_prefix_parse(const char *text, struct vmig_prefix *prefix);
/* From an address and a netmask in network order, as interfaces have them. */
void vmig_prefix_set(struct vmig_prefix *prefix, int family,
		     const void *address, const void *mask);
/* False also for what is no numeric address. */
bool vmig_prefix_has(const struct vmig_prefix *prefix, const char *address);
void vmig_prefix_text(const struct vmig_prefix *prefix,
		      char text[VMIG_PREFIX_TEXT]);

#endif /* VMIG_PREFIX_H */
