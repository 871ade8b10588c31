// SPDX-License-Identifier: GPL-2.0
/* Ask KVM what this host's processor offers to guests. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "floor.h"

#define KVM_PATH "/dev/kvm"

static int read_supported(int kvm, struct vmig_cpuid *cpuid,
			  struct vmig_err *err)
{
	struct kvm_cpuid2 *answer;
	unsigned int i;
	int ret = 0;

	answer = calloc(1, sizeof(*answer) + VMIG_CPUID_LEAVES_MAX *
						     sizeof(answer->entries[0]));
	if (!answer)
		return vmig_err_set(err, ENOMEM, "out of memory");
	answer->nent = VMIG_CPUID_LEAVES_MAX;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, answer)) {
		ret = vmig_err_set(err, errno,
				   "cannot ask " KVM_PATH " for the processor's features: %s",
				   strerror(errno));
		goto out;
	}
	cpuid->n = 0;
	for (i = 0; i < answer->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &answer->entries[i];
		const struct vmig_cpuid_leaf leaf = {
			.leaf = e->function, .subleaf = e->index,
			.indexed = e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.reg = { e->eax, e->ebx, e->ecx, e->edx },
		};

		/* There is room: KVM gave no more than was asked for. */
		vmig_cpuid_put(cpuid, &leaf);
	}
out:
	free(answer);
	return ret;
}

static void set_bit(struct vmig_cpuid *cpuid, const char *name)
{
	unsigned int i;

	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		const struct vmig_cpu_feature *f = &vmig_cpu_features[i];
		const struct vmig_cpuid_leaf *have =
			vmig_cpuid_find(cpuid, f->leaf, f->subleaf);
		struct vmig_cpuid_leaf leaf;

		if (strcmp(f->name, name) || !have)
			continue;
		leaf = *have;
		leaf.reg[f->reg] |= 1U << f->bit;
		vmig_cpuid_put(cpuid, &leaf);
	}
}

/*
 * KVM_GET_SUPPORTED_CPUID leaves out what depends on the VM rather than on
 * the host. Every KVM has these, and QEMU passes them on.
 */
static void add_emulated(int kvm, struct vmig_cpu *cpu)
{
	set_bit(&cpu->cpuid, "hypervisor");
	set_bit(&cpu->cpuid, "x2apic");
	set_bit(&cpu->cpuid, "ht");
	set_bit(&cpu->cpuid, "arat");
	if (vmig_cpu_is_amd(cpu->vendor))
		set_bit(&cpu->cpuid, "cmp_legacy");
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		set_bit(&cpu->cpuid, "tsc_deadline_timer");
}

/* The frequency is a VM's; an empty one tells the host's. */
static int read_tsc(int kvm, struct vmig_cpu *cpu, struct vmig_err *err)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), khz, ret = 0;

	if (vm < 0)
		return vmig_err_set(err, errno,
				    "cannot make a VM with " KVM_PATH ": %s",
				    strerror(errno));
	khz = ioctl(vm, KVM_GET_TSC_KHZ, 0);
	if (khz > 0)
		cpu->tsc_khz = khz;
	else
		ret = vmig_err_set(err, khz ? errno : ENODATA,
				   "KVM does not tell the frequency of the TSC: %s",
				   khz ? strerror(errno) : "it says 0");
	close(vm);
	cpu->tsc_scaling = ioctl(kvm, KVM_CHECK_EXTENSION,
				 KVM_CAP_TSC_CONTROL) > 0;
	return ret;
}

/* Of the host itself: KVM leaves it to the VMM what guests read there. */
static void read_model(struct vmig_cpu *cpu)
{
	unsigned int i, four[4];
	char *from;

	memset(cpu->model, 0, sizeof(cpu->model));
	for (i = 0; i < 3; i++)
		if (__get_cpuid(0x80000002 + i, &four[0], &four[1], &four[2],
				&four[3]))
			memcpy(cpu->model + i * sizeof(four), four,
			       sizeof(four));
	/* Some pad in front; a byte that is no letter would not travel. */
	from = cpu->model + strspn(cpu->model, " ");
	memmove(cpu->model, from, strlen(from) + 1);
	for (from = cpu->model; *from; from++)
		if (*from < ' ' || *from > '~')
			*from = '?';
}

int vmig_cpu_read(struct vmig_cpu *cpu, struct vmig_err *err)
{
	int kvm = open(KVM_PATH, O_RDWR | O_CLOEXEC), ret;

	if (kvm < 0)
		return vmig_err_set(err, errno, "cannot open " KVM_PATH ": %s",
				    strerror(errno));
	ret = read_supported(kvm, &cpu->cpuid, err);
	if (ret)
		goto out;
	vmig_cpuid_vendor(&cpu->cpuid, cpu->vendor);
	add_emulated(kvm, cpu);
	vmig_cpuid_features(&cpu->cpuid, &cpu->features);
	cpu->phys_bits = vmig_cpuid_reg(&cpu->cpuid, 0x80000008, 0, VMIG_EAX) &
			 0xff;
	read_model(cpu);
	ret = read_tsc(kvm, cpu, err);
out:
	close(kvm);
	return ret;
}
