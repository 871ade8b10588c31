// SPDX-License-Identifier: GPL-2.0
/*
 * Tells what the processors did, for benchmarks: distributions' kernels charge
 * the time of softirqs to whatever thread they interrupt, and threads that have
 * ended to nobody.
 *
 *   insmod vmig_cpu_time.ko
 *   cat /sys/module/vmig_cpu_time/parameters/ns
 *
 * A line for each kind, in nanoseconds since it was loaded:
 *   channels     threads of migrations (vmig-ID/CHANNEL)
 *   completions  softirqs that tell a transport of completed work
 *   network      softirqs of the network, and tasklets
 *   workers      work items
 *   rest         everything else but idling
 *
 * The time of an interrupt itself, but not of its softirq, is that of what it
 * interrupts.
 */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

enum kind {
	CHANNELS,
	COMPLETIONS,
	NETWORK,
	WORKERS,
	REST,
	KINDS,
};

static const char * const names[KINDS] = {
	[CHANNELS]	= "channels",
	[COMPLETIONS]	= "completions",
	[NETWORK]	= "network",
	[WORKERS]	= "workers",
	[REST]		= "rest",
};

/* Of a processor; written by it alone, with preemption off. */
struct account {
	u64 since;	/* of what is accounted next; 0 before the first switch */
	u64 entered;	/* a softirq */
	u64 ns[KINDS];
};

static DEFINE_PER_CPU(struct account, accounts);

static enum kind kind_of(const struct task_struct *task)
{
	if (task->flags & PF_WQ_WORKER)
		return WORKERS;
	if (task->flags & PF_KTHREAD && !strncmp(task->comm, "vmig-", 5) &&
	    strchr(task->comm, '/'))
		return CHANNELS;
	return REST;
}

/* The current thread has had the processor until now. */
static void account(struct account *a, struct task_struct *task, u64 now)
{
	if (a->since && task->pid)
		a->ns[kind_of(task)] += now - a->since;
	a->since = now;
}

static void on_switch(void *unused, bool preempt, struct task_struct *prev,
		      struct task_struct *next, unsigned int state)
{
	account(this_cpu_ptr(&accounts), prev, ktime_get_mono_fast_ns());
}

static void on_softirq_entry(void *unused, unsigned int nr)
{
	struct account *a = this_cpu_ptr(&accounts);

	a->entered = ktime_get_mono_fast_ns();
	account(a, current, a->entered);
}

static void on_softirq_exit(void *unused, unsigned int nr)
{
	struct account *a = this_cpu_ptr(&accounts);
	u64 now = ktime_get_mono_fast_ns();
	enum kind kind = REST;

	if (nr == IRQ_POLL_SOFTIRQ)
		kind = COMPLETIONS;
	else if (nr == NET_TX_SOFTIRQ || nr == NET_RX_SOFTIRQ ||
		 nr == TASKLET_SOFTIRQ)
		kind = NETWORK;
	if (a->entered)
		a->ns[kind] += now - a->entered;
	a->since = now;
}

static struct probe {
	const char *name;
	void *function;
	struct tracepoint *point;
} probes[] = {
	{ "sched_switch", on_switch },
	{ "softirq_entry", on_softirq_entry },
	{ "softirq_exit", on_softirq_exit },
};

static void find_probe(struct tracepoint *point, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(point->name, probes[i].name))
			probes[i].point = point;
}

static int get(char *buffer, const struct kernel_param *param)
{
	unsigned int i, len = 0;
	u64 ns;
	int cpu;

	for (i = 0; i < KINDS; i++) {
		ns = 0;
		for_each_possible_cpu(cpu)
			ns += READ_ONCE(per_cpu(accounts, cpu).ns[i]);
		len += sysfs_emit_at(buffer, len, "%s %llu\n", names[i], ns);
	}
	return len;
}

static const struct kernel_param_ops ops = { .get = get };

module_param_cb(ns, &ops, NULL, 0444);
MODULE_PARM_DESC(ns, "a line for each kind: how long processors were at it");

static void unregister(unsigned int n)
{
	while (n--)
		tracepoint_probe_unregister(probes[n].point, probes[n].function,
					    NULL);
	tracepoint_synchronize_unregister();
}

static int __init cpu_time_init(void)
{
	unsigned int i;
	int err;

	for_each_kernel_tracepoint(find_probe, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		err = probes[i].point ?
		      tracepoint_probe_register(probes[i].point,
						probes[i].function, NULL) :
		      -ENOENT;
		if (err) {
			pr_err("no tracepoint %s\n", probes[i].name);
			unregister(i);
			return err;
		}
	}
	return 0;
}
module_init(cpu_time_init);

static void __exit cpu_time_exit(void)
{
	unregister(ARRAY_SIZE(probes));
}
module_exit(cpu_time_exit);

MODULE_DESCRIPTION("Tells what the processors did");
MODULE_LICENSE("GPL");
