// SPDX-License-Identifier: GPL-2.0
/* Generic netlink as Linux 6.2 and later have it, on older kernels. */
#define VMIG_COMPAT_NATIVE_GENETLINK
#include <linux/slab.h>
#include "compat/genetlink.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)

/*
 * An old operation has one policy for its doit and its dumpit. That of the
 * doit will do: later kernels check no attributes of a dump without policy.
 */
static void merge_op(struct genl_ops *op, const struct genl_split_ops *split)
{
	op->cmd = split->cmd;
	op->flags |= split->flags & (GENL_ADMIN_PERM | GENL_UNS_ADMIN_PERM);
	if (split->flags & GENL_CMD_CAP_DO) {
		op->doit = split->doit;
		op->policy = split->policy;
		op->maxattr = split->maxattr;
	} else {
		op->start = split->start;
		op->dumpit = split->dumpit;
		op->done = split->done;
	}
}

/* Register @family. The halves of an operation must be neighbours. */
int vmig_compat_register_family(struct vmig_compat_family *family)
{
	struct genl_family *native = &family->native;
	struct genl_ops *ops, *op;
	unsigned int i;
	int err;

	ops = kcalloc(family->n_split_ops, sizeof(*ops), GFP_KERNEL);
	if (!ops)
		return -ENOMEM;
	op = ops;
	for (i = 0; i < family->n_split_ops; i++) {
		if (i && op->cmd != family->split_ops[i].cmd)
			op++;
		merge_op(op, &family->split_ops[i]);
	}

	*native = (struct genl_family) {
		.version	= family->version,
		.netnsok	= family->netnsok,
		.parallel_ops	= family->parallel_ops,
		.module		= family->module,
		.ops		= ops,
		.n_ops		= op - ops + 1,
		.mcgrps		= family->mcgrps,
		.n_mcgrps	= family->n_mcgrps,
	};
	strscpy(native->name, family->name, sizeof(native->name));
	err = genl_register_family(native);
	if (err)
		kfree(ops);
	return err;
}

int vmig_compat_unregister_family(struct vmig_compat_family *family)
{
	const struct genl_ops *ops = family->native.ops;
	int err;

	err = genl_unregister_family(&family->native);
	if (!err)
		kfree(ops);
	return err;
}

#endif /* before 6.2 */
