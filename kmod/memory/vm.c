// SPDX-License-Identifier: GPL-2.0
/*
 * VMs: what a migration claims, and what netlink lists.
 *
 * Lifetime: a VM is in the list from mkdir() until rmdir() or the unmount.
 * Whoever found it keeps its memory with a reference; that it is still there
 * shows by vm->sb. A claim holds the super block active, so that not even a
 * lazy unmount takes the memory away under a migration.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/compat.h"
#include "memory/internal.h"

static LIST_HEAD(vms);
static DEFINE_MUTEX(vms_lock);		/* protects vms */

static struct vmig_vm *find_locked(const struct net *net, const char *name)
{
	struct vmig_vm *vm;

	lockdep_assert_held(&vms_lock);
	list_for_each_entry(vm, &vms, node)
		if (vm->net == net && !strcmp(vm->name, name))
			return vm;
	return NULL;
}

/*
 * Add the VM of a new directory. Names are unique in a network namespace, over
 * all mounts: a name is how netlink, and the other node, know a VM.
 */
struct vmig_vm *vmig_vm_create(struct super_block *sb, const char *name)
{
	struct net *net = vmig_mount(sb)->net;
	struct vmig_vm *vm;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	vmig_throttle_init(&vm->throttle);
	vm->net = net;
	vm->sb = sb;
	strscpy(vm->name, name, sizeof(vm->name));

	mutex_lock(&vms_lock);
	if (find_locked(net, name)) {
		mutex_unlock(&vms_lock);
		kfree(vm);
		return ERR_PTR(-EEXIST);
	}
	list_add_tail(&vm->node, &vms);
	mutex_unlock(&vms_lock);
	vmig_debug_add(vm);
	return vm;
}

/*
 * Take the VM of a removed directory off the list. @force is for the unmount,
 * when there can be no claim. Return: 0, or -EBUSY or -ENOTEMPTY.
 */
int vmig_vm_remove(struct vmig_vm *vm, bool force)
{
	struct super_block *sb;
	int err = 0;

	mutex_lock(&vm->lock);
	if (vm->claim && !WARN_ON_ONCE(force))
		err = -EBUSY;
	else if (vm->nregions && !force)
		err = -ENOTEMPTY;
	sb = vm->sb;
	if (!err)
		vm->sb = NULL;
	mutex_unlock(&vm->lock);
	if (err || !sb)
		return err;

	vmig_debug_remove(vm);
	mutex_lock(&vms_lock);
	list_del(&vm->node);
	mutex_unlock(&vms_lock);
	return 0;
}

/* Return: 0, -EBUSY while the VM is claimed, -EMLINK if it has too many. */
int vmig_vm_add_region(struct vmig_vm *vm, struct vmig_region *region)
{
	unsigned int i;
	int err = 0;

	mutex_lock(&vm->lock);
	if (vm->claim) {
		err = -EBUSY;
	} else if (vm->nregions == VMIG_REGIONS_MAX) {
		err = -EMLINK;
	} else {
		for (i = vm->nregions; i; i--) {
			if (strcmp(vm->regions[i - 1]->name, region->name) < 0)
				break;
			vm->regions[i] = vm->regions[i - 1];
		}
		vm->regions[i] = region;
		vm->nregions++;
	}
	mutex_unlock(&vm->lock);
	return err;
}

/*
 * Nothing happens if the region was removed before. @force is for the unmount.
 * Return: 0, or -EBUSY while the VM is claimed.
 */
int vmig_vm_remove_region(struct vmig_region *region, bool force)
{
	struct vmig_vm *vm = region->vm;
	unsigned int i;
	int err = 0;

	mutex_lock(&vm->lock);
	for (i = 0; i < vm->nregions; i++)
		if (vm->regions[i] == region)
			break;
	if (i == vm->nregions) {
		;
	} else if (vm->claim && !WARN_ON_ONCE(force)) {
		err = -EBUSY;
	} else {
		vm->nregions--;
		for (; i < vm->nregions; i++)
			vm->regions[i] = vm->regions[i + 1];
	}
	mutex_unlock(&vm->lock);
	return err;
}

/*
 * A region grows only: what a VMM has mapped stays. Return: 0, -EINVAL if @size
 * is no multiple of the page size, -EBUSY while the VM is claimed, -EPERM if
 * the region would shrink.
 */
int vmig_vm_resize_region(struct vmig_region *region, loff_t size)
{
	struct vmig_vm *vm = region->vm;
	int err = 0;

	if (!PAGE_ALIGNED(size))
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (size == region->size) {
		;
	} else if (vm->claim) {
		err = -EBUSY;
	} else if (size < region->size) {
		err = -EPERM;
	} else {
		region->size = size;
		i_size_write(region->inode, size);
	}
	mutex_unlock(&vm->lock);
	return err;
}

/**
 * vmig_vm_find() - Find a VM by its name.
 * @net: the node
 * @name: of its directory
 *
 * Context: Process context, may sleep.
 * Return: The VM with a reference for vmig_vm_put(), or NULL. It may be removed
 * any time, unless it is claimed.
 */
struct vmig_vm *vmig_vm_find(struct net *net, const char *name)
{
	struct vmig_vm *vm;

	mutex_lock(&vms_lock);
	vm = find_locked(net, name);
	if (vm)
		kref_get(&vm->ref);
	mutex_unlock(&vms_lock);
	return vm;
}

static void free_vm(struct kref *ref)
{
	kfree(container_of(ref, struct vmig_vm, ref));
}

/**
 * vmig_vm_put() - Drop the reference of vmig_vm_find().
 * @vm: the VM
 *
 * Context: Any.
 */
void vmig_vm_put(struct vmig_vm *vm)
{
	kref_put(&vm->ref, free_vm);
}

/**
 * vmig_vm_for_each() - Call a function for every VM of a node.
 * @net: the node
 * @fn: called with a VM; stops the walk by returning anything but 0. It may
 *	take vm->lock, and must not create or remove VMs.
 * @arg: passed to @fn
 *
 * Context: Process context, may sleep.
 * Return: What @fn returned last, or 0.
 */
int vmig_vm_for_each(struct net *net,
		     int (*fn)(struct vmig_vm *vm, void *arg), void *arg)
{
	struct vmig_vm *vm;
	int err = 0;

	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, node) {
		if (vm->net != net)
			continue;
		err = fn(vm, arg);
		if (err)
			break;
	}
	mutex_unlock(&vms_lock);
	return err;
}

/**
 * vmig_vm_claim() - Keep a VM's regions as they are, for a migration.
 * @vm: the VM, reference owned by the caller; the claim takes one of its own
 * @id: of the migration, not 0
 * @extack: filled in on every failure
 *
 * Until vmig_vm_release() the VM and its regions can be neither removed nor
 * resized nor unmounted, and a second claim is refused. Contents, allocation
 * and mappings may change.
 *
 * Context: Process context, takes vm->lock.
 * Return: 0, -ENOENT if the VM is gone, -EBUSY if it is claimed.
 */
int vmig_vm_claim(struct vmig_vm *vm, u32 id, struct netlink_ext_ack *extack)
{
	int err = 0;

	mutex_lock(&vm->lock);
	if (!vm->sb) {
		NL_SET_ERR_MSG_FMT(extack, "VM %s was just removed from vmigfs",
				   vm->name);
		err = -ENOENT;
	} else if (vm->claim == VMIG_CLAIM_DEBUG) {
		NL_SET_ERR_MSG_FMT(extack,
				   "VM %s is being tracked through debugfs: close its file there first",
				   vm->name);
		err = -EBUSY;
	} else if (vm->claim) {
		NL_SET_ERR_MSG_FMT(extack,
				   "VM %s takes part in migration %u: wait for its end or cancel it first",
				   vm->name, vm->claim);
		err = -EBUSY;
	} else if (!atomic_inc_not_zero(&vm->sb->s_active)) {
		NL_SET_ERR_MSG_FMT(extack, "VM %s is being unmounted", vm->name);
		err = -ENOENT;
	} else {
		kref_get(&vm->ref);
		vm->claim = id;
	}
	mutex_unlock(&vm->lock);
	return err;
}

/**
 * vmig_vm_release() - Undo vmig_vm_claim().
 * @vm: a VM that the caller has claimed, and whose tracking it has stopped
 *
 * This may be what completes a lazy unmount.
 *
 * Context: Process context, takes vm->lock, may sleep for long. The caller
 * keeps the module loaded.
 */
void vmig_vm_release(struct vmig_vm *vm)
{
	struct super_block *sb;

	mutex_lock(&vm->lock);
	WARN_ON_ONCE(!vm->claim);
	vm->claim = 0;
	sb = vm->sb;
	mutex_unlock(&vm->lock);
	deactivate_super(sb);
	vmig_vm_put(vm);
}
