// SPDX-License-Identifier: GPL-2.0
/*
 * Makes calls of a function of the kernel fail, for tests: distributions' kernels
 * have no fault injection.
 *
 *   insmod vmig_fail_call.ko function=ib_map_mr_sg value=-12 skip=3 times=1
 *
 * The call after the first @skip ones, and @times - 1 more, return @value at
 * once. Only for functions whose callers expect that; failed= counts.
 */
#include <linux/kprobes.h>
#include <linux/linkage.h>
#include <linux/module.h>
#include <linux/objtool.h>

static char *function = "";
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "whose calls fail");

static long value = -ENOMEM;
module_param(value, long, 0444);
MODULE_PARM_DESC(value, "what they return");

static int skip;
module_param(skip, int, 0444);
MODULE_PARM_DESC(skip, "calls that do not fail, before");

static int times = 1;
module_param(times, int, 0444);
MODULE_PARM_DESC(times, "calls that fail");

static int failed;
module_param(failed, int, 0444);
MODULE_PARM_DESC(failed, "calls that have failed");

static atomic_t calls = ATOMIC_INIT(0);

/* Where the call goes on instead: back to its caller. */
asmlinkage void vmig_fail_call_return(void);

asm(".text\n"
    ".type vmig_fail_call_return, @function\n"
    ".globl vmig_fail_call_return\n"
    "vmig_fail_call_return:\n"
    ANNOTATE_NOENDBR
    ASM_RET
    ".size vmig_fail_call_return, .-vmig_fail_call_return\n");

static int enter(struct kprobe *probe, struct pt_regs *regs)
{
	int call = atomic_inc_return(&calls) - 1;

	if (call < skip || call >= skip + times)
		return 0;
	failed++;
	regs->ax = value;
	regs->ip = (unsigned long)vmig_fail_call_return;
	return 1;
}

/* A probe with one is never turned into a jump, which could not be diverted. */
static void leave(struct kprobe *probe, struct pt_regs *regs,
		  unsigned long flags)
{
}

static struct kprobe probe = {
	.pre_handler = enter,
	.post_handler = leave,
};

static int __init fail_call_init(void)
{
	probe.symbol_name = function;
	return register_kprobe(&probe);
}
module_init(fail_call_init);

static void __exit fail_call_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(fail_call_exit);

MODULE_DESCRIPTION("Makes calls of a kernel function fail");
MODULE_LICENSE("GPL");
