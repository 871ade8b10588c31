/* SPDX-License-Identifier: GPL-2.0 */
/* Function tracing as Linux 6.3 and later have it. */
#ifndef _VMIG_COMPAT_FTRACE_H
#define _VMIG_COMPAT_FTRACE_H

#include <linux/ftrace.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
/* Commit 94d095ffa0e1 ("ftrace: rename ftrace_instruction_pointer_set()") */
#define ftrace_regs_set_instruction_pointer(fregs, ip) \
	ftrace_instruction_pointer_set(fregs, ip)
#endif

#endif /* _VMIG_COMPAT_FTRACE_H */
