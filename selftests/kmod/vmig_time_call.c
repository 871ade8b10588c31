// SPDX-License-Identifier: GPL-2.0
/*
 * Measures how long calls of functions of the kernel take, for benchmarks:
 * distributions' kernels have no function profiler.
 *
 *   insmod vmig_time_call.ko functions=ib_map_mr_sg,ib_alloc_mr
 *   cat /sys/module/vmig_time_call/parameters/{calls,ns}
 *
 * The probe's own time, about a microsecond a call, is part of it, and so is
 * whatever interrupts a call.
 */
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>

#define FUNCTIONS_MAX	8

static char *functions[FUNCTIONS_MAX];
static unsigned int nfunctions;
module_param_array(functions, charp, &nfunctions, 0444);
MODULE_PARM_DESC(functions, "to measure");

static atomic64_t calls[FUNCTIONS_MAX];
static atomic64_t ns[FUNCTIONS_MAX];

static struct kretprobe probes[FUNCTIONS_MAX];

static int enter(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	*(ktime_t *)instance->data = ktime_get();
	return 0;
}

static int leave(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	unsigned int i = get_kretprobe(instance) - probes;
	ktime_t began = *(ktime_t *)instance->data;

	atomic64_inc(&calls[i]);
	atomic64_add(ktime_to_ns(ktime_sub(ktime_get(), began)), &ns[i]);
	return 0;
}

static int print(char *buffer, const atomic64_t *values)
{
	unsigned int i;
	int len = 0;

	for (i = 0; i < nfunctions; i++)
		len += sysfs_emit_at(buffer, len, "%s %lld\n", functions[i],
				     atomic64_read(&values[i]));
	return len;
}

static int get(char *buffer, const struct kernel_param *param)
{
	return print(buffer, param->arg);
}

static const struct kernel_param_ops ops = { .get = get };

module_param_cb(calls, &ops, calls, 0444);
MODULE_PARM_DESC(calls, "a line for each function: how many there were");
module_param_cb(ns, &ops, ns, 0444);
MODULE_PARM_DESC(ns, "a line for each function: how long they took in all");

static void unregister(unsigned int n)
{
	while (n--)
		unregister_kretprobe(&probes[n]);
}

static int __init time_call_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < nfunctions; i++) {
		probes[i].kp.symbol_name = functions[i];
		probes[i].entry_handler = enter;
		probes[i].handler = leave;
		probes[i].data_size = sizeof(ktime_t);
		err = register_kretprobe(&probes[i]);
		if (err) {
			pr_err("no function %s\n", functions[i]);
			unregister(i);
			return err;
		}
	}
	return 0;
}
module_init(time_call_init);

static void __exit time_call_exit(void)
{
	unregister(nfunctions);
}
module_exit(time_call_exit);

MODULE_DESCRIPTION("Measures how long calls of kernel functions take");
MODULE_LICENSE("GPL");
