/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMIG_COMPAT_SPLICE_H
#define _VMIG_COMPAT_SPLICE_H

#include <linux/types.h>

struct iov_iter;
struct socket;

ssize_t vmig_splice_to_socket(struct socket *sock, struct iov_iter *iter,
			      int flags);

#endif /* _VMIG_COMPAT_SPLICE_H */
