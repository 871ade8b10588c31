// SPDX-License-Identifier: GPL-2.0
/* Netlink: what there is of VMs and their regions. */
#include <linux/slab.h>
#include <net/sock.h>
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "memory/memory.h"
#include "netlink.h"
#include "netlink-gen.h"

static int put_region(struct sk_buff *msg, struct vmig_region *region)
{
	struct nlattr *nest = nla_nest_start(msg, VMIG_A_VM_REGION);

	if (!nest ||
	    nla_put_string(msg, VMIG_A_REGION_NAME, region->name) ||
	    vmig_netlink_put_u64(msg, VMIG_A_REGION_SIZE, region->size) ||
	    vmig_netlink_put_u64(msg, VMIG_A_REGION_ALLOCATED,
				 (u64)atomic64_read(&region->pages) << PAGE_SHIFT) ||
	    nla_put_u32(msg, VMIG_A_REGION_PAGE_SIZE,
			vmig_region_page_size(region)))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_vm(struct sk_buff *msg, struct vmig_vm *vm)
{
	unsigned int i;
	int err = 0;

	if (nla_put_string(msg, VMIG_A_VM_NAME, vm->name))
		return -EMSGSIZE;
	mutex_lock(&vm->lock);
	for (i = 0; i < vm->nregions && !err; i++)
		err = put_region(msg, vm->regions[i]);
	if (!err && vm->claim && vm->claim != VMIG_CLAIM_DEBUG)
		err = nla_put_u32(msg, VMIG_A_VM_MIGRATION, vm->claim);
	mutex_unlock(&vm->lock);
	return err;
}

static int get_vm(struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct sk_buff *msg;
	struct vmig_vm *vm;
	const char *name;
	void *hdr;
	int err;

	err = vmig_netlink_need(info, VMIG_A_VM_NAME, "name") ?:
	      vmig_netlink_check_name(info, VMIG_A_VM_NAME);
	if (err)
		return err;
	name = nla_data(info->attrs[VMIG_A_VM_NAME]);
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	vm = vmig_vm_find(net, name);
	if (!vm) {
		nlmsg_free(msg);
		NL_SET_ERR_MSG_FMT(info->extack,
				   "VM %s is in no vmigfs mount of this network namespace",
				   name);
		return vmig_netlink_blame(info, VMIG_A_VM_NAME, -ENOENT);
	}
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq, &vmig_nl_family,
			  0, VMIG_CMD_VM_GET);
	err = hdr ? put_vm(msg, vm) : -EMSGSIZE;
	vmig_vm_put(vm);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

int vmig_nl_vm_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, get_vm);
}

/*
 * A dump of VMs works off the names that there were at its start, for VMs have
 * no order that outlives a change. One that is gone when its turn comes makes
 * the dump an inconsistent one (NLM_F_DUMP_INTR).
 */
struct vm_dump {
	char (*names)[VMIG_NAME_MAX + 1];
	unsigned int n;
	unsigned int room;
	unsigned int next;
};

static struct vm_dump *vm_dump(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct vm_dump) > sizeof(cb->ctx));
	return (struct vm_dump *)cb->ctx;
}

static int note_vm(struct vmig_vm *vm, void *arg)
{
	struct vm_dump *dump = arg;

	if (dump->n == dump->room) {
		unsigned int room = max(16U, 2 * dump->room);
		void *names = krealloc_array(dump->names, room,
					     sizeof(*dump->names), GFP_KERNEL);

		if (!names)
			return -ENOMEM;
		dump->names = names;
		dump->room = room;
	}
	strscpy(dump->names[dump->n++], vm->name, sizeof(*dump->names));
	return 0;
}

int vmig_nl_vm_get_start(struct netlink_callback *cb)
{
	struct vm_dump *dump = vm_dump(cb);
	int err;

	err = vmig_netlink_start_dump(cb);
	if (err)
		return err;
	memset(dump, 0, sizeof(*dump));
	cb->seq = 1;
	err = vmig_vm_for_each(sock_net(cb->skb->sk), note_vm, dump);
	if (err)
		kfree(dump->names);
	return err;
}

int vmig_nl_vm_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct net *net = sock_net(skb->sk);
	struct vm_dump *dump = vm_dump(cb);

	for (; dump->next < dump->n; dump->next++) {
		struct vmig_vm *vm = vmig_vm_find(net, dump->names[dump->next]);
		void *hdr;
		int err;

		if (!vm) {
			cb->seq++;
			continue;
		}
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &vmig_nl_family,
				  NLM_F_MULTI, VMIG_CMD_VM_GET);
		err = hdr ? put_vm(skb, vm) : -EMSGSIZE;
		vmig_vm_put(vm);
		if (err) {
			genlmsg_cancel(skb, hdr);
			return skb->len ?: err;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
	}
	return skb->len;
}

int vmig_nl_vm_get_done(struct netlink_callback *cb)
{
	kfree(vm_dump(cb)->names);
	return 0;
}
