// SPDX-License-Identifier: GPL-2.0
/* Kernel TLS on a socket, with keys that are not secret. */
#include <endian.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "ktls.h"

#define ALERT 21

static int set_key(int fd, int direction, uint8_t key, uint64_t seq)
{
	struct tls12_crypto_info_aes_gcm_256 info = {
		.info.version = TLS_1_3_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_256,
	};

	memset(info.key, key, sizeof(info.key));
	seq = htobe64(seq);
	memcpy(info.rec_seq, &seq, sizeof(info.rec_seq));
	return setsockopt(fd, SOL_TLS, direction, &info, sizeof(info));
}

int ktls_set_from(int fd, uint8_t send, uint8_t receive, uint64_t send_seq,
		  uint64_t receive_seq)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	       set_key(fd, TLS_TX, send, send_seq) ||
	       set_key(fd, TLS_RX, receive, receive_seq) ? -1 : 0;
}

int ktls_set(int fd, uint8_t send, uint8_t receive)
{
	return ktls_set_from(fd, send, receive, 0, 0);
}

int ktls_set_ccm(int fd)
{
	const struct tls12_crypto_info_aes_ccm_128 info = {
		.info.version = TLS_1_3_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_CCM_128,
	};

	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	       setsockopt(fd, SOL_TLS, TLS_TX, &info, sizeof(info)) ||
	       setsockopt(fd, SOL_TLS, TLS_RX, &info, sizeof(info)) ? -1 : 0;
}

int ktls_send_alert(int fd)
{
	char control[CMSG_SPACE(1)] = "", text[2] = { 2, 0 };
	struct iovec vec = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr msg = {
		.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_TLS;
	cmsg->cmsg_type = TLS_SET_RECORD_TYPE;
	cmsg->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(cmsg) = ALERT;
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == sizeof(text) ? 0 : -1;
}
