/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a VM with a lease changes hands between two hosts, and everything that
 * can go wrong meanwhile. Documentation/handoff.rst explains the protocol; here
 * it is what spin searches. STEP_*, IN_* and the actions on a lease (HANDOFF,
 * KEEP ...) are those of agent/migrate and agent/storage/lease.h.
 *
 * Both hosts run the same agent, so that a VM may come back and meet what is
 * left of its first journey. How the world is drawn:
 *
 *   network  A message that was said stays said: it arrives at any time later,
 *            more than once, out of order, or never.
 *   limits   Whoever waits may give up at any moment. That stands for time
 *            limits, cut connections, "failed", "committed" and `cancel`, true
 *            or made up: nothing but the lease decides anything.
 *   storage  A change is asked for, and carried out at once or much later, also
 *            when who asked is dead by then (`late`), or never. Nobody believes
 *            the answer: the record is read. So an outage is a long wait.
 *   agent    Killed at any step; QEMU, the kernel's stage and the disk stay.
 *   host     Goes down at any step; the definition on its disk stays.
 *
 * The bounds say how much trouble there is in one run. BUG_* breaks the
 * protocol in one place each; model_test.sh wants every one of them found.
 */
#ifndef MOVES
#define MOVES 1		/* migrations, in whichever direction */
#endif
#ifndef KILLS
#define KILLS 1		/* agents killed */
#endif
#ifndef CRASHES
#define CRASHES 1	/* hosts that go down */
#endif
#ifndef DEATHS
#define DEATHS 0	/* QEMUs that die alone */
#endif
#ifndef LATES
#define LATES 1		/* answers of the storage that are not waited for */
#endif
#ifndef REPLAYS
#define REPLAYS 0	/* a whole migration that is said once more */
#endif
#ifndef RECOVERS
#define RECOVERS 0	/* `vm recover --fence-confirmed` */
#endif
#ifndef STOPS
#define STOPS 0		/* `vm stop`; `vm start` has no bound */
#endif
#ifndef DISKS
#define DISKS 1		/* with scsi-pr, each disk has a record */
#endif

#define NOBODY	2
#define PEER	(1 - me)

mtype = {
	/* what an agent does */
	OFF, DOWN, IDLE,
	STEP_PRECOPY, STEP_DEVICE, STEP_COMMIT, STEP_DOUBT, STEP_NETWORK,
	STEP_FAIL,
	IN_INCOMING, IN_LOADED, IN_RECORD, IN_HANDOFF, IN_RESUME, IN_DROP,
	ACQUIRE, TAKE_OVER, RELEASE,
	/* a QEMU: FULL has all of the VM and has not run it */
	NONE, RUNS, STOPPED, EMPTY, FULL,
	/* what a kernel knows; COMMITTING survives the agent */
	LEAVING, LEAVING_COMMITTING, ARRIVING, ARRIVING_COMMITTING,
	/* a change of the lease */
	ASK, ASKED, LOOK
}

typedef Change {
	bool live;
	byte disk;
	byte holder, epoch;	/* what it has to be */
	byte to, next		/* what it becomes */
}

typedef Record {
	byte holder, epoch
}

typedef Host {
	mtype step, qemu, kernel;
	bool defined;		/* on disk */
	bool brought;		/* ... by the migration that arrives */
	byte move;		/* in the kernel */
	byte memory;		/* of its QEMU: as of which run */
	/* the lease that is expected; IN_HANDOFF has it in a file as well */
	byte holder, epoch;
	mtype phase;
	Change asked, late
}

typedef Move {
	byte source, epoch, memory;
	bool accepted, state, loaded, commit;
	bool cancelled		/* before "commit", whoever wanted it */
}

Record lease[DISKS];
Host host[2];
Move move[MOVES];
byte moves, kills, crashes, deaths, lates, replays, recovers, stops;
byte runs;	/* how often the VM was let run */
bool died;	/* a QEMU that had the VM: its memory may be lost */

/* What must never be. Their names are what pan prints. */
hidden byte two_runners, runs_without_lease, runner_was_robbed, stale_memory;
hidden byte memory_thrown_away, cold_start_beside_memory, somebody_waits;
hidden byte nobody_runs, moved_after_cancel;

#define NEVER(what, condition) \
	what = condition; \
	assert(!what)

#define MY		host[me]
#define HELD(d, h, e)	(lease[d].holder == h && lease[d].epoch == e)
#define HAS_VM(h)	(host[h].qemu == RUNS || host[h].qemu == STOPPED || \
			 host[h].qemu == FULL)
#if DISKS == 2
#define OWNS(h)		(lease[0].holder == h && HELD(1, h, lease[0].epoch))
#else
#define OWNS(h)		(lease[0].holder == h)
#endif

#define GOT(d)	HELD(d, me, MY.epoch + 1)
#if DISKS == 2 && !defined(BUG_RESUMES_ON_FIRST_DISK)
#define GOT_ALL	(GOT(0) && GOT(1))
#else
#define GOT_ALL	GOT(0)
#endif

/* Who runs has all of the lease, and runs alone. */
inline let_run()
{
	NEVER(two_runners, (host[PEER].qemu == RUNS));
	NEVER(runs_without_lease, (!OWNS(me)));
	MY.qemu = RUNS;
	runs++;
	MY.memory = runs
}

/* From memory: the VM has not run since it was like that. */
inline resume()
{
	NEVER(two_runners, (host[PEER].qemu == RUNS));
	NEVER(runs_without_lease, (!OWNS(me)));
	NEVER(stale_memory, (MY.memory != runs));
	let_run()
}

inline start_cold()
{
	let_run();
	NEVER(cold_start_beside_memory, (!died));
	end_change(IDLE)
}

inline lose_qemu()
{
	MY.qemu = NONE;
	MY.memory = 0
}

/* The protocol ends a QEMU: not the last one that has the VM. */
inline end_qemu()
{
	lose_qemu();
	NEVER(memory_thrown_away, (!died && !HAS_VM(PEER)))
}

inline begin_change(what)
{
	MY.step = what;
	MY.phase = ASK
}

inline end_change(what)
{
	begin_change(what);
	MY.holder = 0;
	MY.epoch = 0
}

inline expect_lease()
{
	MY.holder = lease[0].holder;
	MY.epoch = lease[0].epoch
}

#include "storage.pml"

/* VMIG_STEP_*: the VM is here and shall leave. */
proctype Source(byte me)
{
end:	do
	:: atomic { MY.step == IDLE && MY.qemu == RUNS && moves < MOVES ->
		MY.move = moves;
		move[moves].source = me;
		moves++;
		MY.kernel = LEAVING;
		MY.step = STEP_PRECOPY }
	:: atomic { MY.step == STEP_PRECOPY && move[MY.move].accepted &&
		    MY.qemu == RUNS ->
		MY.qemu = STOPPED;
		move[MY.move].memory = MY.memory;
		move[MY.move].state = true;
		MY.step = STEP_DEVICE }
	/* First the kernel's stage STORAGE, then the word. */
	:: atomic { MY.step == STEP_DEVICE && move[MY.move].loaded &&
		    MY.qemu == STOPPED ->
#ifndef BUG_COMMIT_UNRECORDED
		MY.kernel = LEAVING_COMMITTING;
#endif
		MY.step = STEP_COMMIT }
	:: atomic { MY.step == STEP_COMMIT && !move[MY.move].commit ->
		move[MY.move].epoch = lease[0].epoch;
		move[MY.move].commit = true }
	/* A limit, a cut, "failed", `cancel`: nothing can have happened. */
	:: atomic { MY.step == STEP_PRECOPY || MY.step == STEP_DEVICE ->
		move[MY.move].cancelled = true;
		MY.step = STEP_FAIL }
	/* The same, "aborted" or "committed", once it may have been heard. */
	:: atomic { MY.step == STEP_COMMIT ->
#ifdef BUG_CANCELS_TOO_LATE
		move[MY.move].cancelled = true;
#endif
#ifdef BUG_RESUMES_AT_LIMIT
		MY.step = STEP_FAIL
#elif defined(BUG_ENDS_AT_LIMIT)
		MY.step = STEP_NETWORK
#else
		begin_change(STEP_DOUBT)
#endif
		}
	/* KEEP: whoever else asks for this epoch comes too late. */
	:: atomic { MY.step == STEP_DOUBT && MY.phase == ASK &&
		    lease[0].holder == me ->
#ifdef BUG_ONLY_READS
		end_change(STEP_FAIL)
#elif defined(BUG_WAITS_FOR_PEER)
		host[PEER].qemu == RUNS
#else
		expect_lease();
		ask_storage(0, MY.holder, MY.epoch)
#endif
		}
	:: atomic { MY.step == STEP_DOUBT && MY.phase == ASK &&
		    lease[0].holder != me ->
#ifdef BUG_TAKES_BACK_BLINDLY
		lease[0].holder = me;
		lease[0].epoch++;
		end_change(STEP_FAIL)
#else
		end_change(STEP_NETWORK)
#endif
		}
	:: atomic { MY.step == STEP_DOUBT && MY.phase == LOOK && GOT_ALL ->
		end_change(STEP_FAIL) }
	:: atomic { MY.step == STEP_DOUBT && MY.phase == LOOK && !GOT(0) ->
		end_change(STEP_DOUBT) }
	/* The lease is another's: what is here of the VM never runs again. */
	:: atomic { MY.step == STEP_NETWORK && MY.qemu != NONE -> end_qemu() }
	:: atomic { MY.step == STEP_NETWORK && MY.qemu == NONE ->
#ifdef BUG_LOOPS
		MY.step = STEP_DOUBT
#else
		MY.defined = false;
		MY.kernel = NONE;
		MY.step = IDLE
#endif
		}
	:: atomic { MY.step == STEP_FAIL && MY.kernel != NONE ->
		MY.kernel = NONE }
	:: atomic { MY.step == STEP_FAIL && MY.kernel == NONE ->
		if
		:: MY.qemu == STOPPED -> resume()
		:: MY.qemu != STOPPED
		fi;
		MY.step = IDLE }
	od
}

/* "setup" of a migration is there, for the first time or again. */
#ifdef BUG_ACCEPTS_UNSEEN
#define OFFERED(m) (moves > m && move[m].source == PEER && \
		    (!move[m].accepted || replays < REPLAYS))
#else
#define OFFERED(m) (moves > m && move[m].source == PEER && \
		    lease[0].holder == PEER && \
		    (!move[m].accepted || replays < REPLAYS))
#endif

inline accept(m)
{
	if
	:: move[m].accepted -> replays++
	:: !move[m].accepted -> move[m].accepted = true
	fi;
	MY.move = m;
	MY.kernel = ARRIVING;
	MY.qemu = EMPTY;
	MY.step = IN_INCOMING
}

/* VMIG_IN_*: a VM arrives. */
proctype Destination(byte me)
{
end:	do
	:: atomic { MY.step == IDLE && MY.qemu == NONE && OFFERED(0) ->
		accept(0) }
#if MOVES == 2
	:: atomic { MY.step == IDLE && MY.qemu == NONE && OFFERED(1) ->
		accept(1) }
#endif
	:: atomic { MY.step == IN_INCOMING && move[MY.move].state &&
		    MY.qemu == EMPTY ->
		MY.qemu = FULL;
		MY.memory = move[MY.move].memory;
		move[MY.move].loaded = true;
		MY.step = IN_LOADED }
	/* The definition first: with the lease alone nobody could start it. */
	:: atomic { MY.step == IN_LOADED && move[MY.move].commit &&
		    MY.qemu == FULL ->
		MY.brought = !MY.defined;
#ifndef BUG_LATE_DEFINITION
		MY.defined = true;
#endif
		MY.step = IN_RECORD }
	/* The kernel's stage RESUME: from here on it outlives the agent. */
	:: atomic { MY.step == IN_RECORD ->
#ifndef BUG_HANDOFF_UNRECORDED
		MY.kernel = ARRIVING_COMMITTING;
#endif
		MY.holder = move[MY.move].source;
		MY.epoch = move[MY.move].epoch;
		begin_change(IN_HANDOFF) }
	:: atomic { MY.step == IN_INCOMING || MY.step == IN_LOADED ||
		    MY.step == IN_RECORD ->
		MY.step = IN_DROP }
	:: atomic { MY.step == IN_HANDOFF && MY.phase == ASK ->
#ifdef BUG_EXPECTS_ANY_EPOCH
		expect_lease();
#endif
		ask_storage(0, MY.holder, MY.epoch) }
#ifdef BUG_RESUMES_UNANSWERED
	:: atomic { MY.step == IN_HANDOFF && MY.phase == ASKED ->
		abandon();
		end_change(IN_RESUME) }
#endif
	:: atomic { MY.step == IN_HANDOFF && MY.phase == LOOK && GOT_ALL ->
		NEVER(moved_after_cancel, move[MY.move].cancelled);
		end_change(IN_RESUME) }
	/* Not yet: it may still happen, so give up is what nobody can. */
	:: atomic { MY.step == IN_HANDOFF && MY.phase == LOOK &&
		    HELD(0, MY.holder, MY.epoch) ->
#ifdef BUG_DROPS_UNANSWERED
		end_change(IN_DROP)
#else
		MY.phase = ASK
#endif
		}
	/* The source kept it, or more has happened since. */
	:: atomic { MY.step == IN_HANDOFF && MY.phase == LOOK && !GOT(0) &&
		    !HELD(0, MY.holder, MY.epoch) ->
#ifdef BUG_RESUMES_REFUSED
		end_change(IN_RESUME)
#else
#ifdef BUG_REMOVES_DEFINITION
		MY.brought = true;
#endif
		MY.defined = MY.defined && !MY.brought;
		end_change(IN_DROP)
#endif
		}
	:: atomic { MY.step == IN_RESUME && MY.qemu == FULL -> resume() }
	:: atomic { MY.step == IN_RESUME && MY.qemu != FULL ->
#ifdef BUG_LATE_DEFINITION
		MY.defined = true;
#endif
		MY.brought = false;
		MY.kernel = NONE;
		MY.step = IDLE }
	:: atomic { MY.step == IN_DROP ->
		MY.brought = false;
		if
		:: MY.qemu != NONE -> end_qemu()
		:: MY.qemu == NONE
		fi;
		MY.kernel = NONE;
		MY.step = IDLE }
	od
}

/* Commands, whenever they are possible; refused ones change nothing. */
#define IDLE_WITHOUT_QEMU (MY.step == IDLE && MY.qemu == NONE)
#define MAY_ACQUIRE (lease[0].holder == me || lease[0].holder == NOBODY)

proctype Operator(byte me)
{
end:	do
	/* `vm start` */
	:: atomic { IDLE_WITHOUT_QEMU && MY.defined && MAY_ACQUIRE ->
#ifdef BUG_STARTS_WITH_OLD_EPOCH
		start_cold()
#else
		begin_change(ACQUIRE)
#endif
		}
#ifdef BUG_STARTS_WITHOUT_LEASE
	:: atomic { IDLE_WITHOUT_QEMU && MY.defined && died ->
		start_cold() }
#endif
	:: atomic { MY.step == ACQUIRE && MY.phase == ASK && MAY_ACQUIRE ->
		expect_lease();
		ask_storage(0, MY.holder, MY.epoch) }
	:: atomic { MY.step == ACQUIRE && MY.phase == ASK && !MAY_ACQUIRE ->
		end_change(IDLE) }
	:: atomic { MY.step == ACQUIRE && MY.phase == LOOK && GOT_ALL ->
		start_cold() }
	:: atomic { MY.step == ACQUIRE && MY.phase == LOOK && !GOT(0) ->
		end_change(ACQUIRE) }

#if STOPS
	/* `vm stop` */
	:: atomic { MY.step == IDLE && MY.qemu == RUNS && stops < STOPS ->
		stops++;
		died = true;
		lose_qemu();
		begin_change(RELEASE) }
	:: atomic { MY.step == RELEASE && MY.phase == ASK ->
		expect_lease();
		ask_storage(0, MY.holder, MY.epoch) }
	:: atomic { MY.step == RELEASE && MY.phase == LOOK ->
		end_change(IDLE) }
#endif

#if RECOVERS
	/* `vm recover`: the other host is dead, and this lease was shown. */
	:: atomic { IDLE_WITHOUT_QEMU && lease[0].holder == PEER &&
#ifndef BUG_RECOVERS_FROM_LIVING
		    host[PEER].step == OFF &&
#endif
		    recovers < RECOVERS ->
		recovers++;
		MY.defined = true;
		expect_lease();
		begin_change(TAKE_OVER) }
	:: atomic { MY.step == TAKE_OVER && MY.phase == ASK ->
#ifdef BUG_RECOVERS_ANY_EPOCH
		expect_lease();
#endif
		ask_storage(0, MY.holder, MY.epoch) }
	:: atomic { MY.step == TAKE_OVER && MY.phase == LOOK && GOT_ALL ->
		start_cold() }
	:: atomic { MY.step == TAKE_OVER && MY.phase == LOOK &&
		    HELD(0, MY.holder, MY.epoch) ->
		MY.phase = ASK }
	:: atomic { MY.step == TAKE_OVER && MY.phase == LOOK && !GOT(0) &&
		    !HELD(0, MY.holder, MY.epoch) ->
		end_change(IDLE) }
#endif
	od
}

/* A new agent: recover.c. */
inline find_out()
{
	if
	:: MY.kernel == LEAVING_COMMITTING -> end_change(STEP_DOUBT)
	:: MY.kernel == ARRIVING_COMMITTING ->
#ifdef BUG_RESTARTED_ONLY_READS
		end_change((lease[0].holder == me -> IN_RESUME : IN_DROP))
#else
		MY.holder = move[MY.move].source;
		MY.epoch = move[MY.move].epoch;
		begin_change(IN_HANDOFF)
#endif
	:: MY.kernel == LEAVING || MY.kernel == NONE && MY.qemu == STOPPED ->
		end_change(STEP_FAIL)
	:: MY.kernel == ARRIVING ||
	   MY.kernel == NONE && (MY.qemu == EMPTY || MY.qemu == FULL) ->
		end_change(IN_DROP)
	:: MY.kernel == NONE && (MY.qemu == RUNS || MY.qemu == NONE) ->
		end_change(IDLE)
	fi
}

proctype Trouble(byte me)
{
end:	do
	:: atomic { MY.step != OFF && MY.step != DOWN && kills < KILLS ->
		kills++;
		abandon();
		end_change(DOWN) }
	:: atomic { MY.step == DOWN -> find_out() }
	:: atomic { MY.step != OFF && crashes < CRASHES ->
		crashes++;
		died = died || HAS_VM(me);
		lose_qemu();
		MY.kernel = NONE;
		MY.brought = false;
		abandon();
		end_change(OFF) }
	:: atomic { MY.step == OFF ->
#ifdef BUG_FORGETS_AT_BOOT
		MY.defined = MY.defined && lease[0].holder == me;
#endif
		MY.step = IDLE }
	:: atomic { MY.qemu != NONE && deaths < DEATHS ->
		deaths++;
		died = died || HAS_VM(me);
		lose_qemu() }
	od
}

#define AT_REST(h) (host[h].step == IDLE && host[h].kernel == NONE)
#define RUNS_ONLY_ON(h) (host[h].qemu == RUNS && host[1 - h].qemu == NONE)

/* Nothing can happen any more: the VM runs, and nobody is left waiting. */
active proctype End()
{
	timeout;
	NEVER(somebody_waits, (!AT_REST(0) || !AT_REST(1)));
	NEVER(nobody_runs, (!RUNS_ONLY_ON(0) && !RUNS_ONLY_ON(1)))
}

init {
	atomic {
		byte h;

		host[0].qemu = RUNS;
		host[0].defined = true;
		host[1].qemu = NONE;
		for (h : 0 .. 1) {
			host[h].step = IDLE;
			host[h].kernel = NONE;
			host[h].phase = ASK;
			run Source(h);
			run Destination(h);
			run Operator(h);
			run Storage(h);
			run Trouble(h)
		}
	}
}

#ifdef RUNS_AGAIN
ltl runs_again { <> [] (host[0].qemu == RUNS || host[1].qemu == RUNS) }
#endif
