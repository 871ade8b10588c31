// SPDX-License-Identifier: GPL-2.0
/* Kernel TLS: from then on a socket encrypts what is written to it. */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktls.h"

#define HINT "load it with `modprobe tls`, for good with a line \"tls\" in /etc/modules-load.d/vmig.conf"

int vmig_ktls_check(struct vmig_err *err)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return vmig_err_set(err, errno, "socket: %s", strerror(errno));
	/* Without a connection the kernel refuses, but only after the module. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) &&
	    errno != ENOTCONN)
		ret = vmig_err_set(err, EOPNOTSUPP,
				   "the kernel's module tls, which encrypts the channels, is not loaded: "
				   HINT);
	close(fd);
	return ret;
}

static int set_key(int fd, int direction, const struct vmig_ktls_key *key)
{
	struct tls12_crypto_info_aes_gcm_256 info = {
		.info.version = TLS_1_3_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_256,
	};
	int ret = 0;

	_Static_assert(sizeof(info.key) == sizeof(key->key) &&
		       sizeof(info.salt) == sizeof(key->salt) &&
		       sizeof(info.iv) == sizeof(key->iv), "sizes differ");
	memcpy(info.key, key->key, sizeof(info.key));
	memcpy(info.salt, key->salt, sizeof(info.salt));
	memcpy(info.iv, key->iv, sizeof(info.iv));
	if (setsockopt(fd, SOL_TLS, direction, &info, sizeof(info)))
		ret = -errno;
	explicit_bzero(&info, sizeof(info));
	return ret;
}

int vmig_ktls_set(int fd, const struct vmig_ktls_key *send,
		  const struct vmig_ktls_key *receive, struct vmig_err *err)
{
	int ret;

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		return vmig_err_set(err, errno, "kernel TLS: %s; " HINT,
				    strerror(errno));
	ret = set_key(fd, TLS_TX, send);
	if (!ret)
		ret = set_key(fd, TLS_RX, receive);
	if (ret)
		return vmig_err_set(err, -ret,
				    "the kernel's TLS does not take AES-256-GCM: %s",
				    strerror(-ret));
	return 0;
}

/* Both ends of a connection of this node with itself. Return: 0 or -errno. */
static int connect_pair(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[1] = -1;
	if (listener < 0 || fds[0] < 0 ||
	    bind(listener, (struct sockaddr *)&addr, len) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(fds[0], (struct sockaddr *)&addr, len))
		ret = -errno;
	else
		fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (!ret && fds[1] < 0)
		ret = -errno;
	if (listener >= 0)
		close(listener);
	return ret;
}

int vmig_ktls_load(struct vmig_err *err)
{
	const struct vmig_ktls_key nobodys = {};
	int fds[2];
	int ret = connect_pair(fds);

	if (ret)
		vmig_err_set(err, -ret, "no connection over the loopback device: %s",
			     strerror(-ret));
	else
		ret = vmig_ktls_set(fds[0], &nobodys, &nobodys, err);
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return ret;
}
