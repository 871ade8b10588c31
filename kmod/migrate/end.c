// SPDX-License-Identifier: GPL-2.0
/*
 * How a migration ends: decided once, by whoever comes first, and carried out
 * by a work item, because a thread of the migration may be the one that decides.
 *
 * The terminal state shows when all is given back: who sees it may remove the
 * VM's directory or start the VM.
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "compat/compat.h"
#include "migrate/engine.h"
#include "transport/transport.h"

#define TICK	(1 * HZ)

static struct workqueue_struct *end_queue;

/**
 * vmig_end_begin() - Decide how a migration ends.
 * @m: the migration
 * @state: DONE, CANCELLED or FAILED
 * @error: positive errno of a failure
 * @force: also after the commit began, for an agent that knows the outcome
 * @fmt: why, as a sentence without a full stop
 *
 * Context: Process context, takes m->lock.
 * Return: 0 if this call decided: exactly one notification with @state will
 * follow. -EALREADY if another did, -EBUSY if the commit has begun.
 */
int vmig_end_begin(struct vmig_migration *m, enum vmig_state state, int error,
		   bool force, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = vmig_end_vbegin(m, state, error, force, fmt, args);
	va_end(args);
	return err;
}

int vmig_end_vbegin(struct vmig_migration *m, enum vmig_state state, int error,
		    bool force, const char *fmt, va_list args)
{
	int err = 0;

	mutex_lock(&m->lock);
	if (m->ending)
		err = -EALREADY;
	else if (!force && vmig_stage_committed(m->info.role, m->info.stage))
		err = -EBUSY;
	if (!err) {
		m->end_state = state;
		m->info.error = error;
		vsnprintf(m->info.reason, sizeof(m->info.reason), fmt, args);
		/* Pairs with the waits of the threads. */
		smp_store_release(&m->ending, true);
		queue_work(end_queue, &m->end_work);
	}
	mutex_unlock(&m->lock);
	if (!err)
		wake_up_all(&m->wait);
	return err;
}

/* Wait for the terminal state of a migration that is ending. */
void vmig_end_wait(struct vmig_migration *m)
{
	flush_work(&m->end_work);
}

static void join_threads(struct vmig_migration *m)
{
	unsigned int i;
	bool ran;

	for (i = 0; i < m->nchannels; i++) {
		struct vmig_channel *ch = &m->channels[i];

		/* A thread that is stopped before it ran never runs. */
		ran = ch->task && kthread_stop(ch->task) != -EINTR;
		if (ch->task)
			put_task_struct(ch->task);
		if (!ran)
			vmig_channel_farewell(ch);
	}
}

/*
 * Give back the connections, the VM and what was allocated. No thread is left, and
 * nobody else looks at the channels but under m->lock.
 */
static void give_back(struct vmig_migration *m)
{
	struct vmig_channel *channels = m->channels;
	unsigned int i, nchannels = m->nchannels;
	bool reset = m->end_state != VMIG_STATE_DONE;

	mutex_lock(&m->lock);
	vmig_stats_refresh(m);
	m->info.unconnected = m->session && m->opened < nchannels &&
			      m->end_state == VMIG_STATE_FAILED;
	m->channels = NULL;
	m->nchannels = 0;
	mutex_unlock(&m->lock);

	for (i = 0; i < nchannels; i++) {
		struct vmig_link *link = channels[i].link;

		link->ops->close(link, reset);
		vmig_channel_detach(&channels[i]);
	}
	kvfree(channels);
	if (m->session)
		vmig_transport_close(m->session);
	if (m->tracking) {
		vmig_throttle_set(m->vm, 0);
		vmig_track_stop(m->vm, m->end_state != VMIG_STATE_DONE);
	}
	vmig_vm_release(m->vm);
	vmig_vm_put(m->vm);
}

static void end_migration(struct work_struct *work)
{
	struct vmig_migration *m = container_of(work, struct vmig_migration,
						end_work);
	struct net *net = m->net;

	cancel_delayed_work_sync(&m->tick);
	join_threads(m);
	give_back(m);
	vmig_node_keep_record(m);

	mutex_lock(&m->lock);
	WARN_ON_ONCE(!vmig_state_may_enter(m->info.role, m->info.state,
					   m->end_state));
	vmig_migration_enter_stage(m, m->info.stage);
	m->info.elapsed = ktime_us_delta(ktime_get(), m->created);
	WRITE_ONCE(m->info.state, m->end_state);
	vmig_migration_notify(m);
	mutex_unlock(&m->lock);

	vmig_migration_put(m);
	put_net(net);
	/* The queue is flushed before the module's code goes. */
	module_put(THIS_MODULE);
}

static void tick(struct work_struct *work)
{
	struct vmig_migration *m = container_of(to_delayed_work(work),
						struct vmig_migration, tick);

	vmig_stats_tick(m);
	vmig_limit_check(m);
	queue_delayed_work(end_queue, &m->tick, TICK);
}

/* From here on vmig_end_begin() may be called, and the limits count. */
void vmig_end_prepare(struct vmig_migration *m)
{
	unsigned int i;

	for (i = 0; i < m->nchannels; i++)
		if (m->channels[i].link->ops->begin)
			m->channels[i].link->ops->begin(m->channels[i].link);
	INIT_WORK(&m->end_work, end_migration);
	INIT_DELAYED_WORK(&m->tick, tick);
	queue_delayed_work(end_queue, &m->tick, TICK);
}

int vmig_end_init(void)
{
	end_queue = alloc_workqueue("vmig", WQ_UNBOUND, 0);
	return end_queue ? 0 : -ENOMEM;
}

void vmig_end_exit(void)
{
	destroy_workqueue(end_queue);
}
