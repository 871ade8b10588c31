/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where kernels differ. Code outside kmod/compat is written for the newest
 * kernel and has no version conditions.
 */
#ifndef _VMIG_COMPAT_H
#define _VMIG_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "vmig needs Linux 6.1 or newer"
#endif

#include "compat/extack.h"

#endif /* _VMIG_COMPAT_H */
