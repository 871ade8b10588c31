/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest gets to know of the processor by CPUID.
 *
 * rules.c is pure: from the rules a user gives to the answers a guest gets.
 * hook.c is the only file that knows KVM. filter.c brings both together: which
 * VM gets which answers, from when on and for how long.
 *
 * Lock order, outermost first:
 *   kvm->lock, vcpu->mutex of all vCPUs	(tried, not waited for)
 *   filters_lock			(filter.c)
 * hook_lock (hook.c) is taken with none of them. How long those of KVM are held
 * is up to the VMM: with filters_lock held nobody may ask for them.
 */
#ifndef _VMIG_CPUID_H
#define _VMIG_CPUID_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/vmig.h>

#define VMIG_CPUID_REGS		(VMIG_CPUID_REGISTER_EDX + 1)

struct kvm;
struct mm_struct;
struct net;
struct netlink_ext_ack;
struct nlattr;
struct pid;

/* An answer that KVM has for a vCPU. Unless indexed, any ECX gets it. */
struct vmig_cpuid_entry {
	u32 leaf;
	u32 subleaf;
	bool indexed;
	u32 reg[VMIG_CPUID_REGS];
};

/**
 * struct vmig_cpuid_rule - one register: (KVM's answer & @mask) | @value
 * @leaf: EAX of the guest
 * @subleaf: ECX of the guest; 0 unless @indexed
 * @indexed: for @subleaf only, else for all that no rule of the leaf names
 * @reg: enum vmig_cpuid_register
 * @mask: bits of KVM's answer
 * @value: bits set
 * @hidden: bits to be counted, neither in @mask nor in @value
 * @attr: where the user gave it, for extack
 */
struct vmig_cpuid_rule {
	u32 leaf;
	u32 subleaf;
	bool indexed;
	u32 reg;
	u32 mask;
	u32 value;
	u32 hidden;
	const struct nlattr *attr;
};

/*
 * What a guest gets for a leaf and subleaf, and how often it asked. In @any is
 * the index of the answer to subleaves of this leaf that have none, or -1. Only
 * @queries changes while the answer is in use; it stays last.
 */
struct vmig_cpuid_answer {
	u32 leaf;
	u32 subleaf;
	bool indexed;
	int any;
	u32 mask[VMIG_CPUID_REGS];
	u32 value[VMIG_CPUID_REGS];
	u32 hidden[VMIG_CPUID_REGS];
	atomic64_t queries;
};

/* rules.c APIs: */
int vmig_rules_compile(struct vmig_cpuid_rule *rules, unsigned int n,
		       struct vmig_cpuid_answer *answers,
		       struct netlink_ext_ack *extack);
int vmig_rules_check(const struct vmig_cpuid_rule *rules, unsigned int n,
		     const struct vmig_cpuid_entry *entries,
		     unsigned int nentries, struct netlink_ext_ack *extack);
struct vmig_cpuid_answer *vmig_rules_find(struct vmig_cpuid_answer *answers,
					  unsigned int n, u32 leaf, u32 subleaf);

/* hook.c APIs: */
void vmig_hook_exit(void);
int vmig_hook_get(struct netlink_ext_ack *extack);
void vmig_hook_put(void);
struct kvm *vmig_hook_vm_get(int fd, struct netlink_ext_ack *extack);
void vmig_hook_vm_put(struct kvm *kvm);
struct mm_struct *vmig_hook_vm_mm(struct kvm *kvm);
int vmig_hook_vm_check(const struct kvm *kvm, struct netlink_ext_ack *extack);
int vmig_hook_vm_stop(struct kvm *kvm, struct netlink_ext_ack *extack);
void vmig_hook_vm_cont(struct kvm *kvm);
int vmig_hook_vm_read(struct kvm *kvm, bool stopped,
		      struct vmig_cpuid_entry **entries,
		      struct netlink_ext_ack *extack);

/* filter.c APIs: */
struct vmig_filter_params {
	struct net *net;
	const struct nlattr *name;	/* a checked string */
	const struct nlattr *fd;
	struct vmig_cpuid_rule *rules;
	unsigned int nrules;
};

struct vmig_filter_info {
	u32 id;			/* ascending in the order of creation */
	char name[VMIG_NAME_MAX + 1];
	u32 pid;		/* of the VMM as the caller sees it, or 0 */
	u64 queries;
	struct vmig_cpuid_answer *answers;
	unsigned int n;
};

int vmig_filter_init(void);
void vmig_filter_exit(void);
int vmig_filter_support(struct netlink_ext_ack *extack);
int vmig_filter_read(int fd, struct vmig_cpuid_entry **entries,
		     struct netlink_ext_ack *extack);
int vmig_filter_set(const struct vmig_filter_params *params,
		    struct netlink_ext_ack *extack);
int vmig_filter_info(struct net *net, const char *name,
		     struct vmig_filter_info *info);
int vmig_filter_next(struct net *net, u32 id, struct vmig_filter_info *info);
unsigned int vmig_filter_seq(void);
void vmig_filter_answer(const struct kvm *kvm, u32 leaf, u32 subleaf,
			u32 *const reg[VMIG_CPUID_REGS]);

#endif /* _VMIG_CPUID_H */
