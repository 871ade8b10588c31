// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking without a migration, for tests: /sys/kernel/debug/vmig/VM, for a VM
 * of another than the first network namespace VM@INODE.
 *
 * Written:	start			claim the VM, as a migration does
 *		harvest REGION [final]	take what is dirty of all chunks
 *		throttle RATE		pages a second, 0 for no limit
 * Read:	after a harvest the bitmap of pages it found, as bytes, the
 *		lowest bit of a byte first; else the counters as a line of text
 *
 * One open file is one session, and tracking ends when it is closed. A second
 * "start", from whatever file, is refused by the claim. A write is carried out
 * when it returns, and fails with the command's error.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>

#include "compat/compat.h"
#include "memory/internal.h"

#define COMMAND_MAX	(VMIG_NAME_MAX + 32)

static struct dentry *folder;

/**
 * struct session - an open file
 * @vm: one reference
 * @lock: one command or read at a time; protects the fields below
 * @claimed: it holds the claim, until it ends: giving that up may unmount, which
 *	waits for all calls of the file but its release
 * @started: tracking runs
 * @found: bitmap of the last harvest; NULL if there was none
 * @size: of @found in bytes
 */
struct session {
	struct vmig_vm *vm;
	struct mutex lock;
	bool claimed;
	bool started;
	u8 *found;
	size_t size;
};

static void forget(struct session *session)
{
	kvfree(session->found);
	session->found = NULL;
	session->size = 0;
}

static int start(struct session *session)
{
	int err = 0;

	if (!session->claimed)
		err = vmig_vm_claim(session->vm, VMIG_CLAIM_DEBUG, NULL);
	if (err)
		return err;
	session->claimed = true;
	err = vmig_track_start(session->vm, NULL);
	if (!err)
		session->started = true;
	return err;
}

static void stop(struct session *session)
{
	if (session->started) {
		vmig_throttle_set(session->vm, 0);
		vmig_track_stop(session->vm, true);
	}
	if (session->claimed)
		vmig_vm_release(session->vm);
}

static struct vmig_region *find_region(struct session *session,
				       const char *name)
{
	unsigned int i;

	for (i = 0; i < session->vm->nregions; i++)
		if (!strcmp(session->vm->regions[i]->name, name))
			return session->vm->regions[i];
	return NULL;
}

static int harvest(struct session *session, char *args)
{
	struct vmig_region *region;
	char *name = strsep(&args, " ");
	bool final = args && !strcmp(args, "final");
	unsigned long chunk = 0;

	if (!session->started || !name || (args && !final))
		return -EINVAL;
	region = find_region(session, name);
	if (!region)
		return -ENOENT;
	forget(session);
	session->size = round_up(region->size, VMIG_CHUNK_SIZE) >>
			(PAGE_SHIFT + 3);
	session->found = kvzalloc(session->size, GFP_KERNEL);
	if (!session->found)
		return -ENOMEM;
	while ((chunk = vmig_track_next(region, chunk, 0, 1)) != ULONG_MAX) {
		vmig_track_harvest(region, chunk,
				   (unsigned long *)(session->found +
						     chunk * VMIG_CHUNK_PAGES / 8),
				   final);
		chunk++;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int throttle(struct session *session, const char *args)
{
	u64 rate;
	int err;

	if (!session->started || !args)
		return -EINVAL;
	err = kstrtou64(args, 10, &rate);
	if (!err)
		vmig_throttle_set(session->vm, rate);
	return err;
}

static int carry_out(struct session *session, char *command)
{
	char *args = strim(command);
	char *verb = strsep(&args, " ");

	if (!strcmp(verb, "harvest"))
		return harvest(session, args);
	forget(session);
	if (!strcmp(verb, "start"))
		return start(session);
	if (!strcmp(verb, "throttle"))
		return throttle(session, args);
	return -EINVAL;
}

static ssize_t debug_write(struct file *file, const char __user *buffer,
			   size_t n, loff_t *pos)
{
	struct session *session = file->private_data;
	char command[COMMAND_MAX];
	int err;

	if (n >= sizeof(command))
		return -EINVAL;
	if (copy_from_user(command, buffer, n))
		return -EFAULT;
	command[n] = 0;
	mutex_lock(&session->lock);
	err = carry_out(session, command);
	mutex_unlock(&session->lock);
	return err ?: n;
}

static ssize_t read_counters(struct session *session, char __user *buffer,
			     size_t n, loff_t *pos)
{
	struct vmig_track_stats stats;
	char text[160];
	int len;

	vmig_track_stats(session->vm, &stats);
	len = scnprintf(text, sizeof(text),
			"remaining %llu faults %llu sticky %llu bytes %llu waited_us %llu\n",
			stats.remaining, stats.faults, stats.sticky,
			stats.bytes, vmig_throttle_waited_us(session->vm));
	return simple_read_from_buffer(buffer, n, pos, text, len);
}

static ssize_t debug_read(struct file *file, char __user *buffer, size_t n,
			  loff_t *pos)
{
	struct session *session = file->private_data;
	ssize_t done;

	mutex_lock(&session->lock);
	if (session->found)
		done = simple_read_from_buffer(buffer, n, pos, session->found,
					       session->size);
	else
		done = read_counters(session, buffer, n, pos);
	mutex_unlock(&session->lock);
	return done;
}

static int debug_open(struct inode *inode, struct file *file)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return -ENOMEM;
	/* debugfs keeps the VM there while this runs; see vmig_debug_remove(). */
	session->vm = inode->i_private;
	kref_get(&session->vm->ref);
	mutex_init(&session->lock);
	file->private_data = session;
	return 0;
}

static int debug_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;

	stop(session);
	forget(session);
	vmig_vm_put(session->vm);
	kfree(session);
	return 0;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = debug_open,
	.release = debug_release,
	.read = debug_read,
	.write = debug_write,
	.llseek = default_llseek,
};

void vmig_debug_add(struct vmig_vm *vm)
{
	char name[VMIG_NAME_MAX + 16];

	if (net_eq(vm->net, &init_net))
		strscpy(name, vm->name, sizeof(name));
	else
		scnprintf(name, sizeof(name), "%s@%u", vm->name,
			  vm->net->ns.inum);
	vm->debug = debugfs_create_file(name, 0600, folder, vm, &operations);
}

/* Waits for what is in progress on the file; later use of it fails. */
void vmig_debug_remove(struct vmig_vm *vm)
{
	debugfs_remove(vm->debug);
	vm->debug = NULL;
}

void vmig_debug_init(void)
{
	folder = debugfs_create_dir("vmig", NULL);
}

void vmig_debug_exit(void)
{
	debugfs_remove(folder);
}
