/* SPDX-License-Identifier: GPL-2.0 */
/* Frames on a tap that show that the network has found its VM. */
#ifndef VMIG_NET_WITNESS_H
#define VMIG_NET_WITNESS_H

#include <stdint.h>

#include "../err.h"
#include "net.h"

/*
 * Watch @tap, a port of @bridge, for frames to or from @mac. Return: a socket
 * that is readable once there is one, or a negative errno.
 */
int vmig_witness_open(const char *tap, const char *bridge,
		      const uint8_t mac[6], struct vmig_err *err);
/* Whose frame it is; VMIG_ACK_NONE if there is none. */
enum vmig_ack_by vmig_witness_read(int fd);

#endif /* VMIG_NET_WITNESS_H */
