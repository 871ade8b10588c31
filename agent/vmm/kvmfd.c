// SPDX-License-Identifier: GPL-2.0
/* The KVM virtual machine in a QEMU process. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "kvmfd.h"

#define KVM_VM_LINK "anon_inode:kvm-vm"

/* Return: the number that the process has for it, or -ENOENT. */
static int find_number(pid_t pid)
{
	char path[64], target[64];
	struct dirent *entry;
	int number = -ENOENT;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (number < 0 && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target,
				 sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (!strcmp(target, KVM_VM_LINK))
			number = atoi(entry->d_name);
	}
	closedir(dir);
	return number;
}

/**
 * vmig_kvm_fd() - A descriptor of our own for the KVM VM of a process.
 * @pidfd: of @pid, so that what is taken is not from a later process
 *
 * Return: the descriptor; -ENOENT if the process has no KVM VM; or another
 * negative errno.
 */
int vmig_kvm_fd(pid_t pid, int pidfd, struct vmig_err *err)
{
	int number = find_number(pid), fd;

	if (number == -ENOENT)
		return vmig_err_set(err, ENOENT,
				    "QEMU, process %d, has no KVM virtual machine; accel = kvm in agent.conf gives it one",
				    (int)pid);
	if (number < 0)
		return vmig_err_set(err, -number, "process %d: %s", (int)pid,
				    strerror(-number));
	fd = pidfd_getfd(pidfd, number, 0);
	if (fd < 0)
		return vmig_err_set(err, errno,
				    "cannot take the KVM virtual machine of QEMU, process %d: %s",
				    (int)pid, strerror(errno));
	return fd;
}
