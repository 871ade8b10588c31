// SPDX-License-Identifier: GPL-2.0
/*
 * What an agent can ask of a migration. engine.h tells its life.
 */
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "migrate/engine.h"
#include "netlink.h"

static void free_migration(struct kref *ref)
{
	kfree(container_of(ref, struct vmig_migration, ref));
}

void vmig_migration_put(struct vmig_migration *m)
{
	kref_put(&m->ref, free_migration);
}

/* Tell the listeners; under m->lock, so that they hear it in order. */
void vmig_migration_notify(struct vmig_migration *m)
{
	lockdep_assert_held(&m->lock);
	vmig_stats_refresh(m);
	vmig_netlink_migration_ntf(m->net, &m->info);
}

/* Close the books of the current stage, and open those of @stage. */
void vmig_migration_enter_stage(struct vmig_migration *m,
				enum vmig_stage stage)
{
	struct vmig_migration_info *info = &m->info;
	ktime_t now = ktime_get();

	lockdep_assert_held(&m->lock);
	if (info->stage)
		info->stages[info->stage].duration =
			ktime_us_delta(now, m->stage_began);
	if (info->stage == stage)
		return;
	/* The final pass is the last round. */
	if (stage == VMIG_STAGE_MODIFIED)
		info->counters.round++;
	info->stage = stage;
	info->stages[stage].entered = true;
	info->stages[stage].start = ktime_us_delta(now, m->created);
	m->stage_began = now;
}

/**
 * vmig_migration_enter() - A thread found that a state or stage has begun.
 * @m: the migration
 * @state: to enter
 * @stage: to enter
 *
 * Nothing happens if it has begun before, or if the migration is ending.
 */
void vmig_migration_enter(struct vmig_migration *m, enum vmig_state state,
			  enum vmig_stage stage)
{
	bool news = false;

	mutex_lock(&m->lock);
	if (m->ending)
		goto out;
	if (state != m->info.state &&
	    !WARN_ON_ONCE(!vmig_state_may_enter(m->info.role, m->info.state,
						state))) {
		m->info.state = state;
		news = true;
	}
	if (stage > m->info.stage) {
		vmig_migration_enter_stage(m, stage);
		news = true;
	}
	if (news)
		vmig_migration_notify(m);
out:
	mutex_unlock(&m->lock);
}

/* The final pass of a channel is proven; the last one makes the memory so. */
void vmig_migration_acked(struct vmig_channel *ch)
{
	struct vmig_migration *m = ch->m;
	bool last;

	mutex_lock(&m->lock);
	m->info.counters.digest ^= ch->tally.final_digest;
	last = ++m->acked == m->nchannels;
	mutex_unlock(&m->lock);
	if (!last)
		return;
	vmig_migration_enter(m, m->info.role == VMIG_ROLE_SOURCE ?
			     VMIG_STATE_HANDOFF : VMIG_STATE_READY,
			     VMIG_STAGE_MODIFIED);
}

/* Return: the migration, referenced and locked, or NULL with @extack set. */
static struct vmig_migration *lock_migration(struct net *net, u32 id,
					     struct netlink_ext_ack *extack)
{
	struct vmig_migration *m = vmig_node_find(net, id, NULL);

	if (m)
		mutex_lock(&m->lock);
	else
		NL_SET_ERR_MSG_FMT(extack, "There is no migration %u on this node",
				   id);
	return m;
}

static void unlock_migration(struct vmig_migration *m)
{
	mutex_unlock(&m->lock);
	vmig_migration_put(m);
}

/* Check that a migration is live and in @state, which @what needs. */
static int need_state(struct vmig_migration *m, enum vmig_state state,
		      const char *what, struct netlink_ext_ack *extack)
{
	struct vmig_migration_info *info = &m->info;

	lockdep_assert_held(&m->lock);
	if (m->ending) {
		NL_SET_ERR_MSG_FMT(extack, "Migration %u of VM %s %s %s: %s",
				   info->id, info->vm,
				   vmig_state_ended(info->state) ?
				   "has ended as" : "is about to end as",
				   vmig_state_name(m->end_state), info->reason);
		return -EALREADY;
	}
	if (info->state != state) {
		NL_SET_ERR_MSG_FMT(extack,
				   "Migration %u of VM %s is in state %s, %s is possible in %s only",
				   info->id, info->vm,
				   vmig_state_name(info->state), what,
				   vmig_state_name(state));
		return -EINVAL;
	}
	return 0;
}

/* Explain to the caller why vmig_end_begin() refused with @err. */
static int explain(struct vmig_migration *m, int err, const char *what,
		   struct netlink_ext_ack *extack)
{
	mutex_lock(&m->lock);
	if (err == -EALREADY)
		need_state(m, m->info.state, what, extack);
	else if (err == -EBUSY)
		NL_SET_ERR_MSG_FMT(extack,
				   "Migration %u of VM %s is in stage %s: its commit has begun, the VM may run on node %s already",
				   m->info.id, m->info.vm,
				   vmig_stage_name(m->info.stage),
				   m->info.role == VMIG_ROLE_SOURCE ?
				   m->info.node : "this");
	mutex_unlock(&m->lock);
	return err;
}

static void stop_threads(struct vmig_migration *m)
{
	unsigned int i;

	for (i = 0; i < m->nchannels; i++) {
		struct vmig_channel *ch = &m->channels[i];

		if (!ch->task)
			continue;
		kthread_stop(ch->task);
		put_task_struct(ch->task);
		ch->task = NULL;
	}
}

/* The threads do not run yet, so that all of them start or none. */
static int create_threads(struct vmig_migration *m,
			  struct netlink_ext_ack *extack)
{
	bool source = m->info.role == VMIG_ROLE_SOURCE;
	struct task_struct *task;
	unsigned int i;

	for (i = 0; i < m->nchannels; i++) {
		task = kthread_create(source ? vmig_push_thread :
				      vmig_receive_thread, &m->channels[i],
				      "vmig-%u/%u", m->info.id, i);
		if (IS_ERR(task)) {
			NL_SET_ERR_MSG_FMT(extack,
					   "Cannot create a thread for channel %u of migration %u",
					   i, m->info.id);
			stop_threads(m);
			return PTR_ERR(task);
		}
		m->channels[i].task = get_task_struct(task);
	}
	return 0;
}

static int start_locked(struct vmig_migration *m,
			struct netlink_ext_ack *extack)
{
	bool source = m->info.role == VMIG_ROLE_SOURCE;
	unsigned int i;
	int err;

	err = need_state(m, VMIG_STATE_SETUP, "start", extack);
	if (err)
		return err;
	err = create_threads(m, extack);
	if (err)
		return err;
	if (source) {
		err = vmig_track_start(m->vm, extack);
		if (err) {
			stop_threads(m);
			return err;
		}
		m->tracking = true;
	}
	m->info.state = source ? VMIG_STATE_PRECOPY : VMIG_STATE_INCOMING;
	m->info.counters.round = 1;
	vmig_migration_enter_stage(m, VMIG_STAGE_MEMORY);
	vmig_migration_notify(m);
	for (i = 0; i < m->nchannels; i++)
		wake_up_process(m->channels[i].task);
	return 0;
}

/**
 * vmig_migration_start() - Let pages flow: SETUP to PRECOPY or INCOMING.
 * @net: the node
 * @id: of the migration
 * @extack: filled in on every failure a caller can cause
 *
 * Return: 0; -ENOENT, -EALREADY if it ended, -EINVAL in another state, -ENOMEM.
 * After a failure nothing has changed.
 */
int vmig_migration_start(struct net *net, u32 id, struct netlink_ext_ack *extack)
{
	struct vmig_migration *m = lock_migration(net, id, extack);
	int err;

	if (!m)
		return -ENOENT;
	err = start_locked(m, extack);
	unlock_migration(m);
	return err;
}

/**
 * vmig_migration_stop_copy() - The VM is stopped: send the last pages.
 * @net: the node
 * @id: of the migration
 * @extack: filled in on every failure a caller can cause
 *
 * Return: 0, and HANDOFF or the end will be notified; -ENOENT, -EALREADY,
 * -EINVAL in another state than PRECOPY.
 */
int vmig_migration_stop_copy(struct net *net, u32 id,
			     struct netlink_ext_ack *extack)
{
	struct vmig_migration *m = lock_migration(net, id, extack);
	int err;

	if (!m)
		return -ENOENT;
	err = need_state(m, VMIG_STATE_PRECOPY, "stop-copy", extack);
	if (!err) {
		vmig_throttle_set(m->vm, 0);
		m->info.state = VMIG_STATE_STOPCOPY;
		vmig_migration_enter_stage(m, VMIG_STAGE_MODIFIED);
		vmig_migration_notify(m);
		WRITE_ONCE(m->stop_copy, true);
		wake_up_all(&m->wait);
	}
	unlock_migration(m);
	return err;
}

/**
 * vmig_migration_stage() - The agent entered a later stage.
 * @net: the node
 * @id: of the migration
 * @stage: to enter
 * @blackout_us: what the VM's users have seen, 0 if not known yet
 * @extack: filled in on every failure a caller can cause
 *
 * Return: 0; -ENOENT, -EALREADY, -EINVAL if the stage is not to be entered now.
 */
int vmig_migration_stage(struct net *net, u32 id, enum vmig_stage stage,
			 u64 blackout_us, struct netlink_ext_ack *extack)
{
	struct vmig_migration *m = lock_migration(net, id, extack);
	bool source;
	int err;

	if (!m)
		return -ENOENT;
	source = m->info.role == VMIG_ROLE_SOURCE;
	err = need_state(m, source ? VMIG_STATE_HANDOFF : VMIG_STATE_READY,
			 "a stage of the agent", extack);
	if (err)
		goto out;
	if (!vmig_stage_may_enter(m->info.role, m->info.state, m->info.stage,
				  stage)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "Migration %u of VM %s is in stage %s: %s cannot follow it, %s comes first",
				   id, m->info.vm, vmig_stage_name(m->info.stage),
				   vmig_stage_name(stage),
				   source ? "storage" : "resume");
		err = -EINVAL;
		goto out;
	}
	if (blackout_us)
		m->info.blackout = blackout_us;
	vmig_migration_enter_stage(m, stage);
	vmig_migration_notify(m);
out:
	unlock_migration(m);
	return err;
}

/**
 * vmig_migration_done() - The VM runs on the destination: give it up here.
 * @net: the node
 * @id: of the migration
 * @blackout_us: what the VM's users have seen, 0 if not known
 * @extack: filled in on every failure a caller can cause
 *
 * Return: 0 when the state is DONE and the VM is released; -ENOENT, -EALREADY,
 * -EINVAL before the commit.
 */
int vmig_migration_done(struct net *net, u32 id, u64 blackout_us,
			struct netlink_ext_ack *extack)
{
	struct vmig_migration *m = lock_migration(net, id, extack);
	int err;

	if (!m)
		return -ENOENT;
	err = need_state(m, m->info.role == VMIG_ROLE_SOURCE ?
			 VMIG_STATE_HANDOFF : VMIG_STATE_READY, "done", extack);
	if (!err && !vmig_stage_committed(m->info.role, m->info.stage)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "Migration %u of VM %s is in stage %s: enter the one that begins the commit first",
				   id, m->info.vm, vmig_stage_name(m->info.stage));
		err = -EINVAL;
	}
	if (!err && blackout_us)
		m->info.blackout = blackout_us;
	mutex_unlock(&m->lock);
	if (!err) {
		err = vmig_end_begin(m, VMIG_STATE_DONE, 0, true, "%s", "");
		if (err)
			explain(m, err, "done", extack);
		else
			vmig_end_wait(m);
	}
	vmig_migration_put(m);
	return err;
}

/**
 * vmig_migration_fail() - End as FAILED, after the commit began as well.
 * @net: the node
 * @id: of the migration
 * @error: positive errno
 * @reason: or NULL
 * @extack: filled in on every failure a caller can cause
 *
 * Return: 0, and exactly one notification follows; -ENOENT, -EALREADY.
 */
int vmig_migration_fail(struct net *net, u32 id, int error, const char *reason,
			struct netlink_ext_ack *extack)
{
	struct vmig_migration *m = lock_migration(net, id, extack);
	int err;

	if (!m)
		return -ENOENT;
	mutex_unlock(&m->lock);
	err = vmig_end_begin(m, VMIG_STATE_FAILED, error ?: EIO, true, "%s",
			     reason ?: "The agent gave up without a reason");
	if (err)
		explain(m, err, "fail", extack);
	vmig_migration_put(m);
	return err;
}

/**
 * vmig_migration_cancel() - End as CANCELLED, before the commit.
 * @net: the node
 * @id: of the migration, or 0 for the one of @vm
 * @vm: or its name
 * @reason: or NULL
 * @extack: filled in on every failure a caller can cause
 *
 * Return: 0, and exactly one notification follows; -ENOENT if there is none or
 * it has ended, -EALREADY if it is about to, -EBUSY if the commit has begun.
 */
int vmig_migration_cancel(struct net *net, u32 id, const char *vm,
			  const char *reason, struct netlink_ext_ack *extack)
{
	struct vmig_migration *m = vmig_node_find(net, id, vm);
	int err;

	if (!m) {
		if (id)
			NL_SET_ERR_MSG_FMT(extack,
					   "There is no migration %u on this node",
					   id);
		else
			NL_SET_ERR_MSG_FMT(extack,
					   "VM %s takes part in no migration",
					   vm);
		return -ENOENT;
	}
	err = vmig_end_begin(m, VMIG_STATE_CANCELLED, 0, false, "%s",
			     reason ?: "Cancelled");
	if (err)
		explain(m, err, "cancel", extack);
	if (err == -EALREADY && vmig_state_ended(READ_ONCE(m->info.state)))
		err = -ENOENT;
	vmig_migration_put(m);
	return err;
}

/* The agent of a node went away: what is not committed fails. */
void vmig_migration_agent_gone(struct net *net)
{
	struct vmig_migration *m = vmig_node_next(net, 0);
	u32 id;

	while (m) {
		id = m->info.id;
		vmig_end_begin(m, VMIG_STATE_FAILED, ENOTCONN, false,
			       "The agent of this node went away");
		vmig_migration_put(m);
		m = vmig_node_next(net, id);
	}
}

int vmig_migration_init(void)
{
	int err;

	/* The wire and the memory agree on what a page and a chunk is. */
	BUILD_BUG_ON(VMIG_WIRE_PAGE_SIZE != PAGE_SIZE);
	BUILD_BUG_ON(VMIG_WIRE_CHUNK_PAGES != VMIG_CHUNK_PAGES);
	BUILD_BUG_ON(VMIG_WIRE_NAME_MAX != VMIG_NAME_MAX);
	BUILD_BUG_ON(VMIG_WIRE_TOKEN_LEN != VMIG_TOKEN_LEN);

	err = vmig_node_init();
	if (err)
		return err;
	err = vmig_end_init();
	if (err)
		vmig_node_exit();
	return err;
}

void vmig_migration_exit(void)
{
	vmig_end_exit();
	vmig_node_exit();
}
