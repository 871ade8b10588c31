/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pure files of kmod/ take from the kernel, for user space. The
 * headers beside this one are all there is: a file that needs more is not pure.
 */
#ifndef _SHIM_LINUX_TYPES_H
#define _SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#endif /* _SHIM_LINUX_TYPES_H */
