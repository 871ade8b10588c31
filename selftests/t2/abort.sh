#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# Whatever ends a migration before its commit, the guest stands still for less than
# a second more than it had until then, and all is as before: its lease, its disk,
# no tracking of its memory. In every stage the user cancels, the other node's agent
# is killed, or its cable is out.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"
# shellcheck source=selftests/t2/storage.sh
. "${0%/*}/storage.sh"

limit_ms=1000
# A busy machine may be in the way, but not each time.
tries=3
# Made in the host where it happens, when it does: its time is this machine's.
struck_at=$SHARE/abort.struck
# Asked from outside: a guest that was paused and goes on does not know it.
answers=$SHARE/abort.answers
touch_struck="touch /mnt/share/abort.struck"
agent_of_b="\$(pgrep -f '[v]mig-agent daemon')"

# What keeps the migration in its stage, and how it is seen to be there.

begin_in_setup()
{
	on b "kill -STOP $agent_of_b"
	migration_begin a b
	wait_for 30 "the migration to begin" holds_slot
}

holds_slot() { [[ $(agent a node show --json | jq '.slot.holders | length') != 0 ]]; }

begin_in_memory()
{
	strike a '"state":"precopy"' true
	migration_begin a b --bandwidth 4M
	struck a
}

# hold_registers: b's QEMU will not read them. Seen from b, which is in time.
hold_registers()
{
	limit 200 on b "until ss -Htnp 'sport = :4947' | grep -q qemu; do sleep 0.05; done
		sleep 0.5; kill -STOP \$(cat $agent_run/$guest/pid)" &
	holding=$!
}

# So much blackout is allowed that nearly all memory is left for it. It does not get
# further than to the registers.
begin_in_modified()
{
	strike a '"state":"stopcopy"' true
	hold_registers
	migration_begin a b --bandwidth 4M --max-blackout 60000
	struck a
}

begin_in_registers()
{
	strike a '"state":"stopcopy"' true
	strike b '"state":"ready"' true
	hold_registers
	migration_begin a b --bandwidth 8M
	wait "$holding"
	struck a
	struck b
}

# What happens to it, and what puts things right again.

trouble_cancelled() { on a "$touch_struck; exec vmig-agent cancel $guest"; }
repair_cancelled() { on b "kill -CONT $agent_of_b"; }

trouble_killed() { on b "agent=$agent_of_b; $touch_struck; kill -KILL \$agent"; }
repair_killed() { agent_start b; }

# The cable is out some ms before that is noted.
trouble_cut() { unplug b && touch "$struck_at"; }
repair_cut()
{
	on b "kill -CONT $agent_of_b"
	plug b
}

asking=
ask()
{
	(exec "$LAB_TOOL" switch ping -D -n -i 0.02 "$guest_ip") >"$answers" &
	asking=$!
	wait_for 20 "the guest to answer" grep -q "bytes from" "$answers"
}

# read_answers: $stood, ms of the stall that went on longest after it was struck, and
# $more, how long that was
read_answers()
{
	kill "$asking"
	wait "$asking" || true
	read -r stood more < <(awk -v struck="$(date -r "$struck_at" +%s%3N)" '
		/bytes from/ {
			t = substr($1, 2) * 1000
			from = last > struck ? last : struck
			if (last && t > struck && t - from > more) {
				more = t - from
				stood = t - last
			}
			last = t
		}
		END { printf "%d %d\n", stood, more }' "$answers")
	stage=$(agent a status "$guest" --json | jq -r .migration.stage)
}

untracked() { on_quietly a "grep -q ' bytes 0 ' /sys/kernel/debug/vmig/$guest"; }

as_before()
{
	runs_on a
	wait_for 20 "the tracking to end" untracked
	lease_read a
	same "the lease" "a $before" "$holder $epoch"
	files_good
}

# attempt TROUBLE STAGE: succeeds if the guest stood still no longer than it may
attempt()
{
	local status=0
	rm -f "$struck_at"
	ask
	"begin_in_$2"
	"trouble_$1"
	wait "$migrating" || status=$?
	[[ $2 != modified ]] || wait "$holding" || true
	echo "# $(cat "$said")"
	"repair_$1"
	if [[ $status = 0 ]]; then
		echo "# $1 too late"
		kill "$asking"
		home
		before=$epoch
		return 1
	fi
	as_before
	read_answers
	echo "# $1 in stage $2: stood still for $stood ms, $more ms of it since"
	((more > 0 && more <= limit_ms)) || return
	[[ $2 = setup || ${2/registers/modified} = "$stage" ]]
}

step "a guest on a with files on a shared disk"
storage_start
storage_guest
lease_read a
before=$epoch

for when in setup memory modified registers; do
	for what in cancelled killed cut; do
		step "$what in stage $when"
		for ((try = 1; ; try++)); do
			! attempt "$what" "$when" || break
			((try < tries)) ||
				fail "$tries times it was too long, or stage $stage"
		done
	done
done

step "the guest moves at last"
limit 200 agent a migrate "$guest" b
runs_on b
held_by b
files_good

finish
