// SPDX-License-Identifier: GPL-2.0
/* The order in which vmig comes up, and its mirror image. */
#include <linux/init.h>
#include <linux/module.h>
#include "compat/compat.h"
#include "cpuid/cpuid.h"
#include "memory/memory.h"
#include "migrate/migration.h"
#include "netlink.h"

static int __init vmig_init(void)
{
	int err;

	err = vmig_fs_init();
	if (err)
		return err;
	err = vmig_migration_init();
	if (err)
		goto err_fs_exit;
	err = vmig_filter_init();
	if (err)
		goto err_migration_exit;
	err = vmig_netlink_init();
	if (err)
		goto err_filter_exit;
	return 0;

err_filter_exit:
	vmig_filter_exit();
err_migration_exit:
	vmig_migration_exit();
err_fs_exit:
	vmig_fs_exit();
	return err;
}

static void __exit vmig_exit(void)
{
	vmig_netlink_exit();
	vmig_filter_exit();
	vmig_migration_exit();
	vmig_fs_exit();
}

module_init(vmig_init);
module_exit(vmig_exit);

MODULE_DESCRIPTION("Live migration of KVM virtual machines");
MODULE_LICENSE("GPL");
