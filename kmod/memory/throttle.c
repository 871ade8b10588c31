// SPDX-License-Identifier: GPL-2.0
/*
 * Throttle: slows the writers of a VM, and nobody else, so that its dirty pages
 * can be sent faster than new ones appear.
 *
 * Each first write to a clean page waits for its turn, in page_mkwrite() before
 * the folio is locked. The mmap_lock is held for reading there: a wait is
 * short, and ends at once when somebody wants that lock for writing.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>

#include "memory/internal.h"

/* A fault waits so long at most: a VMM that is to stop must not be held up. */
#define WAIT_MAX_NS	(100 * NSEC_PER_MSEC)
/* How often a wait looks whether it has to end early. */
#define SLICE_NS	(2 * NSEC_PER_MSEC)

void vmig_throttle_init(struct vmig_throttle *throttle)
{
	spin_lock_init(&throttle->lock);
}

/**
 * vmig_throttle_set() - Limit how many pages a VM may newly dirty.
 * @vm: a VM
 * @pages_per_second: 0 for no limit
 *
 * Counts only what is being tracked. With n threads writing, less than 10 * n
 * pages a second cannot be enforced, as no fault waits longer than 100 ms.
 *
 * Context: Any but hard interrupt.
 */
void vmig_throttle_set(struct vmig_vm *vm, u64 pages_per_second)
{
	struct vmig_throttle *throttle = &vm->throttle;

	spin_lock(&throttle->lock);
	WRITE_ONCE(throttle->rate, pages_per_second);
	throttle->next = 0;
	spin_unlock(&throttle->lock);
}

/**
 * vmig_throttle_waited_us() - How long writers were held up, added up.
 * @vm: a VM
 *
 * Context: Any.
 * Return: microseconds since the VM was created.
 */
u64 vmig_throttle_waited_us(struct vmig_vm *vm)
{
	return div_u64(atomic64_read(&vm->throttle.waited_ns), NSEC_PER_USEC);
}

/* Return: when the caller, who writes one page, may go on. */
static u64 take_turn(struct vmig_throttle *throttle, u64 now)
{
	u64 turn;

	spin_lock(&throttle->lock);
	turn = clamp(throttle->next, now, now + WAIT_MAX_NS);
	if (throttle->rate)
		throttle->next = turn + div64_u64(NSEC_PER_SEC, throttle->rate);
	else
		turn = now;
	spin_unlock(&throttle->lock);
	return turn;
}

/* Wait for the turn to write a page of @region, with @mm's lock held. */
void vmig_throttle_wait(struct vmig_region *region, struct mm_struct *mm)
{
	struct vmig_throttle *throttle = &region->vm->throttle;
	u64 begin, now, turn;

	if (!READ_ONCE(throttle->rate))
		return;
	begin = ktime_get_ns();
	turn = take_turn(throttle, begin);
	for (now = begin; now < turn; now = ktime_get_ns()) {
		ktime_t slice = ns_to_ktime(min(turn - now, SLICE_NS));

		if (signal_pending(current) || mmap_lock_is_contended(mm))
			break;
		set_current_state(TASK_KILLABLE);
		schedule_hrtimeout(&slice, HRTIMER_MODE_REL);
	}
	atomic64_add(now - begin, &throttle->waited_ns);
}
