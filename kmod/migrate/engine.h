/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of this folder share about a migration; others see migration.h.
 *
 * Life of a migration: vmig_migration_new() claims the VM and takes the sockets,
 * or opens the session of another transport; vmig_migration_start() starts a
 * thread a channel. The first to call vmig_end_begin() decides how it ends;
 * @end_work then joins the threads, gives everything back, and only then lets
 * the terminal state be seen. What stays is a record without any reference,
 * until 64 newer ones have ended.
 *
 * Lock order: node->lock, m->lock, then those of memory.h. The threads are
 * joined without any lock.
 */
#ifndef _VMIG_ENGINE_H
#define _VMIG_ENGINE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "migrate/channel.h"
#include "migrate/migration.h"
#include "migrate/state.h"
#include "memory/memory.h"

/* Rounds that may pass without progress before writers are slowed. */
#define VMIG_STUCK_ROUNDS	3

/**
 * struct vmig_migration - a VM on its way
 * @ref: one for the node's list, one for a caller, one for @end_work
 * @net: referenced until the end
 * @entry: in the node's list, guarded by its lock
 * @lock: protects all that follows but @wait and what is said to be fixed
 * @info: state, stage, times and counters; frozen at the end
 * @ending: set once, by vmig_end_begin(); read without @lock by threads
 * @end_state: what it becomes
 * @stop_copy: set once, in STOPCOPY; read without @lock by threads
 * @wait: threads wait here for @ending, @stop_copy and @greeted
 * @vm: claimed from creation to the end; fixed meanwhile
 * @channels: @nchannels of them, until the end; the array is fixed meanwhile
 * @region_pages: fixed
 * @session: what the channels have in common with another transport than TCP,
 *	else NULL; owned until the end, fixed
 * @opened: channels that are connected
 * @greeted: channels that shook hands
 * @acked: channels whose final pass is acknowledged
 * @nchannels: fixed until the end
 * @tracking: set on the source with PRECOPY
 * @created: when
 * @stage_began: when the current stage did
 * @best_remaining: what the best round left; for the throttle, see stats.c
 * @stuck_rounds: rounds since then
 * @throttle: pages a second that writers are limited to, 0 for no limit
 * @futile_since: since when info.warning says that the target of the blackout
 *	cannot be met, 0 while it can
 * @round_at: when the last round ended
 * @round_faults: faults until then
 * @round_pages: pages sent or received when listeners were last told of a round
 * @tick_at: when the last tick was
 * @tick_faults: faults until then
 * @tick_wire: bytes on the wire until then
 * @end_work: see end.c
 * @tick: once a second until the end
 */
struct vmig_migration {
	struct kref ref;
	struct net *net;
	struct list_head entry;

	struct mutex lock;
	struct vmig_migration_info info;
	bool ending;
	enum vmig_state end_state;
	bool stop_copy;
	wait_queue_head_t wait;

	struct vmig_vm *vm;
	struct vmig_channel *channels;
	unsigned int nchannels;
	u64 region_pages[VMIG_REGIONS_MAX];
	bool tracking;
	struct vmig_session *session;
	unsigned int opened;
	unsigned int greeted;
	unsigned int acked;

	ktime_t created;
	ktime_t stage_began;

	u64 best_remaining;
	unsigned int stuck_rounds;
	u64 throttle;
	ktime_t futile_since;

	ktime_t round_at;
	u64 round_faults;
	u64 round_pages;
	ktime_t tick_at;
	u64 tick_faults;
	u64 tick_wire;

	struct work_struct end_work;
	struct delayed_work tick;
};

/* migration.c APIs: */
void vmig_migration_put(struct vmig_migration *m);
void vmig_migration_enter(struct vmig_migration *m, enum vmig_state state,
			  enum vmig_stage stage);
void vmig_migration_enter_stage(struct vmig_migration *m,
				enum vmig_stage stage);
void vmig_migration_acked(struct vmig_channel *ch);
void vmig_migration_notify(struct vmig_migration *m);

/* end.c APIs: */
int vmig_end_init(void);
void vmig_end_exit(void);
void vmig_end_prepare(struct vmig_migration *m);
__printf(5, 6)
int vmig_end_begin(struct vmig_migration *m, enum vmig_state state, int error,
		   bool force, const char *fmt, ...);
__printf(5, 0)
int vmig_end_vbegin(struct vmig_migration *m, enum vmig_state state, int error,
		    bool force, const char *fmt, va_list args);
void vmig_end_wait(struct vmig_migration *m);

/* node.c APIs: */
int vmig_node_init(void);
void vmig_node_exit(void);
u32 vmig_node_new_id(struct net *net);
void vmig_node_add(struct vmig_migration *m);
void vmig_node_keep_record(struct vmig_migration *m);
struct vmig_migration *vmig_node_find(struct net *net, u32 id, const char *vm);
struct vmig_migration *vmig_node_next(struct net *net, u32 after_id);

/* limit.c APIs: */
void vmig_limit_set(struct vmig_migration *m,
		    const struct vmig_migration_params *p);
void vmig_limit_check(struct vmig_migration *m);

/* stats.c APIs: */
u64 vmig_stats_predict(const struct vmig_migration *m);
void vmig_stats_refresh(struct vmig_migration *m);
void vmig_stats_tick(struct vmig_migration *m);
void vmig_stats_round(struct vmig_channel *ch, ktime_t began);

/* place.c APIs: */
int vmig_place_chunk(struct vmig_channel *ch, const struct vmig_frame *frame);
int vmig_place_rest(struct vmig_channel *ch);
void vmig_place_drop(struct vmig_channel *ch);

/* push.c and receive.c APIs: */
int vmig_push_thread(void *channel);
int vmig_receive_thread(void *channel);

#endif /* _VMIG_ENGINE_H */
