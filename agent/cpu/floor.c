// SPDX-License-Identifier: GPL-2.0
/* The feature lists that policies are made of. */
#include <string.h>

#include "floor.h"
#include "name.h"

/* The x86-64 psABI's micro-architecture levels; each has the ones before. */
static const char *const level1[] = {
	"cmov", "cx8", "fpu", "fxsr", "mmx", "syscall", "sse", "sse2",
	/* not in the psABI's list, which is of user space: long mode itself */
	"lm", "pae", "msr", NULL
};

static const char *const level2[] = {
	"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3", NULL
};

/* OSXSAVE in the psABI's list is XSAVE switched on by the guest's kernel. */
static const char *const level3[] = {
	"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave",
	NULL
};

static const char *const level4[] = {
	"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", NULL
};

static const char *const *const levels[] = { level1, level2, level3, level4 };

/* As old as x86-64, or the same in KVM on every host. */
static const char *const platform[] = {
	"vme", "de", "pse", "tsc", "mce", "apic", "sep", "mtrr", "pge", "mca",
	"pat", "pse36", "clflush", "ss", "nx", NULL
};

/* How many processors, and timers that KVM emulates on any host. */
static const char *const virtual_platform[] = {
	"ht", "cmp_legacy", "x2apic", "tsc_deadline_timer", "tsc_adjust",
	"arat", "hypervisor", NULL
};

static const char *const kvm[] = {
	"kvmclock", "kvm-nopiodelay", "kvmclock2", "kvmclock-stable-bit",
	"kvm-asyncpf", "kvm-asyncpf-vmexit", "kvm-asyncpf-int",
	"kvm-steal-time", "kvm-pv-eoi", "kvm-pv-unhalt", "kvm-pv-tlb-flush",
	"kvm-pv-ipi", "kvm-poll-control", "kvm-pv-sched-yield", NULL
};

/*
 * Hyper-V R2's two published lists. SSE5 was announced and never built; its
 * bit was given to XOP.
 */
static const char *const r2_hidden_amd[] = {
	"ssse3", "sse4_1", "sse4a", "xop", "popcnt", "abm", "misalignsse",
	"3dnow", "3dnowext", NULL
};

static const char *const r2_hidden_intel[] = {
	"ssse3", "sse4_1", "sse4_2", "popcnt", "misalignsse", "xsave", "avx",
	NULL
};

/* Hyper-V's functional specification 2.0: the optional features shown. */
static const char *const r2_optional[] = { "pni", "lahf_lm", "cx16", NULL };
static const char *const r2_optional_amd[] = { "cr8_legacy", "mmxext", NULL };

/*
 * Measuring, tracing and power states are the host's business and are not
 * carried along; enclaves and key handles cannot be.
 */
static const char *const never[] = {
	"pn", "dts", "dtes64", "ds_cpl", "acpi", "tm", "tm2", "pbe", "est",
	"monitor", "mwaitx", "pdcm", "dca", "xtpr", "cid", "sdbg", "smx",
	"cqm", "rdt_a", "intel_pt", "arch_lbr", "arch_perfmon_ext",
	"perfctr_core", "perfctr_nb", "perfctr_llc", "ptsc", "ibs", "lwp",
	"brs", "irperf", "mba", "sgx", "sgx_lc", "sgx_keys", "tme", "pconfig",
	"key_locker", "enqcmd", "hybrid_cpu", "hreset", "core_capabilities",
	"skinit", "wdt", "nodeid_msr", "amd_ppin", "cppc", "temp_sensor",
	"fid", "vid", "ttp", "htc", "stc", "100mhzsteps", "hwpstate", "cpb",
	"eff_freq_ro", "proc_feedback", "acc_power", "connected_standby",
	"rapl", NULL
};

/* What it can do is told by registers that are not compared. */
static const char *const unlevelled[] = { "vmx", "arch_capabilities", NULL };

bool vmig_cpu_is_amd(const char *vendor)
{
	return !strcmp(vendor, "AuthenticAMD") ||
	       !strcmp(vendor, "HygonGenuine");
}

void vmig_cpu_floor_level(unsigned int level, struct vmig_cpu_set *set)
{
	unsigned int i;

	memset(set, 0, sizeof(*set));
	for (i = 0; i < level; i++)
		vmig_cpu_set_add_names(set, levels[i]);
}

void vmig_cpu_floor_platform(struct vmig_cpu_set *set)
{
	memset(set, 0, sizeof(*set));
	vmig_cpu_set_add_names(set, platform);
	vmig_cpu_set_add_names(set, virtual_platform);
	vmig_cpu_set_add_names(set, kvm);
}

void vmig_cpu_floor_r2_hidden(const char *vendor, struct vmig_cpu_set *set)
{
	memset(set, 0, sizeof(*set));
	vmig_cpu_set_add_names(set, vmig_cpu_is_amd(vendor) ? r2_hidden_amd :
							      r2_hidden_intel);
}

void vmig_cpu_floor_r2_strict(const char *vendor, struct vmig_cpu_set *set)
{
	static const char *const hypervisor[] = { "hypervisor", NULL };

	vmig_cpu_floor_level(1, set);
	vmig_cpu_set_add_names(set, platform);
	vmig_cpu_set_add_names(set, hypervisor);
	vmig_cpu_set_add_names(set, kvm);
	vmig_cpu_set_add_names(set, r2_optional);
	if (vmig_cpu_is_amd(vendor))
		vmig_cpu_set_add_names(set, r2_optional_amd);
}

void vmig_cpu_floor_never(struct vmig_cpu_set *set)
{
	memset(set, 0, sizeof(*set));
	vmig_cpu_set_add_names(set, never);
}

void vmig_cpu_floor_unlevelled(struct vmig_cpu_set *set)
{
	memset(set, 0, sizeof(*set));
	vmig_cpu_set_add_names(set, unlevelled);
}

const char *vmig_cpu_level(const struct vmig_cpu_set *set)
{
	static const char *const names[] = {
		"none", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4",
	};
	unsigned int level;

	for (level = 4; level; level--) {
		struct vmig_cpu_set lacking;

		vmig_cpu_floor_level(level, &lacking);
		vmig_cpu_set_minus(&lacking, set);
		if (vmig_cpu_set_empty(&lacking))
			break;
	}
	return names[level];
}
