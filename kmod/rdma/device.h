/* SPDX-License-Identifier: GPL-2.0 */
/* What an adapter can do, as far as it matters here. */
#ifndef _VMIG_RDMA_DEVICE_H
#define _VMIG_RDMA_DEVICE_H

#include <linux/types.h>

#include "rdma/message.h"

struct ib_device;
struct netlink_ext_ack;
struct rdma_cm_id;

/* Buffers for messages, each of a page: to receive into, and to send from. */
#define VMIG_RDMA_RX	16U
#define VMIG_RDMA_TX	8U
/* Writes under way: one with each key of each chunk. */
#define VMIG_RDMA_WRITES	(VMIG_RDMA_CHUNKS * VMIG_RDMA_GRANT_KEYS)

/**
 * struct vmig_rdma_limits - what a queue pair is to be like on a device
 * @key_pages: pages that one key can be for
 * @keys: that a chunk needs at most
 * @sges: pieces of memory that one work request can have
 * @send_wrs: work requests that wait to be carried out at most, beside those
 *	that rdma_rw adds
 * @cqes: completions that may wait to be looked at
 * @piece: largest piece of memory that can be mapped, in bytes
 */
struct vmig_rdma_limits {
	u32 key_pages;
	u32 keys;
	u32 sges;
	u32 send_wrs;
	u32 cqes;
	u32 piece;
};

int vmig_rdma_device_check(struct ib_device *device, u32 port,
			   struct vmig_rdma_limits *limits,
			   struct netlink_ext_ack *extack);
int vmig_rdma_device_find(struct rdma_cm_id *id,
			  const struct sockaddr_storage *local,
			  struct vmig_rdma_limits *limits,
			  struct netlink_ext_ack *extack);

#endif /* _VMIG_RDMA_DEVICE_H */
