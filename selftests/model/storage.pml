/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The storage of handoff.pml: each disk compares a record and swaps it in one
 * step. Who asks has one change under way, and one that he does not wait for
 * any more.
 */

/* Compare @where and swap; the lease itself is on disk 0. */
inline ask_storage(where, was_of, was_epoch)
{
	MY.asked.live = true;
	MY.asked.disk = where;
	MY.asked.holder = was_of;
	MY.asked.epoch = was_epoch;
	MY.asked.to = (MY.step == RELEASE -> NOBODY : me);
	MY.asked.next = MY.epoch + 1;
	MY.phase = ASKED
}

inline forget(change)
{
	change.live = false;
	change.disk = 0;
	change.holder = 0;
	change.epoch = 0;
	change.to = 0;
	change.next = 0
}

/* The storage compares and swaps in one step. Who runs keeps what he has. */
inline carry_out(change)
{
	if
	:: HELD(change.disk, change.holder, change.epoch) ->
		NEVER(runner_was_robbed, (change.to != change.holder &&
		      change.holder != NOBODY &&
		      host[change.holder].qemu == RUNS));
		lease[change.disk].holder = change.to;
		lease[change.disk].epoch = change.next
	:: else
	fi;
	forget(change)
}

/* Who asked does not wait any more; it may happen all the same. */
inline abandon()
{
	if
	:: MY.asked.live ->
		MY.late.live = true;
		MY.late.disk = MY.asked.disk;
		MY.late.holder = MY.asked.holder;
		MY.late.epoch = MY.asked.epoch;
		MY.late.to = MY.asked.to;
		MY.late.next = MY.asked.next;
		forget(MY.asked)
	:: MY.asked.live -> forget(MY.asked)
	:: !MY.asked.live
	fi
}

proctype Storage(byte me)
{
end:	do
	:: atomic { MY.asked.live ->
		carry_out(MY.asked);
		MY.phase = LOOK }
	:: atomic { MY.asked.live && lates < LATES ->
		lates++;
		abandon();
		MY.phase = LOOK }
	:: atomic { MY.late.live -> carry_out(MY.late) }
	:: atomic { MY.late.live -> forget(MY.late) }
#if DISKS == 2
	/* Still the agent: the lease is its own, the other disk follows. */
	:: atomic { MY.phase == LOOK && MY.step != RELEASE && GOT(0) &&
		    !GOT_ALL ->
		ask_storage(1, lease[1].holder, lease[1].epoch) }
#endif
	od
}
