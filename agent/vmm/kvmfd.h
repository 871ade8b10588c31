/* SPDX-License-Identifier: GPL-2.0 */
/* The KVM virtual machine in a QEMU process. */
#ifndef VMIG_KVMFD_H
#define VMIG_KVMFD_H

#include <sys/types.h>

#include "../err.h"

int vmig_kvm_fd(pid_t pid, int pidfd, struct vmig_err *err);

#endif /* VMIG_KVMFD_H */
