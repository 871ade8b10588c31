// SPDX-License-Identifier: GPL-2.0
/* The file of the cluster key: comments, and 64 hexadecimal digits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusterkey.h"

#define HEAD "# vmig cluster key. Every node of the cluster has this file; show it to nobody else.\n"
#define FILE_MAX 4096

static int write_key(int fd)
{
	uint8_t key[VMIG_CLUSTERKEY_LEN];
	char text[sizeof(HEAD) + 2 * VMIG_CLUSTERKEY_LEN + 1] = HEAD;
	size_t len = strlen(text);
	unsigned int i;
	int ret = 0;

	/* Up to 256 bytes come whole or not at all. */
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -errno;
	for (i = 0; i < sizeof(key); i++)
		len += (size_t)sprintf(text + len, "%02x", key[i]);
	text[len++] = '\n';
	errno = EIO;
	if (write(fd, text, len) != (ssize_t)len || fsync(fd))
		ret = -errno;
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	return ret;
}

int vmig_clusterkey_create(const char *path, struct vmig_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0 && errno == EEXIST)
		return vmig_err_set(err, EEXIST,
				    "%s exists already and is not overwritten: all nodes of a cluster need the same key",
				    path);
	if (fd < 0)
		return vmig_err_set(err, errno, "%s: %s", path,
				    strerror(errno));
	ret = write_key(fd);
	if (ret) {
		vmig_err_set(err, -ret, "%s: %s", path, strerror(-ret));
		unlink(path);
	}
	close(fd);
	return ret;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *skip_comments(const char *text)
{
	while (*text == '#' || *text == '\n') {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return text;
}

int vmig_clusterkey_parse(const char *text, const char *name,
			  uint8_t key[VMIG_CLUSTERKEY_LEN],
			  struct vmig_err *err)
{
	const char *at = skip_comments(text);
	unsigned int i;

	for (i = 0; i < VMIG_CLUSTERKEY_LEN; i++, at += 2) {
		int high = digit(at[0]), low = high < 0 ? -1 : digit(at[1]);

		if (low < 0)
			break;
		key[i] = (uint8_t)(high << 4 | low);
	}
	if (i == VMIG_CLUSTERKEY_LEN && (!*at || *at == '\n') &&
	    !*skip_comments(at))
		return 0;
	explicit_bzero(key, VMIG_CLUSTERKEY_LEN);
	return vmig_err_set(err, EINVAL,
			    "%s is not a cluster key, which has one line of %d hexadecimal digits: copy it from another node, or make one with `vmig-agent keygen %s`",
			    name, 2 * VMIG_CLUSTERKEY_LEN, name);
}

static int check_file(int fd, const char *path, struct vmig_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return vmig_err_set(err, errno, "%s: %s", path,
				    strerror(errno));
	if (!S_ISREG(st.st_mode))
		return vmig_err_set(err, EINVAL,
				    "%s is not a file with a key",
				    path);
	if (st.st_uid != geteuid())
		return vmig_err_set(err, EPERM,
				    "%s belongs to user %u and not to the daemon's, %u, so that others may know the key: chown %u %s",
				    path, st.st_uid, geteuid(), geteuid(),
				    path);
	if (st.st_mode & 077)
		return vmig_err_set(err, EPERM,
				    "%s can be read or written by others than its owner (mode %04o): chmod 600 %s, or make a new key if somebody may have read it",
				    path, st.st_mode & 07777, path);
	return 0;
}

int vmig_clusterkey_check(const char *path, struct vmig_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int ret;

	if (fd < 0)
		return vmig_err_set(err, errno, "%s: %s", path,
				    strerror(errno));
	ret = check_file(fd, path, err);
	close(fd);
	return ret;
}

int vmig_clusterkey_load(const char *path, uint8_t key[VMIG_CLUSTERKEY_LEN],
			 struct vmig_err *err)
{
	char text[FILE_MAX + 1];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int ret;

	if (fd < 0 && errno == ENOENT)
		return vmig_err_set(err, ENOENT,
				    "there is no cluster key %s: copy it from another node, or make one with `vmig-agent keygen %s`; [cluster] key = in agent.conf says where it is",
				    path, path);
	if (fd < 0)
		return vmig_err_set(err, errno, "%s: %s", path,
				    strerror(errno));
	ret = check_file(fd, path, err);
	if (ret)
		goto out;
	n = read(fd, text, FILE_MAX);
	if (n < 0) {
		ret = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
		goto out;
	}
	text[n] = '\0';
	ret = vmig_clusterkey_parse(text, path, key, err);
	explicit_bzero(text, sizeof(text));
out:
	close(fd);
	return ret;
}
