/* SPDX-License-Identifier: GPL-2.0 */
/* The beginning of a connection to a peer: addresses and the first SYN. */
#ifndef VMIG_DIAL_H
#define VMIG_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "../err.h"

/*
 * Connect from address @from, the one that the peer knows this node by.
 *
 * Return: a socket that does not block and may still be connecting, or -errno.
 */
int vmig_dial(const char *from, const char *to, uint16_t port,
	      struct vmig_err *err);

/* Does @address stay on this machine? */
bool vmig_dial_is_loopback(const char *address);

#endif /* VMIG_DIAL_H */
