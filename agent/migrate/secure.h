/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a channel proves which migration it belongs to, and how it is encrypted.
 *
 * Both come from the TLS exporter of the control connection (RFC 8446, 7.5): a
 * proof that only its two ends can make, once for each channel, and a key for
 * each channel and direction. No key is ever sent.
 */
#ifndef VMIG_SECURE_H
#define VMIG_SECURE_H

#include <stdbool.h>
#include <stdint.h>

#include "../err.h"

struct json_object;
struct vmig_conn;

/*
 * A channel by its number; the device state's comes after the data channels'.
 * @control: connection of the migration; if it is plain, so are its channels
 */
struct vmig_secure {
	struct vmig_conn *control;
	const uint8_t *token;
	unsigned int index;
};

/* Put the proof into a channel's greeting. */
int vmig_secure_greet(const struct vmig_secure *channel,
		      struct json_object *greeting, struct vmig_err *err);
/* Is the greeting the other end's? */
bool vmig_secure_check(const struct vmig_secure *channel,
		       struct json_object *greeting);
/* Encrypt what follows on @fd. @source: this is the end that connected. */
int vmig_secure_socket(const struct vmig_secure *channel, int fd, bool source,
		       struct vmig_err *err);

#endif /* VMIG_SECURE_H */
