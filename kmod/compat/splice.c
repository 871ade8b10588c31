// SPDX-License-Identifier: GPL-2.0
/*
 * Pages into a socket by reference.
 *
 * MSG_SPLICE_PAGES came with Linux 6.5 (commit b841b901c452, "net: Declare
 * MSG_SPLICE_PAGES internal sendmsg() flag") and replaced sendpage, which takes
 * one piece of memory a call.
 */
#include <linux/bvec.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <linux/version.h>

#include "compat/splice.h"

/**
 * vmig_splice_to_socket() - Send pages without copying them.
 * @sock: the socket
 * @iter: of the kind ITER_BVEC, advanced by what was sent
 * @flags: MSG_MORE and the like
 *
 * Return: bytes sent, maybe fewer than @iter has, or a negative errno.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
ssize_t vmig_splice_to_socket(struct socket *sock, struct iov_iter *iter,
			      int flags)
{
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };
	ssize_t sent;

	msg.msg_iter = *iter;
	sent = sock_sendmsg(sock, &msg);
	if (sent > 0)
		iov_iter_advance(iter, sent);
	return sent;
}
#else
ssize_t vmig_splice_to_socket(struct socket *sock, struct iov_iter *iter,
			      int flags)
{
	ssize_t sent = 0;

	while (iov_iter_count(iter)) {
		const struct bio_vec *bvec = iter->bvec;
		size_t len = min(bvec->bv_len - iter->iov_offset, iter->count);
		bool last = len == iter->count;
		int ret;

		ret = kernel_sendpage(sock, bvec->bv_page,
				      bvec->bv_offset + iter->iov_offset, len,
				      flags | (last ? 0 : MSG_SENDPAGE_NOTLAST));
		if (ret <= 0)
			return sent ?: ret;
		sent += ret;
		iov_iter_advance(iter, ret);
		if ((size_t)ret < len)
			break;
	}
	return sent;
}
#endif
