// SPDX-License-Identifier: GPL-2.0
/*
 * Waits of a channel's thread, and what ends them: progress, an error, patience.
 *
 * Wakers are completions (stream.c, region.c), CM events (connect.c, accept.c)
 * and vmig_rdma_break(). A stop is not one: it is asked for once a slice.
 */
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "rdma/rdma.h"

/* After the end, what is under way is given up when nothing moves for so long, */
#define LEAVE_STILL	(3 * HZ)
/* or when it takes this long in all. A VM may stand still meanwhile. */
#define LEAVE_MAX	(5 * HZ)
/*
 * Nothing is heard of a source, nor of the adapter, while the pages of a chunk are
 * written, so that silence is judged by the time that these may take: 70 KiB/s.
 */
#define PLACING_STILL	(30 * HZ)

bool vmig_rdma_is_broken(struct vmig_rdma_link *rl)
{
	/* Pairs with vmig_rdma_break(). */
	return smp_load_acquire(&rl->err);
}

/* What the connection got as far as @state with can be looked at. */
enum vmig_rdma_state vmig_rdma_state(struct vmig_rdma_link *rl)
{
	/* Pairs with vmig_rdma_enter(). */
	return smp_load_acquire(&rl->state);
}

__printf(4, 0)
static void break_link(struct vmig_rdma_link *rl, int err, bool vague,
		       const char *fmt, va_list args)
{
	unsigned long flags;

	spin_lock_irqsave(&rl->lock, flags);
	if (!rl->err || (rl->vague && !vague)) {
		if (!rl->unable)
			vsnprintf(rl->why, sizeof(rl->why), fmt, args);
		rl->vague = vague;
		/* Pairs with vmig_rdma_is_broken(). */
		smp_store_release(&rl->err, err);
	}
	spin_unlock_irqrestore(&rl->lock, flags);
	wake_up_all(&rl->wait);
}

/**
 * vmig_rdma_break() - The connection is of no use any more.
 * @rl: the link
 * @err: negative errno; -ENODATA if the peer closed it
 * @fmt: why, as the end of a sentence, or an empty one if @err says it all
 *
 * Only the first call counts. Nothing is released here.
 *
 * Context: Any.
 */
void vmig_rdma_break(struct vmig_rdma_link *rl, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	break_link(rl, err, false, fmt, args);
	va_end(args);
}

/**
 * vmig_rdma_be_unable() - This node fails, though the connection works.
 * @rl: the link
 * @fmt: why, as the end of a sentence
 *
 * The peer can still be told.
 */
void vmig_rdma_be_unable(struct vmig_rdma_link *rl, const char *fmt, ...)
{
	unsigned long flags;
	va_list args;

	va_start(args, fmt);
	spin_lock_irqsave(&rl->lock, flags);
	if (!rl->err && !rl->unable) {
		vsnprintf(rl->why, sizeof(rl->why), fmt, args);
		rl->unable = true;
	}
	spin_unlock_irqrestore(&rl->lock, flags);
	va_end(args);
}

/* The consequence of something that may be told any moment. */
__printf(2, 3)
static void break_vaguely(struct vmig_rdma_link *rl, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	break_link(rl, -ECONNRESET, true, fmt, args);
	va_end(args);
}

/* As vmig_rdma_break(), for a work request of @what that failed. */
void vmig_rdma_break_wc(struct vmig_rdma_link *rl, const struct ib_wc *wc,
			const char *what)
{
	switch (wc->status) {
	case IB_WC_WR_FLUSH_ERR:
		break_vaguely(rl, "its queue pair has failed");
		break;
	case IB_WC_RETRY_EXC_ERR:
		vmig_rdma_break(rl, -EHOSTUNREACH,
				"the other adapter does not answer any more (%s)",
				ib_wc_status_msg(wc->status));
		break;
	default:
		vmig_rdma_break(rl, -EIO, "%s failed: %s (vendor error %#x)",
				what, ib_wc_status_msg(wc->status),
				wc->vendor_err);
	}
}

/* For vmig_rdma_wait(). */
bool vmig_rdma_is_connected(struct vmig_rdma_link *rl)
{
	return vmig_rdma_state(rl) == VMIG_RDMA_CONNECTED;
}

/* The connection got as far as @state. Context: Any. */
void vmig_rdma_enter(struct vmig_rdma_link *rl, enum vmig_rdma_state state)
{
	unsigned long flags;

	spin_lock_irqsave(&rl->lock, flags);
	/* Pairs with vmig_rdma_state(). */
	smp_store_release(&rl->state, state);
	if (state == VMIG_RDMA_CONNECTED)
		rl->was_connected = true;
	rl->moves++;
	spin_unlock_irqrestore(&rl->lock, flags);
	wake_up_all(&rl->wait);
}

static void leave(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p)
{
	/* All channels share the time: they may be left one after the other. */
	unsigned long end = (jiffies + LEAVE_MAX) | 1;

	p->manner = VMIG_RDMA_LEAVING;
	p->still = LEAVE_STILL;
	p->since = jiffies;
	p->end = cmpxchg(&rl->session->leave_until, 0, end) ?: end;
}

/**
 * vmig_rdma_be_patient() - Begin what vmig_rdma_wait() may be called for.
 * @rl: the link
 * @p: initialised
 * @manner: see rdma.h
 */
void vmig_rdma_be_patient(struct vmig_rdma_link *rl,
			  struct vmig_rdma_patience *p,
			  enum vmig_rdma_manner manner)
{
	p->manner = manner;
	p->moves = READ_ONCE(rl->moves);
	p->since = jiffies;
	p->still = rl->link.patience * HZ;
	p->end = jiffies + rl->link.limit * HZ;
	p->pages = false;
	if (manner == VMIG_RDMA_PLACING)
		vmig_rdma_await_pages(p);
	if (manner == VMIG_RDMA_LEAVING)
		leave(rl, p);
}

/* What @p is for waits for the pages of a chunk now. */
void vmig_rdma_await_pages(struct vmig_rdma_patience *p)
{
	if (p->manner == VMIG_RDMA_LEAVING)
		return;
	p->still = max_t(unsigned long, p->still, PLACING_STILL);
	p->pages = true;
}

/* Return: 0 to go on waiting. */
static int ask_patience(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p)
{
	unsigned long moves = READ_ONCE(rl->moves);

	if (moves != p->moves) {
		p->moves = moves;
		p->since = jiffies;
	}
	if (p->manner != VMIG_RDMA_LEAVING && rl->link.stop(rl->link.arg)) {
		if (p->manner != VMIG_RDMA_SENDING)
			return -ECANCELED;
		leave(rl, p);
	}
	if (time_after(jiffies, p->since + p->still)) {
		if (p->manner == VMIG_RDMA_LEAVING)
			return -ECANCELED;
		if (p->pages)
			vmig_rdma_be_unable(rl,
					    "the pages of a chunk were not written within %lu seconds",
					    p->still / HZ);
		return -ETIMEDOUT;
	}
	if (time_after(jiffies, p->end))
		return p->manner == VMIG_RDMA_LEAVING ? -ECANCELED : -ETIME;
	return 0;
}

/**
 * vmig_rdma_wait() - Wait for something.
 * @rl: the link
 * @p: begun by vmig_rdma_be_patient(), for one call of the thread
 * @done: has it happened? Called with the thread's state set: it must not sleep.
 *
 * Context: The channel's thread.
 * Return: 0 if it has happened, even on a broken link; -ECANCELED, -ETIMEDOUT,
 * -ETIME, or the error of a broken link.
 */
int vmig_rdma_wait(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p,
		   bool (*done)(struct vmig_rdma_link *rl))
{
	const long slice = msecs_to_jiffies(VMIG_LINK_SLICE_MS);
	int err;

	for (;;) {
		wait_event_idle_timeout(rl->wait,
					done(rl) || vmig_rdma_is_broken(rl),
					slice);
		if (done(rl))
			return 0;
		if (vmig_rdma_is_broken(rl))
			return READ_ONCE(rl->err);
		err = ask_patience(rl, p);
		if (err)
			return err;
	}
}
