// SPDX-License-Identifier: GPL-2.0
/*
 * vmigfs: a directory is a VM, a file in it is a region of its memory.
 *
 * The tree is two levels deep. Dentries are pinned from creation to removal, as
 * in ramfs: there is nothing below them to be read again.
 */
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <net/net_namespace.h>

#include "compat/compat.h"
#include "compat/fs.h"
#include "memory/internal.h"

#define VMIGFS_MAGIC	0x766d6967	/* "vmig" */

/* 32 TiB: a bit a page of it is a gigabyte, and no sum of bytes overflows. */
#define REGION_SIZE_MAX	(1LL << 45)

static struct kmem_cache *inode_cache;
static const struct inode_operations root_ops;
static const struct inode_operations vm_ops;
static const struct inode_operations region_ops;

static struct inode *new_inode_of(struct super_block *sb, struct inode *dir,
				  umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode_init_owner(&nop_mnt_idmap, inode, dir, mode);
	simple_inode_init_ts(inode);
	if (S_ISDIR(mode)) {
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);	/* its own "." */
	}
	return inode;
}

/* Names go to the other node and to users as they are: nothing odd in them. */
static int check_name(const struct dentry *dentry)
{
	const char *c;

	if (dentry->d_name.len > VMIG_NAME_MAX)
		return -ENAMETOOLONG;
	for (c = dentry->d_name.name; *c; c++)
		if (!isascii(*c) || (!isalnum(*c) && !strchr("._-", *c)))
			return -EINVAL;
	return 0;
}

static void add_to_dir(struct inode *dir, struct dentry *dentry,
		       struct inode *inode)
{
	d_instantiate(dentry, inode);
	dget(dentry);			/* until unlink, rmdir or unmount */
	simple_inode_init_ts(dir);
}

static int vm_mkdir(struct mnt_idmap *idmap, struct inode *dir,
		    struct dentry *dentry, umode_t mode)
{
	struct vmig_vm *vm;
	struct inode *inode;
	int err = check_name(dentry);

	if (err)
		return err;
	inode = new_inode_of(dir->i_sb, dir, S_IFDIR | mode);
	if (!inode)
		return -ENOMEM;
	vm = vmig_vm_create(dir->i_sb, dentry->d_name.name);
	if (IS_ERR(vm)) {
		iput(inode);
		return PTR_ERR(vm);
	}
	vmig_inode(inode)->vm = vm;
	inode->i_op = &vm_ops;
	inc_nlink(dir);
	add_to_dir(dir, dentry, inode);
	return 0;
}

static int vm_rmdir(struct inode *dir, struct dentry *dentry)
{
	int err;

	if (!simple_empty(dentry))
		return -ENOTEMPTY;
	err = vmig_vm_remove(vmig_inode(d_inode(dentry))->vm, false);
	return err ?: simple_rmdir(dir, dentry);
}

static int region_create(struct mnt_idmap *idmap, struct inode *dir,
			 struct dentry *dentry, umode_t mode, bool excl)
{
	struct vmig_vm *vm = vmig_inode(dir)->vm;
	struct vmig_region *region;
	struct inode *inode;
	int err = check_name(dentry);

	if (err)
		return err;
	inode = new_inode_of(dir->i_sb, dir, S_IFREG | mode);
	if (!inode)
		return -ENOMEM;
	inode->i_op = &region_ops;
	inode->i_fop = &vmig_file_operations;
	inode->i_mapping->a_ops = &vmig_file_aops;
	region = vmig_region_of(inode);
	vmig_region_init(region, inode);
	strscpy(region->name, dentry->d_name.name, sizeof(region->name));
	kref_get(&vm->ref);
	region->vm = vm;
	err = vmig_vm_add_region(vm, region);
	if (err) {
		iput(inode);
		return err;
	}
	add_to_dir(dir, dentry, inode);
	return 0;
}

static int region_unlink(struct inode *dir, struct dentry *dentry)
{
	int err;

	err = vmig_vm_remove_region(vmig_region_of(d_inode(dentry)), false);
	return err ?: simple_unlink(dir, dentry);
}

static int region_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err;

	err = setattr_prepare(idmap, dentry, attr);
	if (!err && attr->ia_valid & ATTR_SIZE)
		err = vmig_vm_resize_region(vmig_region_of(inode),
					    attr->ia_size);
	if (!err)
		setattr_copy(idmap, inode, attr);
	return err;
}

static int region_getattr(struct mnt_idmap *idmap, const struct path *path,
			  struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);

	vmig_compat_fillattr(idmap, mask, inode, stat);
	stat->blocks = (u64)inode->i_mapping->nrpages << (PAGE_SHIFT - 9);
	return 0;
}

static const struct inode_operations root_ops = {
	.lookup = simple_lookup,
	.mkdir = vm_mkdir,
	.rmdir = vm_rmdir,
};

static const struct inode_operations vm_ops = {
	.lookup = simple_lookup,
	.create = region_create,
	.unlink = region_unlink,
};

static const struct inode_operations region_ops = {
	.setattr = region_setattr,
	.getattr = region_getattr,
};

static struct inode *alloc_inode(struct super_block *sb)
{
	struct vmig_inode *vi = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!vi)
		return NULL;
	vi->vm = NULL;
	memset(&vi->region, 0, sizeof(vi->region));
	return &vi->inode;
}

static void free_inode(struct inode *inode)
{
	kmem_cache_free(inode_cache, vmig_inode(inode));
}

static void evict_inode(struct inode *inode)
{
	struct vmig_inode *vi = vmig_inode(inode);

	if (vi->region.vm) {
		vmig_vm_remove_region(&vi->region, true);
		vmig_region_evict(&vi->region);
		vmig_vm_put(vi->region.vm);
	} else {
		truncate_inode_pages_final(&inode->i_data);
	}
	clear_inode(inode);
	if (vi->vm) {
		vmig_vm_remove(vi->vm, true);
		vmig_vm_put(vi->vm);
	}
}

/* Without size=, free is what the machine could give. */
static int statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct vmig_mount *mount = vmig_mount(dentry->d_sb);
	u64 used = atomic64_read(&mount->used);
	u64 left = max(si_mem_available(), 0L);

	if (mount->limit)
		left = mount->limit - min(mount->limit, used);
	buf->f_type = VMIGFS_MAGIC;
	buf->f_bsize = PAGE_SIZE;
	buf->f_namelen = VMIG_NAME_MAX;
	buf->f_blocks = mount->limit ?: used + left;
	buf->f_bfree = left;
	buf->f_bavail = left;
	return 0;
}

static int show_options(struct seq_file *seq, struct dentry *root)
{
	struct vmig_mount *mount = vmig_mount(root->d_sb);

	if (mount->limit)
		seq_printf(seq, ",size=%lluk",
			   mount->limit << (PAGE_SHIFT - 10));
	seq_printf(seq, ",huge=%s,mode=%03o", mount->huge ? "always" : "never",
		   mount->mode);
	if (!uid_eq(mount->uid, GLOBAL_ROOT_UID))
		seq_printf(seq, ",uid=%u",
			   from_kuid_munged(&init_user_ns, mount->uid));
	if (!gid_eq(mount->gid, GLOBAL_ROOT_GID))
		seq_printf(seq, ",gid=%u",
			   from_kgid_munged(&init_user_ns, mount->gid));
	return 0;
}

static const struct super_operations super_ops = {
	.alloc_inode = alloc_inode,
	.free_inode = free_inode,
	.evict_inode = evict_inode,
	.drop_inode = generic_delete_inode,
	.statfs = statfs,
	.show_options = show_options,
};

enum { OPT_SIZE, OPT_HUGE, OPT_MODE, OPT_UID, OPT_GID };

static const struct constant_table huge_values[] = {
	{ "always",	true },
	{ "never",	false },
	{ }
};

static const struct fs_parameter_spec parameters[] = {
	fsparam_string("size",	OPT_SIZE),
	fsparam_enum("huge",	OPT_HUGE, huge_values),
	fsparam_u32oct("mode",	OPT_MODE),
	fsparam_u32("uid",	OPT_UID),
	fsparam_u32("gid",	OPT_GID),
	{ }
};

static int parse_size(struct fs_context *fc, const char *text)
{
	struct vmig_mount *mount = fc->s_fs_info;
	char *rest;
	u64 size = memparse(text, &rest);

	if (*rest || size < PAGE_SIZE)
		return invalf(fc, "size=%s is not a number of bytes, or below a page: use 512M, 4G",
			      text);
	mount->limit = size >> PAGE_SHIFT;
	return 0;
}

static int parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct vmig_mount *mount = fc->s_fs_info;
	struct fs_parse_result result;
	int opt = fs_parse(fc, parameters, param, &result);

	if (opt < 0)
		return opt;
	switch (opt) {
	case OPT_SIZE:
		return parse_size(fc, param->string);
	case OPT_HUGE:
		mount->huge = result.uint_32;
		break;
	case OPT_MODE:
		mount->mode = result.uint_32 & 01777;
		break;
	case OPT_UID:
		mount->uid = make_kuid(current_user_ns(), result.uint_32);
		if (!uid_valid(mount->uid))
			return invalf(fc, "uid=%u does not exist here",
				      result.uint_32);
		break;
	case OPT_GID:
		mount->gid = make_kgid(current_user_ns(), result.uint_32);
		if (!gid_valid(mount->gid))
			return invalf(fc, "gid=%u does not exist here",
				      result.uint_32);
		break;
	}
	return 0;
}

static int fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct vmig_mount *mount = sb->s_fs_info;
	struct inode *root;

	sb->s_maxbytes = REGION_SIZE_MAX;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = VMIGFS_MAGIC;
	sb->s_op = &super_ops;
	sb->s_time_gran = 1;
	/* An executable mapping could be collapsed to huge behind our back. */
	sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;

	root = new_inode_of(sb, NULL, S_IFDIR | mount->mode);
	if (!root)
		return -ENOMEM;
	root->i_uid = mount->uid;
	root->i_gid = mount->gid;
	root->i_op = &root_ops;
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, fill_super);
}

/* Size and kind of new memory may change; what is there stays. */
static int reconfigure(struct fs_context *fc)
{
	struct vmig_mount *now = vmig_mount(fc->root->d_sb);
	struct vmig_mount *wanted = fc->s_fs_info;

	if (wanted->limit && wanted->limit < atomic64_read(&now->used))
		return invalf(fc, "size= is below the %llu KiB in use",
			      atomic64_read(&now->used) << (PAGE_SHIFT - 10));
	now->limit = wanted->limit;
	now->huge = wanted->huge;
	return 0;
}

static void free_mount(struct vmig_mount *mount)
{
	if (!mount)
		return;
	put_net(mount->net);
	kfree(mount);
}

static void free_context(struct fs_context *fc)
{
	free_mount(fc->s_fs_info);
}

static const struct fs_context_operations context_ops = {
	.free = free_context,
	.parse_param = parse_param,
	.get_tree = get_tree,
	.reconfigure = reconfigure,
};

static int init_context(struct fs_context *fc)
{
	struct vmig_mount *mount = kzalloc(sizeof(*mount), GFP_KERNEL);

	if (!mount)
		return -ENOMEM;
	mount->net = get_net(current->nsproxy->net_ns);
	mount->mode = 0755;
	mount->huge = true;
	mount->uid = current_fsuid();
	mount->gid = current_fsgid();
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE) {
		mount->limit = vmig_mount(fc->root->d_sb)->limit;
		mount->huge = vmig_mount(fc->root->d_sb)->huge;
	}
	fc->s_fs_info = mount;
	fc->ops = &context_ops;
	return 0;
}

static void kill_super(struct super_block *sb)
{
	struct vmig_mount *mount = sb->s_fs_info;

	kill_litter_super(sb);
	free_mount(mount);
}

static struct file_system_type fs_type = {
	.owner = THIS_MODULE,
	.name = "vmigfs",
	.init_fs_context = init_context,
	.parameters = parameters,
	.kill_sb = kill_super,
};
MODULE_ALIAS_FS("vmigfs");

static void init_once(void *object)
{
	struct vmig_inode *vi = object;

	inode_init_once(&vi->inode);
}

int vmig_fs_init(void)
{
	int err;

	inode_cache = kmem_cache_create("vmig_inode", sizeof(struct vmig_inode),
					0, SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					init_once);
	if (!inode_cache)
		return -ENOMEM;
	vmig_debug_init();
	err = register_filesystem(&fs_type);
	if (err)
		goto err_debug_exit;
	return 0;

err_debug_exit:
	vmig_debug_exit();
	kmem_cache_destroy(inode_cache);
	return err;
}

void vmig_fs_exit(void)
{
	unregister_filesystem(&fs_type);
	vmig_debug_exit();
	rcu_barrier();			/* inodes on their way to free_inode() */
	kmem_cache_destroy(inode_cache);
}
