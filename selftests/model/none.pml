/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a VM without a lease changes hands: the destination decides, and the
 * source asks it. There is no storage that both see, so that what a host knows
 * is on its own disk, and nothing here stops a third one.
 *
 * One journey from source to destination, and perhaps on from there. The
 * network is as in handoff.pml, only that a question and its answer are one
 * step: they have a connection of their own. See Documentation/handoff.rst.
 */
#ifndef KILLS
#define KILLS 2		/* agents killed */
#endif
#ifndef CRASHES
#define CRASHES 2	/* hosts that go down */
#endif
#ifndef DEATHS
#define DEATHS 1	/* QEMUs that die alone */
#endif

#define S	0
#define D	1

mtype = {
	OFF, DOWN, IDLE,
	STEP_PRECOPY, STEP_DEVICE, STEP_COMMIT, STEP_DOUBT, STEP_NETWORK,
	STEP_FAIL,
	IN_INCOMING, IN_LOADED, IN_RECORD, IN_RESUME, IN_DROP,
	NONE, RUNS, STOPPED, EMPTY, FULL,
	LEAVING, LEAVING_COMMITTING, ARRIVING, ARRIVING_COMMITTING
}

typedef Host {
	mtype step, qemu, kernel;
	bool defined		/* NAME.ini */
}

Host host[2];
byte kills, crashes, deaths;
bool said_setup, accepted, said_state, said_loaded, said_commit;
bool leaving;		/* on the source's disk: "commit" may have been heard */
bool arrived;		/* NAME.arrived, on the destination's disk */
bool elsewhere;		/* it went on to a third host */
bool ran;		/* at the destination */
bool died;

/* What must never be. Their names are what pan prints. */
hidden byte two_runners, stale_memory, memory_thrown_away;
hidden byte cold_start_beside_memory, somebody_waits, nobody_runs;

#define NEVER(what, condition) \
	what = condition; \
	assert(!what)
/* The destination has the commit on record; "pending" is no answer yet. */
#ifdef BUG_FORGETS_ARRIVED
#define KNOWS	(arrived && host[D].defined)
#else
#define KNOWS	arrived
#endif
#define ANSWERS	(host[D].step != OFF && host[D].step != DOWN && \
		 host[D].step != IN_RESUME)
#define HAS_VM(h)	(host[h].qemu == RUNS || host[h].qemu == STOPPED || \
			 host[h].qemu == FULL)

inline let_run(h)
{
	NEVER(two_runners, (host[1 - h].qemu == RUNS || elsewhere));
	host[h].qemu = RUNS
}

inline end_qemu(h)
{
	host[h].qemu = NONE;
	NEVER(memory_thrown_away,
	      (!died && !elsewhere && !HAS_VM(1 - h)))
}

proctype Source()
{
end:	do
	:: atomic { host[S].step == IDLE && host[S].qemu == RUNS &&
		    !said_setup ->
		said_setup = true;
		host[S].kernel = LEAVING;
		host[S].step = STEP_PRECOPY }
	:: atomic { host[S].step == STEP_PRECOPY && host[S].qemu == RUNS &&
		    host[D].step == IN_INCOMING ->
#ifndef BUG_NO_LEAVING
		leaving = true;
#endif
		host[S].qemu = STOPPED;
		said_state = true;
		host[S].step = STEP_DEVICE }
	/* After the disk the kernel's stage STORAGE, then the word. */
	:: atomic { host[S].step == STEP_DEVICE && said_loaded &&
		    host[S].qemu == STOPPED ->
		host[S].kernel = LEAVING_COMMITTING;
		host[S].step = STEP_COMMIT }
	:: atomic { host[S].step == STEP_COMMIT && !said_commit ->
		said_commit = true }
	:: atomic { host[S].step == STEP_PRECOPY ||
		    host[S].step == STEP_DEVICE ->
		host[S].step = STEP_FAIL }
	:: atomic { host[S].step == STEP_COMMIT ->
#ifdef BUG_RESUMES_AT_LIMIT_ALONE
		host[S].step = STEP_FAIL
#else
		host[S].step = STEP_DOUBT
#endif
		}
	/* "query": the answer "committed" */
	:: atomic { host[S].step == STEP_DOUBT && KNOWS && ANSWERS ->
		host[S].step = STEP_NETWORK }
	/* The answer "aborted", and from then on it never commits. */
	:: atomic { host[S].step == STEP_DOUBT && !KNOWS && ANSWERS ->
#ifndef BUG_ANSWERS_AND_GOES_ON
		if
		:: host[D].step != IDLE -> host[D].step = IN_DROP
		:: host[D].step == IDLE
		fi;
#endif
		host[S].step = STEP_FAIL }
	:: atomic { host[S].step == STEP_NETWORK && host[S].qemu != NONE ->
		end_qemu(S) }
	:: atomic { host[S].step == STEP_NETWORK && host[S].qemu == NONE ->
		host[S].defined = false;
		leaving = false;
		host[S].kernel = NONE;
		host[S].step = IDLE }
	:: atomic { host[S].step == STEP_FAIL ->
		leaving = false;
		host[S].kernel = NONE;
		if
		:: host[S].qemu == STOPPED ->
			let_run(S);
			NEVER(stale_memory, ran)
		:: host[S].qemu != STOPPED
		fi;
		host[S].step = IDLE }
	od
}

proctype Destination()
{
end:	do
	:: atomic { host[D].step == IDLE && host[D].qemu == NONE &&
		    said_setup && !accepted ->
		accepted = true;
		host[D].kernel = ARRIVING;
		host[D].qemu = EMPTY;
		host[D].step = IN_INCOMING }
	:: atomic { host[D].step == IN_INCOMING && said_state &&
		    host[D].qemu == EMPTY ->
		host[D].qemu = FULL;
		said_loaded = true;
		host[D].step = IN_LOADED }
	/* The kernel's stage RESUME: the commit. */
	:: atomic { host[D].step == IN_LOADED && said_commit &&
		    host[D].qemu == FULL ->
		host[D].kernel = ARRIVING_COMMITTING;
		host[D].step = IN_RESUME }
	:: atomic { host[D].step == IN_INCOMING || host[D].step == IN_LOADED ->
		host[D].step = IN_DROP }
	:: atomic { host[D].step == IN_RESUME && !arrived ->
		arrived = true;
		host[D].defined = true }
#ifdef BUG_LATE_RECORD
	:: atomic { host[D].step == IN_RESUME && host[D].qemu == FULL ->
#else
	:: atomic { host[D].step == IN_RESUME && host[D].qemu == FULL &&
		    arrived ->
#endif
		ran = true;
		let_run(D) }
	:: atomic { host[D].step == IN_RESUME && host[D].qemu != FULL &&
		    arrived ->
		host[D].kernel = NONE;
		host[D].step = IDLE }
	:: atomic { host[D].step == IN_DROP ->
		if
		:: host[D].qemu != NONE -> end_qemu(D)
		:: host[D].qemu == NONE
		fi;
		host[D].kernel = NONE;
		host[D].step = IDLE }
	/* The VM moves on, to a host that this is not about. */
	:: atomic { host[D].step == IDLE && host[D].qemu == RUNS &&
		    host[D].kernel == NONE ->
		elsewhere = true;
		host[D].qemu = NONE;
		host[D].defined = false }
	od
}

/* `vm start`, on a host that thinks that the VM is its own */
proctype Operator(byte me)
{
end:	do
	:: atomic { host[me].step == IDLE && host[me].qemu == NONE &&
		    host[me].defined ->
		let_run(me);
		NEVER(cold_start_beside_memory, (!died)) }
	od
}

inline find_out()
{
	if
	/* A kernel that is up knows whether "commit" may have been said. */
	:: me == S && (host[me].kernel == LEAVING_COMMITTING ||
	   leaving && host[me].kernel == NONE) ->
		host[me].step = STEP_DOUBT
	:: host[me].kernel == ARRIVING_COMMITTING -> host[me].step = IN_RESUME
	:: host[me].kernel == ARRIVING -> host[me].step = IN_DROP
	:: me == S && (host[me].kernel == LEAVING ||
	   host[me].kernel == NONE && !leaving && host[me].qemu == STOPPED) ->
		host[me].step = STEP_FAIL
	:: else -> host[me].step = IDLE
	fi
}

proctype Trouble(byte me)
{
end:	do
	:: atomic { host[me].step != OFF && host[me].step != DOWN &&
		    kills < KILLS ->
		kills++;
		host[me].step = DOWN }
	:: atomic { host[me].step == DOWN -> find_out() }
	:: atomic { host[me].step != OFF && crashes < CRASHES ->
		crashes++;
		died = died || HAS_VM(me);
		host[me].qemu = NONE;
		host[me].kernel = NONE;
		host[me].step = OFF }
	:: atomic { host[me].step == OFF -> find_out() }
	:: atomic { host[me].qemu != NONE && deaths < DEATHS ->
		deaths++;
		died = died || HAS_VM(me);
		host[me].qemu = NONE }
	od
}

#define AT_REST(h) (host[h].step == IDLE && host[h].kernel == NONE)
#define AT_HOME(h) (host[h].qemu == RUNS && host[1 - h].qemu == NONE)

active proctype End()
{
	timeout;
	NEVER(somebody_waits, (!AT_REST(S) || !AT_REST(D)));
	NEVER(nobody_runs, (!elsewhere && !AT_HOME(S) && !AT_HOME(D)))
}

init {
	atomic {
		byte h;

		for (h : S .. D) {
			host[h].step = IDLE;
			host[h].qemu = NONE;
			host[h].kernel = NONE;
			run Operator(h);
			run Trouble(h)
		}
		host[S].qemu = RUNS;
		host[S].defined = true;
		run Source();
		run Destination()
	}
}
