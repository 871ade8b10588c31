// SPDX-License-Identifier: GPL-2.0
/* The adapter that has an address: is there one, and is it good enough? */
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/socket.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include "compat/compat.h"
#include "rdma/device.h"
#include "rdma/message.h"

/* Fewer, and one GRANT could not have the keys of a chunk. */
#define KEY_PAGES_MIN	(VMIG_RDMA_GRANT_PAGES / VMIG_RDMA_GRANT_KEYS)
#define CHUNK_BYTES	(VMIG_RDMA_GRANT_PAGES << PAGE_SHIFT)

/*
 * Of each write context rdma_rw takes up to three work requests: to invalidate a
 * key of the source's own, to register it, and to write.
 */
#define RW_WRS		(3 * VMIG_RDMA_WRITES)

static void set_limits(const struct ib_device_attr *attrs,
		       struct ib_device *device,
		       struct vmig_rdma_limits *limits)
{
	u32 writes, registrations;

	limits->key_pages = min(attrs->max_fast_reg_page_list_len,
				VMIG_RDMA_GRANT_PAGES);
	limits->keys = DIV_ROUND_UP(VMIG_RDMA_GRANT_PAGES, limits->key_pages);
	limits->sges = clamp_t(u32, attrs->max_send_sge, 1, 32);
	limits->piece = clamp_t(u32, ib_dma_max_seg_size(device) & PAGE_MASK,
				PAGE_SIZE, CHUNK_BYTES);
	/* The source writes, the destination registers and invalidates. */
	writes = DIV_ROUND_UP(VMIG_RDMA_GRANT_PAGES, limits->sges) +
		 VMIG_RDMA_GRANT_KEYS;
	registrations = 2 * limits->keys;
	/* One more for the drain, here and among the completions. */
	limits->send_wrs = VMIG_RDMA_TX +
			   VMIG_RDMA_CHUNKS * max(writes, registrations) + 1;
	limits->cqes = limits->send_wrs + RW_WRS + VMIG_RDMA_RX + 1;
}

static int need(const struct ib_device *device, u32 has, u32 needs,
		const char *what, struct netlink_ext_ack *extack)
{
	if (has >= needs)
		return 0;
	NL_SET_ERR_MSG_FMT(extack,
			   "RDMA device %s is too small: it can have %u %s, and %u are needed",
			   dev_name(&device->dev), has, what, needs);
	return -EOPNOTSUPP;
}

static int check_port(struct ib_device *device, u32 port,
		      struct netlink_ext_ack *extack)
{
	struct ib_port_attr attr;
	int err;

	err = ib_query_port(device, port, &attr);
	if (err)
		NL_SET_ERR_MSG_FMT(extack,
				   "RDMA device %s does not tell the limits of port %u (error %d)",
				   dev_name(&device->dev), port, -err);
	else
		err = need(device, attr.max_msg_sz, CHUNK_BYTES,
			   "bytes with a work request", extack);
	return err;
}

/**
 * vmig_rdma_device_check() - Read the limits of a device, and see if they do.
 * @device: that an address belongs to
 * @port: of the device
 * @limits: filled in
 * @extack: filled in on failure
 *
 * Return: 0, -EOPNOTSUPP, or what the device fails with.
 */
int vmig_rdma_device_check(struct ib_device *device, u32 port,
			   struct vmig_rdma_limits *limits,
			   struct netlink_ext_ack *extack)
{
	const struct ib_device_attr *attrs = &device->attrs;
	int err;

	if (!(attrs->device_cap_flags & IB_DEVICE_MEM_MGT_EXTENSIONS)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "RDMA device %s cannot register memory by work requests (memory management extensions): use TCP",
				   dev_name(&device->dev));
		return -EOPNOTSUPP;
	}
	err = need(device, attrs->max_fast_reg_page_list_len, KEY_PAGES_MIN,
		   "pages with a key", extack);
	if (err)
		return err;
	set_limits(attrs, device, limits);
	return need(device, attrs->max_qp_wr, limits->send_wrs + RW_WRS,
		    "work requests in a queue", extack) ?:
	       need(device, attrs->max_cqe, limits->cqes,
		    "completions in a queue", extack) ?:
	       need(device, attrs->max_mr, VMIG_RDMA_CHUNKS * limits->keys,
		    "memory regions", extack) ?:
	       check_port(device, port, extack);
}

/**
 * vmig_rdma_device_find() - Bind to a local address, and to its device.
 * @id: not bound yet
 * @local: the address; the port is chosen
 * @limits: of the device, filled in
 * @extack: filled in on failure
 *
 * Return: 0, -ENODEV if no RDMA device has the address, or as
 * vmig_rdma_device_check().
 */
int vmig_rdma_device_find(struct rdma_cm_id *id,
			  const struct sockaddr_storage *local,
			  struct vmig_rdma_limits *limits,
			  struct netlink_ext_ack *extack)
{
	struct sockaddr_storage address = *local;
	int err;

	err = rdma_bind_addr(id, (struct sockaddr *)&address);
	/* The address of no device at all, such as 0.0.0.0. */
	if (!err && !id->device)
		err = -ENODEV;
	if (!err)
		return vmig_rdma_device_check(id->device, id->port_num, limits,
					      extack);
	NL_SET_ERR_MSG_FMT(extack,
			   "No RDMA device of this node has the address %pISc (error %d): see 'rdma link', or use TCP",
			   local, -err);
	return -ENODEV;
}
