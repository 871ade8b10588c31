// SPDX-License-Identifier: GPL-2.0
/* Generic netlink as Linux 6.2 and later have it, on older kernels. */
#define VMIG_COMPAT_NATIVE_GENETLINK
#include <linux/slab.h>
#include "compat/genetlink.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)

static const struct genl_split_ops *
find_op(const struct vmig_compat_family *family, u8 cmd, u8 kind)
{
	unsigned int i;

	for (i = 0; i < family->n_split_ops; i++)
		if (family->split_ops[i].cmd == cmd &&
		    family->split_ops[i].flags & kind)
			return &family->split_ops[i];
	return NULL;
}

/*
 * An old operation has one policy for its doit and its dumpit. Attributes that
 * only the doit takes are refused here, as later kernels do by themselves.
 *
 * The dump's caller has no text for the error; acknowledge in its place, which
 * -EINTR tells it.
 */
static int start_dump(struct netlink_callback *cb)
{
	const struct genl_dumpit_info *info = genl_dumpit_info(cb);
	const struct vmig_compat_family *family =
		container_of(info->family, struct vmig_compat_family, native);
	const struct genl_split_ops *dump =
		find_op(family, info->op.cmd, GENL_CMD_CAP_DUMP);
	struct nlmsghdr *nlh = (struct nlmsghdr *)cb->nlh;

	if (!dump->policy && nlmsg_attrlen(nlh, GENL_HDRLEN) > 0) {
		struct netlink_ext_ack extack = {};

		NL_SET_ERR_MSG_ATTR(&extack, nlmsg_attrdata(nlh, GENL_HDRLEN),
				    "This dump takes no attributes");
		netlink_ack(cb->skb, nlh, -EINVAL, &extack);
		return -EINTR;
	}
	return dump->start ? dump->start(cb) : 0;
}

static void merge_op(struct genl_ops *op, const struct genl_split_ops *split)
{
	op->cmd = split->cmd;
	op->flags |= split->flags & (GENL_ADMIN_PERM | GENL_UNS_ADMIN_PERM);
	if (split->flags & GENL_CMD_CAP_DO) {
		op->doit = split->doit;
		op->policy = split->policy;
		op->maxattr = split->maxattr;
	} else {
		op->start = start_dump;
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
