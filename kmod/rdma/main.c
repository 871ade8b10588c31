// SPDX-License-Identifier: GPL-2.0
/* The module vmig_rdma: offers vmig.ko one more way to move pages. */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/module.h>

#include "rdma/rdma.h"

static struct dentry *folder;

static int __init vmig_rdma_init(void)
{
	int err = vmig_transport_register(VMIG_TRANSPORT_RDMA,
					  &vmig_rdma_transport_ops);

	if (err)
		return err;
	folder = debugfs_create_dir("vmig_rdma", NULL);
	vmig_rdma_accept_debug(folder);
	return 0;
}

static void __exit vmig_rdma_exit(void)
{
	debugfs_remove_recursive(folder);
	vmig_transport_unregister(VMIG_TRANSPORT_RDMA);
}

module_init(vmig_rdma_init);
module_exit(vmig_rdma_exit);

MODULE_DESCRIPTION("Live migration of KVM virtual machines: pages over RDMA");
MODULE_LICENSE("GPL");
