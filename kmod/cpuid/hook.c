// SPDX-License-Identifier: GPL-2.0
/*
 * The hook in KVM: every CPUID answer passes here on its way to a guest.
 *
 * KVM makes all answers, for the intercepted instruction and for the emulated
 * one, in kvm_cpuid(). ftrace sends its callers to answer_cpuid() instead, as
 * for a live patch. A return probe would not do: it misses calls when too many
 * are under way, and an answer missed cannot be taken back.
 *
 * Two things pass it by. SEV-SNP guests read CPUID from a page that firmware has
 * vetted, so that they are refused a filter. And a compiler could inline
 * kvm_cpuid() into kvm_emulate_cpuid(), which is in the same file: ftrace would
 * not tell. A kernel is fit for filters if a guest sees them there, which is
 * what selftests/t1/cpuid_test.c finds out: run it for each kernel.
 *
 * KVM is found by symbol_get(), so that this module works where it is absent,
 * and is held only as long as it is used.
 *
 * This file is built without tracing of its own functions: ftrace calls them.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat/compat.h"
#include "compat/ftrace.h"
#include "compat/kvm.h"
#include "cpuid/cpuid.h"

/*
 * How often locks of a VM are tried, all taken together: an ioctl of a vCPU that
 * does not run is over by then, and a VMM cannot make others wait for longer.
 */
#define LOCK_TRIES	100
#define LOCK_WAIT_US	1000

static const char * const symbols[] = {
	"file_is_kvm", "kvm_get_kvm", "kvm_put_kvm", "kvm_cpuid",
};

/* What is used of KVM, in the order of symbols; valid while it has users. */
static struct {
	bool (*is_vm)(struct file *file);
	void (*get_vm)(struct kvm *kvm);
	void (*put_vm)(struct kvm *kvm);
	bool (*cpuid)(struct kvm_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx,
		      u32 *edx, bool exact_only);
} kvm_api;

static DEFINE_MUTEX(hook_lock);		/* protects kvm_api and all below */
static unsigned int kvm_api_users;
static unsigned int hook_users;
static bool hooked;			/* outlives its users for a while */
static bool stuck;			/* and for ever if ftrace fails */

static void put_symbols(unsigned int n)
{
	while (n--)
		__symbol_put(symbols[n]);
}

static int get_kvm_api(struct netlink_ext_ack *extack)
{
	void *found[ARRAY_SIZE(symbols)];
	unsigned int i;

	lockdep_assert_held(&hook_lock);
	if (kvm_api_users++)
		return 0;
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		found[i] = __symbol_get(symbols[i]);
		if (found[i])
			continue;
		put_symbols(i);
		kvm_api_users--;
		NL_SET_ERR_MSG_FMT(extack,
				   "KVM is not loaded, or does not let modules use %s()",
				   symbols[i]);
		return -EOPNOTSUPP;
	}
	kvm_api.is_vm = found[0];
	kvm_api.get_vm = found[1];
	kvm_api.put_vm = found[2];
	kvm_api.cpuid = found[3];
	return 0;
}

static void put_kvm_api(void)
{
	lockdep_assert_held(&hook_lock);
	if (!--kvm_api_users)
		put_symbols(ARRAY_SIZE(symbols));
}

/*
 * In place of kvm_cpuid(). KVM asks for an exact answer when it wants to know
 * the vendor itself; that is not the guest's business.
 *
 * The call of kvm_cpuid() must remain a call: as a jump it would come from KVM
 * and be sent here again. Hence -fno-optimize-sibling-calls in the Kbuild.
 */
static bool answer_cpuid(struct kvm_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx,
			 u32 *edx, bool exact_only)
{
	u32 *const reg[] = { eax, ebx, ecx, edx };
	u32 leaf = *eax, subleaf = *ecx;
	bool exact;

	exact = kvm_api.cpuid(vcpu, eax, ebx, ecx, edx, exact_only);
	if (!exact_only)
		vmig_filter_answer(vcpu->kvm, leaf, subleaf, reg);
	return exact;
}

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS

static void notrace redirect(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (!within_module(parent_ip, THIS_MODULE))
		ftrace_regs_set_instruction_pointer(fregs,
						    (unsigned long)answer_cpuid);
}

/* Permanent: kernel.ftrace_enabled cannot be cleared while it is there. */
static struct ftrace_ops hook = {
	.func = redirect,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

static int install(struct netlink_ext_ack *extack)
{
	unsigned long ip = (unsigned long)kvm_api.cpuid;
	int err;

	err = ftrace_set_filter_ip(&hook, ip, 0, 0);
	if (err) {
		NL_SET_ERR_MSG_FMT(extack,
				   "kvm_cpuid() of this kernel cannot be traced (error %d)",
				   -err);
		return err;
	}
	err = register_ftrace_function(&hook);
	if (!err)
		return 0;
	ftrace_set_filter_ip(&hook, ip, 1, 0);
	if (err == -EBUSY)
		NL_SET_ERR_MSG(extack,
			       "Function tracing is off or a live patch holds kvm_cpuid(): set kernel.ftrace_enabled=1, or take the live patch away");
	else
		NL_SET_ERR_MSG_FMT(extack,
				   "Function tracing does not let kvm_cpuid() be replaced (error %d)",
				   -err);
	return err;
}

static int uninstall(void)
{
	int err = unregister_ftrace_function(&hook);

	if (err)
		return err;
	ftrace_set_filter_ip(&hook, (unsigned long)kvm_api.cpuid, 1, 0);
	/* Who is in answer_cpuid() does not sleep before its end. */
	synchronize_rcu_tasks();
	return 0;
}

#else

static int install(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack,
		       "This kernel has no function tracing (CONFIG_DYNAMIC_FTRACE_WITH_ARGS)");
	return -EOPNOTSUPP;
}

static int uninstall(void)
{
	return 0;
}

#endif

static void remove_hook(struct work_struct *work)
{
	int err;

	mutex_lock(&hook_lock);
	if (!hooked || stuck || hook_users)
		goto out;
	err = uninstall();
	if (err) {
		/* KVM goes on calling here: neither side may be unloaded. */
		pr_err("vmig: function tracing has failed and left kvm_cpuid() redirected (error %d): vmig and kvm stay loaded until this host boots\n",
		       -err);
		stuck = true;
		__module_get(THIS_MODULE);
		goto out;
	}
	hooked = false;
	put_kvm_api();
out:
	mutex_unlock(&hook_lock);
}

static DECLARE_WORK(remove_work, remove_hook);

/* Killable: who has it may be waiting for all tasks of the host to schedule. */
static int lock_hook(struct netlink_ext_ack *extack)
{
	if (!mutex_lock_killable(&hook_lock))
		return 0;
	NL_SET_ERR_MSG(extack, "Interrupted by a signal");
	return -EINTR;
}

/**
 * vmig_hook_get() - Have all CPUID answers pass vmig_filter_answer().
 * @extack: filled in on every failure
 *
 * Context: Process context, may sleep.
 * Return: 0 if vmig_hook_put() must follow; -EOPNOTSUPP, -EINTR or -ENOMEM.
 */
int vmig_hook_get(struct netlink_ext_ack *extack)
{
	int err = lock_hook(extack);

	if (err)
		return err;
	if (!hooked) {
		err = get_kvm_api(extack);
		if (err)
			goto out;
		err = install(extack);
		if (err) {
			put_kvm_api();
			err = err == -ENOMEM ? err : -EOPNOTSUPP;
			goto out;
		}
		hooked = true;
	}
	hook_users++;
out:
	mutex_unlock(&hook_lock);
	return err;
}

/**
 * vmig_hook_put() - Undo vmig_hook_get().
 *
 * The hook goes a little later: until nobody runs in it a grace period of RCU
 * tasks passes, whose length has no limit, and the next filter may come soon.
 *
 * Context: Process context, may sleep.
 */
void vmig_hook_put(void)
{
	mutex_lock(&hook_lock);
	if (!--hook_users)
		queue_work(system_unbound_wq, &remove_work);
	mutex_unlock(&hook_lock);
}

void vmig_hook_exit(void)
{
	flush_work(&remove_work);
	/* It failed too late to hold the module: better here than in freed text. */
	while (WARN_ON_ONCE(stuck))
		msleep(MSEC_PER_SEC);
	WARN_ON_ONCE(hooked || kvm_api_users);
}

/**
 * vmig_hook_vm_get() - Find the KVM virtual machine behind a file descriptor.
 * @fd: of the calling process
 * @extack: filled in on every failure
 *
 * Context: Process context, may sleep.
 * Return: The VM with a reference for vmig_hook_vm_put(), or an ERR_PTR:
 * -EBADF, -EINVAL, -EINTR, -EOPNOTSUPP.
 */
struct kvm *vmig_hook_vm_get(int fd, struct netlink_ext_ack *extack)
{
	struct file *file = fget(fd);
	struct kvm *kvm;
	int err;

	if (!file) {
		NL_SET_ERR_MSG_FMT(extack, "%d is no open file of the caller", fd);
		return ERR_PTR(-EBADF);
	}
	err = lock_hook(extack);
	if (err) {
		kvm = ERR_PTR(err);
		goto out;
	}
	err = get_kvm_api(extack);
	if (err) {
		kvm = ERR_PTR(err);
	} else if (!kvm_api.is_vm(file)) {
		put_kvm_api();
		NL_SET_ERR_MSG_FMT(extack,
				   "File descriptor %d is no KVM virtual machine: give what KVM_CREATE_VM returned, not /dev/kvm and not a vCPU",
				   fd);
		kvm = ERR_PTR(-EINVAL);
	} else {
		kvm = file->private_data;
		kvm_api.get_vm(kvm);
	}
	mutex_unlock(&hook_lock);
out:
	fput(file);
	return kvm;
}

/**
 * vmig_hook_vm_put() - Drop the reference of vmig_hook_vm_get().
 * @kvm: the VM
 *
 * Context: Process context, may sleep. Destroys the VM if it is the last one.
 */
void vmig_hook_vm_put(struct kvm *kvm)
{
	kvm_api.put_vm(kvm);
	mutex_lock(&hook_lock);
	put_kvm_api();
	mutex_unlock(&hook_lock);
}

/**
 * vmig_hook_vm_mm() - Get the memory of the VMM; no other process runs the VM.
 * @kvm: the VM
 *
 * Return: An mm for mmput(), or NULL if the VMM is dead.
 */
struct mm_struct *vmig_hook_vm_mm(struct kvm *kvm)
{
	return mmget_not_zero(kvm->mm) ? kvm->mm : NULL;
}

/* Not waited for: how long a lock of a VM is held is up to its VMM. */
static int try_lock(struct mutex *lock, unsigned int *tries,
		    struct netlink_ext_ack *extack)
{
	while (!mutex_trylock(lock)) {
		if (fatal_signal_pending(current)) {
			NL_SET_ERR_MSG(extack, "Interrupted by a signal");
			return -EINTR;
		}
		if (!--*tries)
			return -EBUSY;
		usleep_range(LOCK_WAIT_US, 2 * LOCK_WAIT_US);
	}
	return 0;
}

/*
 * A vCPU's mutex is held for as long as it runs, and for its other ioctls.
 * lockdep cannot count as many locks as there may be vCPUs, hence it is not told.
 */
static int lock_vcpu(struct kvm_vcpu *vcpu, unsigned int *tries,
		     struct netlink_ext_ack *extack)
{
	int err = try_lock(&vcpu->mutex, tries, extack);

	if (!err)
		mutex_release(&vcpu->mutex.dep_map, _THIS_IP_);
	else if (err == -EBUSY)
		NL_SET_ERR_MSG_FMT(extack, "vCPU %d of this VM is running",
				   vcpu->vcpu_id);
	return err;
}

static void unlock_vcpu(struct kvm_vcpu *vcpu)
{
	mutex_acquire(&vcpu->mutex.dep_map, 0, 1, _THIS_IP_);
	mutex_unlock(&vcpu->mutex);
}

static void unlock_vcpus(struct kvm *kvm, unsigned long n)
{
	while (n--)
		unlock_vcpu(kvm_get_vcpu(kvm, n));
}

/**
 * vmig_hook_vm_check() - Does all of a VM's CPUID come through the hook?
 * @kvm: the VM, reference owned by the caller
 * @extack: filled in if not
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int vmig_hook_vm_check(const struct kvm *kvm, struct netlink_ext_ack *extack)
{
	if (!vmig_compat_kvm_is_snp(kvm))
		return 0;
	NL_SET_ERR_MSG(extack,
		       "This is an SEV-SNP guest, which takes CPUID from a page vetted by firmware: it cannot be filtered");
	return -EOPNOTSUPP;
}

/**
 * vmig_hook_vm_stop() - Keep a VM from running, if it has not run yet.
 * @kvm: the VM, reference owned by the caller
 * @extack: filled in on every failure
 *
 * KVM notes the processor of a vCPU's last entry before it handles the exit:
 * a guest that was given an answer has that note.
 *
 * Context: Process context, may sleep. Returns with locks of KVM held.
 * Return: 0 if vmig_hook_vm_cont() must follow; -EBUSY, -EINTR.
 */
int vmig_hook_vm_stop(struct kvm *kvm, struct netlink_ext_ack *extack)
{
	unsigned int tries = LOCK_TRIES;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int err;

	/* No vCPU is created meanwhile. */
	err = try_lock(&kvm->lock, &tries, extack);
	if (err == -EBUSY)
		NL_SET_ERR_MSG(extack,
			       "The VMM is changing this VM: try again when it has set it up");
	if (err)
		return err;
	for (i = 0; i < atomic_read(&kvm->online_vcpus); i++) {
		vcpu = kvm_get_vcpu(kvm, i);
		err = lock_vcpu(vcpu, &tries, extack);
		if (err)
			goto err_unlock;
		if (vcpu->arch.last_vmentry_cpu != -1) {
			unlock_vcpu(vcpu);
			NL_SET_ERR_MSG_FMT(extack,
					   "vCPU %d of this VM has run and may have seen CPUID unfiltered: start the VMM anew, stopped, and set the filter first",
					   vcpu->vcpu_id);
			err = -EBUSY;
			goto err_unlock;
		}
	}
	return 0;

err_unlock:
	unlock_vcpus(kvm, i);
	mutex_unlock(&kvm->lock);
	return err;
}

/** vmig_hook_vm_cont() - Undo vmig_hook_vm_stop(). */
void vmig_hook_vm_cont(struct kvm *kvm)
{
	unlock_vcpus(kvm, atomic_read(&kvm->online_vcpus));
	mutex_unlock(&kvm->lock);
}

static int copy_entries(const struct kvm_vcpu *vcpu,
			struct vmig_cpuid_entry **entries,
			struct netlink_ext_ack *extack)
{
	const struct kvm_cpuid_entry2 *from = vcpu->arch.cpuid_entries;
	int i, n = vcpu->arch.cpuid_nent;
	struct vmig_cpuid_entry *to;

	if (n <= 0) {
		NL_SET_ERR_MSG(extack,
			       "The VMM has not given vCPU 0 its CPUID yet (KVM_SET_CPUID2)");
		return -ENOENT;
	}
	to = kvcalloc(n, sizeof(*to), GFP_KERNEL_ACCOUNT);
	if (!to)
		return -ENOMEM;
	*entries = to;
	for (i = 0; i < n; i++, from++, to++) {
		to->leaf = from->function;
		to->indexed = from->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		to->subleaf = to->indexed ? from->index : 0;
		to->reg[VMIG_CPUID_REGISTER_EAX] = from->eax;
		to->reg[VMIG_CPUID_REGISTER_EBX] = from->ebx;
		to->reg[VMIG_CPUID_REGISTER_ECX] = from->ecx;
		to->reg[VMIG_CPUID_REGISTER_EDX] = from->edx;
	}
	return n;
}

/**
 * vmig_hook_vm_read() - Copy the answers that KVM has for vCPU 0.
 * @kvm: the VM, reference owned by the caller
 * @stopped: the caller has called vmig_hook_vm_stop()
 * @entries: set to an array to be freed by kvfree(), on success only
 * @extack: filled in on every failure
 *
 * Context: Process context, may sleep.
 * Return: How many there are, at least 1; -ENOENT, -EBUSY, -EINTR or -ENOMEM.
 */
int vmig_hook_vm_read(struct kvm *kvm, bool stopped,
		      struct vmig_cpuid_entry **entries,
		      struct netlink_ext_ack *extack)
{
	struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, 0);
	unsigned int tries = LOCK_TRIES;
	int n;

	if (!vcpu) {
		NL_SET_ERR_MSG(extack,
			       "This VM has no vCPU yet: let the VMM create them first");
		return -ENOENT;
	}
	if (stopped)
		return copy_entries(vcpu, entries, extack);
	n = lock_vcpu(vcpu, &tries, extack);
	if (!n) {
		n = copy_entries(vcpu, entries, extack);
		unlock_vcpu(vcpu);
	}
	return n;
}
