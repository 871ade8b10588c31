/* SPDX-License-Identifier: GPL-2.0 */
/* KVM as Linux 6.11 and later have it. */
#ifndef _VMIG_COMPAT_KVM_H
#define _VMIG_COMPAT_KVM_H

#include <linux/kvm_host.h>

/* "KVM: SEV: Add initial SEV-SNP support"; without it there is no such VM. */
static inline bool vmig_compat_kvm_is_snp(const struct kvm *kvm)
{
#ifdef KVM_X86_SNP_VM
	return kvm->arch.vm_type == KVM_X86_SNP_VM;
#else
	return false;
#endif
}

#endif /* _VMIG_COMPAT_KVM_H */
