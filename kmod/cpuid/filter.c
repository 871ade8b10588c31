// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID filters: one a VM, from before its first instruction to its end.
 *
 * Lifetime: a filter holds the KVM virtual machine, so that its address is not
 * used again, the hook, and the module. It goes when the memory of the VMM
 * goes, which is when all threads of the VMM have left it: KVM runs a vCPU in
 * the memory of the VM's creator only, so no guest is left to see an unfiltered
 * answer. A VMM that closes the VM and lives on keeps VM and filter until then.
 * Guests whose CPUID does not come from KVM get no filter, see hook.c.
 *
 * A network namespace that goes takes the names of its filters away, no more.
 *
 * Locking: the hook reads the hash table under RCU; all else needs filters_lock,
 * which is never held for longer than it takes to walk the list.
 */
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netlink.h>

#include "compat/compat.h"
#include "cpuid/cpuid.h"

/* Buckets for as many VMs as a host can have. */
#define FILTERS_BITS	10

/* Bit of vmig_filter.flags: the memory of the VMM still has to tell its end. */
#define FILTER_LIVE	0

/**
 * struct vmig_filter - what a VM sees of CPUID
 * @hash: in filters, by @kvm
 * @list: in filters_list
 * @kvm: one reference
 * @net: the node; NULL once that is gone. Not dereferenced.
 * @id: set at creation, never changes
 * @name: set at creation, never changes
 * @pid: the VMM, one reference, or NULL
 * @flags: FILTER_LIVE, set by publish(), cleared by release_memory()
 * @notifier: tells when the memory of the VMM goes; keeps its mm_struct
 * @work: what is to be done then
 * @rcu: frees it
 * @unknown: queries that no answer was found for
 * @n: number of @answers
 * @answers: never change but for their counts
 */
struct vmig_filter {
	struct hlist_node hash;
	struct list_head list;
	struct kvm *kvm;
	struct net *net;
	u32 id;
	char name[VMIG_NAME_MAX + 1];
	struct pid *pid;
	unsigned long flags;
	struct mmu_notifier notifier;
	struct work_struct work;
	struct rcu_head rcu;
	atomic64_t unknown;
	unsigned int n;
	struct vmig_cpuid_answer answers[];
};

static DEFINE_HASHTABLE(filters, FILTERS_BITS);
static LIST_HEAD(filters_list);		/* ascending by id */
static DEFINE_MUTEX(filters_lock);	/* protects both, and last_id */
static u32 last_id;

/* Changes with every filter that comes or goes, so that a dump knows. */
static atomic_t filters_seq = ATOMIC_INIT(1);

static struct workqueue_struct *filters_wq;

static struct vmig_filter *find_filter(const struct kvm *kvm)
{
	struct vmig_filter *filter;

	hash_for_each_possible_rcu(filters, filter, hash, (unsigned long)kvm,
				   lockdep_is_held(&filters_lock))
		if (filter->kvm == kvm)
			return filter;
	return NULL;
}

/* A dead VM has no name: the next one may come before drop_filter() has run. */
static struct vmig_filter *find_name(const struct net *net, const char *name)
{
	struct vmig_filter *filter;

	lockdep_assert_held(&filters_lock);
	list_for_each_entry(filter, &filters_list, list)
		if (filter->net == net && !strcmp(filter->name, name) &&
		    test_bit(FILTER_LIVE, &filter->flags))
			return filter;
	return NULL;
}

/**
 * vmig_filter_answer() - Change an answer of KVM into that of the VM's filter.
 * @kvm: the VM
 * @leaf: what was asked
 * @subleaf: what was asked
 * @reg: the answer
 *
 * Context: Any; from the hook.
 */
void vmig_filter_answer(const struct kvm *kvm, u32 leaf, u32 subleaf,
			u32 *const reg[VMIG_CPUID_REGS])
{
	struct vmig_cpuid_answer *answer;
	struct vmig_filter *filter;
	unsigned int i;

	rcu_read_lock();
	filter = find_filter(kvm);
	if (!filter)
		goto out;
	answer = vmig_rules_find(filter->answers, filter->n, leaf, subleaf);
	atomic64_inc(answer ? &answer->queries : &filter->unknown);
	for (i = 0; i < VMIG_CPUID_REGS; i++)
		*reg[i] = answer ? (*reg[i] & answer->mask[i]) | answer->value[i] : 0;
out:
	rcu_read_unlock();
}

static void drop_filter(struct work_struct *work)
{
	struct vmig_filter *filter = container_of(work, struct vmig_filter, work);

	mutex_lock(&filters_lock);
	hash_del_rcu(&filter->hash);
	list_del(&filter->list);
	atomic_inc(&filters_seq);
	mutex_unlock(&filters_lock);

	mmu_notifier_unregister(&filter->notifier, filter->notifier.mm);
	vmig_hook_vm_put(filter->kvm);
	vmig_hook_put();
	put_pid(filter->pid);
	kvfree_rcu(filter, rcu);
	/* The end of this function is safe: the exit drains the workqueue. */
	module_put(THIS_MODULE);
}

/* Comes more than once, and also when a filter is not to be after all. */
static void release_memory(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct vmig_filter *filter = container_of(notifier, struct vmig_filter,
						  notifier);

	if (test_and_clear_bit(FILTER_LIVE, &filter->flags))
		queue_work(filters_wq, &filter->work);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = release_memory,
};

static struct pid *get_vmm_pid(struct mm_struct *mm)
{
	struct pid *pid = NULL;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		pid = get_pid(task_tgid(owner));
	rcu_read_unlock();
#endif
	return pid;
}

static int check_unique(const struct vmig_filter *filter,
			const struct vmig_filter_params *p,
			struct netlink_ext_ack *extack)
{
	const struct vmig_filter *other = find_filter(filter->kvm);

	if (other) {
		NL_SET_BAD_ATTR(extack, p->fd);
		NL_SET_ERR_MSG_FMT(extack,
				   "This virtual machine has a CPUID filter already, known as %s%s: it stays until the VMM ends",
				   other->name, other->net ? "" :
				   " in a network namespace that is gone");
		return -EEXIST;
	}
	if (find_name(filter->net, filter->name)) {
		NL_SET_BAD_ATTR(extack, p->name);
		NL_SET_ERR_MSG_FMT(extack,
				   "Another virtual machine has a CPUID filter known as %s: end its VMM first, or choose another name",
				   filter->name);
		return -EEXIST;
	}
	return 0;
}

static int check_values(const struct vmig_filter *filter,
			const struct vmig_filter_params *p,
			struct netlink_ext_ack *extack)
{
	struct vmig_cpuid_entry *entries;
	int n, err;

	n = vmig_hook_vm_read(filter->kvm, true, &entries, extack);
	if (n < 0) {
		NL_SET_BAD_ATTR(extack, p->fd);
		return n;
	}
	err = vmig_rules_check(p->rules, p->nrules, entries, n, extack);
	kvfree(entries);
	return err;
}

static int add_filter(struct vmig_filter *filter,
		      const struct vmig_filter_params *p,
		      struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&filters_lock);
	err = check_unique(filter, p, extack);
	if (!err) {
		filter->id = ++last_id;
		set_bit(FILTER_LIVE, &filter->flags);
		list_add_tail(&filter->list, &filters_list);
		atomic_inc(&filters_seq);
		/* A vCPU sees it after the lock that it takes to run. */
		hash_add_rcu(filters, &filter->hash, (unsigned long)filter->kvm);
	}
	mutex_unlock(&filters_lock);
	return err;
}

/* From here on the hook finds the filter, if the VM has not run. */
static int publish(struct vmig_filter *filter,
		   const struct vmig_filter_params *p,
		   struct netlink_ext_ack *extack)
{
	int err;

	/* Also before: a VM with a filter may run, which is not what is wrong. */
	mutex_lock(&filters_lock);
	err = check_unique(filter, p, extack);
	mutex_unlock(&filters_lock);
	if (err)
		return err;
	err = vmig_hook_vm_check(filter->kvm, extack) ?:
	      vmig_hook_vm_stop(filter->kvm, extack);
	if (err) {
		NL_SET_BAD_ATTR(extack, p->fd);
		return err;
	}
	err = check_values(filter, p, extack) ?: add_filter(filter, p, extack);
	vmig_hook_vm_cont(filter->kvm);
	return err;
}

/*
 * A VMM that ends meanwhile has its memory torn down by a worker, as that takes
 * long. No worker otherwise, since the filter would live until that has run.
 */
static void put_mm(struct mm_struct *mm)
{
	if (!atomic_add_unless(&mm->mm_users, -1, 1))
		mmput_async(mm);
}

/* Tie the filter to VM and VMM. On success it may be gone at once. */
static int attach(struct vmig_filter *filter,
		  const struct vmig_filter_params *p,
		  struct netlink_ext_ack *extack)
{
	struct mm_struct *mm;
	int err;

	filter->kvm = vmig_hook_vm_get(nla_get_u32(p->fd), extack);
	if (IS_ERR(filter->kvm)) {
		if (PTR_ERR(filter->kvm) != -EOPNOTSUPP)
			NL_SET_BAD_ATTR(extack, p->fd);
		return PTR_ERR(filter->kvm);
	}
	mm = vmig_hook_vm_mm(filter->kvm);
	if (!mm) {
		NL_SET_BAD_ATTR(extack, p->fd);
		NL_SET_ERR_MSG(extack, "The VMM of this virtual machine has ended");
		err = -ESRCH;
		goto err_vm_put;
	}
	filter->pid = get_vmm_pid(mm);
	/* Until mmput the notifier cannot fire. */
	err = mmu_notifier_register(&filter->notifier, mm);
	if (err) {
		NL_SET_ERR_MSG_FMT(extack,
				   "The memory of the VMM cannot be watched (error %d)",
				   -err);
		goto err_mmput;
	}
	err = publish(filter, p, extack);
	if (err)
		goto err_unregister;
	put_mm(mm);
	return 0;

err_unregister:
	mmu_notifier_unregister(&filter->notifier, mm);
err_mmput:
	put_pid(filter->pid);
	put_mm(mm);
err_vm_put:
	vmig_hook_vm_put(filter->kvm);
	return err;
}

static struct vmig_filter *alloc_filter(const struct vmig_filter_params *p,
					struct netlink_ext_ack *extack)
{
	struct vmig_filter *filter;
	int n;

	filter = kvzalloc(struct_size(filter, answers, p->nrules),
			  GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	n = vmig_rules_compile(p->rules, p->nrules, filter->answers, extack);
	if (n < 0) {
		kvfree(filter);
		return ERR_PTR(n);
	}
	filter->n = n;
	filter->net = p->net;
	filter->notifier.ops = &notifier_ops;
	nla_strscpy(filter->name, p->name, sizeof(filter->name));
	INIT_WORK(&filter->work, drop_filter);
	return filter;
}

/**
 * vmig_filter_set() - Filter CPUID of a VM that has not run.
 * @params: what; its rules are sorted. The namespace is kept by the caller.
 * @extack: filled in on every failure
 *
 * Context: Process context, may sleep.
 * Return: 0, or nothing has changed: -EEXIST, -EINVAL, -EBADF, -ENOENT, -ESRCH,
 * -EBUSY, -EINTR, -ENOMEM, -EOPNOTSUPP.
 */
int vmig_filter_set(const struct vmig_filter_params *params,
		    struct netlink_ext_ack *extack)
{
	struct vmig_filter *filter;
	int err;

	filter = alloc_filter(params, extack);
	if (IS_ERR(filter))
		return PTR_ERR(filter);
	if (!try_module_get(THIS_MODULE)) {
		NL_SET_ERR_MSG(extack, "The module vmig is being unloaded");
		err = -EOPNOTSUPP;
		goto err_free;
	}
	err = vmig_hook_get(extack);
	if (err)
		goto err_module_put;
	err = attach(filter, params, extack);
	if (err)
		goto err_hook_put;
	return 0;

err_hook_put:
	vmig_hook_put();
err_module_put:
	module_put(THIS_MODULE);
err_free:
	kvfree(filter);
	return err;
}

/**
 * vmig_filter_support() - Can CPUID be filtered?
 * @extack: filled in if not
 *
 * Context: Process context, may sleep.
 * Return: 0, -EOPNOTSUPP, -EINTR or -ENOMEM.
 */
int vmig_filter_support(struct netlink_ext_ack *extack)
{
	int err = vmig_hook_get(extack);

	if (!err)
		vmig_hook_put();
	return err;
}

/**
 * vmig_filter_read() - Copy the answers that KVM has for vCPU 0 of a VM.
 * @fd: of the calling process, a KVM virtual machine
 * @entries: set to an array to be freed by kvfree(), on success only
 * @extack: filled in on every failure
 *
 * Context: Process context, may sleep.
 * Return: How many there are; -EBADF, -EINVAL, -ENOENT, -EBUSY, -EINTR, -ENOMEM,
 * -EOPNOTSUPP.
 */
int vmig_filter_read(int fd, struct vmig_cpuid_entry **entries,
		     struct netlink_ext_ack *extack)
{
	struct kvm *kvm = vmig_hook_vm_get(fd, extack);
	int n;

	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	n = vmig_hook_vm_read(kvm, false, entries, extack);
	vmig_hook_vm_put(kvm);
	return n;
}

static void fill_info(const struct vmig_filter *filter,
		      struct vmig_filter_info *info)
{
	unsigned int i;

	info->id = filter->id;
	strscpy(info->name, filter->name, sizeof(info->name));
	info->pid = pid_nr_ns(filter->pid, task_active_pid_ns(current));
	info->queries = atomic64_read(&filter->unknown);
	for (i = 0; i < filter->n; i++)
		info->queries += atomic64_read(&filter->answers[i].queries);
	info->answers = NULL;
	info->n = 0;
}

/* The hook counts on meanwhile. */
static void copy_answer(struct vmig_cpuid_answer *to,
			const struct vmig_cpuid_answer *from)
{
	memcpy(to, from, offsetof(struct vmig_cpuid_answer, queries));
	atomic64_set(&to->queries, atomic64_read(&from->queries));
}

/**
 * vmig_filter_info() - Tell of a filter.
 * @net: the node
 * @name: of the filter
 * @info: filled in; its answers are to be freed by kvfree()
 *
 * Context: Process context, may sleep.
 * Return: 0, -ENOENT or -ENOMEM.
 */
int vmig_filter_info(struct net *net, const char *name,
		     struct vmig_filter_info *info)
{
	const struct vmig_filter *filter;
	unsigned int i;
	int err = 0;

	mutex_lock(&filters_lock);
	filter = find_name(net, name);
	if (!filter) {
		err = -ENOENT;
		goto out;
	}
	fill_info(filter, info);
	info->answers = kvmalloc_array(filter->n, sizeof(*info->answers),
				       GFP_KERNEL);
	if (!info->answers) {
		err = -ENOMEM;
		goto out;
	}
	info->n = filter->n;
	for (i = 0; i < filter->n; i++)
		copy_answer(&info->answers[i], &filter->answers[i]);
out:
	mutex_unlock(&filters_lock);
	return err;
}

/**
 * vmig_filter_next() - Tell of the next filter of a node, without answers.
 * @net: the node
 * @id: of the one before, or 0
 * @info: filled in
 *
 * Return: 0, or -ENOENT after the last one.
 */
int vmig_filter_next(struct net *net, u32 id, struct vmig_filter_info *info)
{
	const struct vmig_filter *filter;
	int err = -ENOENT;

	mutex_lock(&filters_lock);
	list_for_each_entry(filter, &filters_list, list) {
		if (filter->net != net || filter->id <= id)
			continue;
		fill_info(filter, info);
		err = 0;
		break;
	}
	mutex_unlock(&filters_lock);
	return err;
}

/** vmig_filter_seq() - A number that is not 0 and changes with the filters. */
unsigned int vmig_filter_seq(void)
{
	return atomic_read(&filters_seq) ?: 1;
}

static void __net_exit forget_net(struct net *net)
{
	struct vmig_filter *filter;

	mutex_lock(&filters_lock);
	list_for_each_entry(filter, &filters_list, list)
		if (filter->net == net)
			filter->net = NULL;
	mutex_unlock(&filters_lock);
}

static struct pernet_operations filter_net_ops = {
	.exit = forget_net,
};

int __init vmig_filter_init(void)
{
	int err;

	filters_wq = alloc_workqueue("vmig-cpuid", WQ_UNBOUND, 0);
	if (!filters_wq)
		return -ENOMEM;
	err = register_pernet_subsys(&filter_net_ops);
	if (err)
		destroy_workqueue(filters_wq);
	return err;
}

/* No filter lives, or the module would be held; its work may not have ended. */
void vmig_filter_exit(void)
{
	unregister_pernet_subsys(&filter_net_ops);
	destroy_workqueue(filters_wq);
	vmig_hook_exit();
}
