/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_COMPAT_FS_H
#define _VMIG_COMPAT_FS_H

#include <linux/fs.h>
#include <linux/version.h>

/* Inode operations got a struct mnt_idmap in Linux 6.3. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define mnt_idmap	user_namespace
#define nop_mnt_idmap	init_user_ns
#endif

/* generic_fillattr() got a request mask in Linux 6.6. */
static inline void vmig_compat_fillattr(struct mnt_idmap *idmap, u32 mask,
					struct inode *inode, struct kstat *stat)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	generic_fillattr(idmap, mask, inode, stat);
#else
	generic_fillattr(idmap, inode, stat);
#endif
}

/* The times of an inode got accessors until Linux 6.7. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline struct timespec64 simple_inode_init_ts(struct inode *inode)
{
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
	return inode->i_ctime;
}
#endif

/* Linux 6.5 took generic_file_splice_read() away. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define copy_splice_read	generic_file_splice_read
#endif

#endif /* _VMIG_COMPAT_FS_H */
