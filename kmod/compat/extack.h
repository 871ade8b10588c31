/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whole sentences as netlink errors.
 *
 * NL_SET_ERR_MSG_FMT() came with Linux 6.2 and has room for 80 bytes, which
 * the name of a VM and what to do about it do not fit in. The one here, on all
 * kernels, writes into a buffer behind the extack. It must therefore be given
 * the @ack of a struct vmig_extack, or NULL; every extack that an operation of
 * this module gets from netlink.c is one.
 */
#ifndef _VMIG_COMPAT_EXTACK_H
#define _VMIG_COMPAT_EXTACK_H

#include <linux/netlink.h>

struct vmig_extack {
	struct netlink_ext_ack ack;
	char text[320];
};

__printf(2, 3)
void vmig_extack_format(struct netlink_ext_ack *extack, const char *fmt, ...);

#undef NL_SET_ERR_MSG_FMT
#define NL_SET_ERR_MSG_FMT(extack, fmt, args...) \
	vmig_extack_format((extack), fmt, ##args)

#endif /* _VMIG_COMPAT_EXTACK_H */
