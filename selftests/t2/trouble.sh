# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For T2 scripts that disturb a migration: begin one, wait for a moment in it,
# and see afterwards that the guest runs on exactly one host. Needs lib.sh.

guest=${guest:?set by lib.sh}
agent_run=/run/vmig-agent
# shellcheck disable=SC2154 # lib.sh's lab.sh sets SHARE
said=$SHARE/migrate.said
migrating=

# A guest on a and what is the same for all of this.
trouble_start()
{
	start_hosts "$@"
	guest_prepare a b
	guest_define a "vmig.rate=500"
	guest_start a
}

# migration_begin FROM TO [OPTION...]: in the background, slow enough to be met
migration_begin()
{
	(
		trap - ERR
		limit 200 agent "$1" migrate "$guest" "$2" --bandwidth 20M "${@:3}"
	) >"$said" 2>&1 &
	migrating=$!
}

# migration_fails TEXT: it ends in a failure that says TEXT
migration_fails()
{
	local status=0
	wait "$migrating" || status=$?
	echo "# $(cat "$said")"
	[[ $status = 1 ]] || fail "migrate ended with status $status"
	grep -qi -- "$1" "$said" || fail "migrate failed, but without '$1'"
}

# migration_ends: one way or the other
migration_ends()
{
	wait "$migrating" || true
	echo "# $(cat "$said")"
}

# at HOST WORD [CMD]: the next notification on HOST that has WORD, for example
# '"handoff"'. Begins to listen at once; `met` waits for it. CMD is run there at
# that moment, as a command from here would come much later; $agent is the
# process of the agent.
at()
{
	# Not a pipe: the shell would wait for the monitor's next line.
	on "$1" "agent=\$(pgrep -f '[v]mig-agent daemon')
		coproc M { exec timeout 100 vmig-agent monitor --json; }
		grep -q -m 1 -- '$2' <&\${M[0]} && { ${3-true}; }
		met=\$?; kill \$M_PID 2>/dev/null; exit \$met" &
	waiting=$!
}

met() { wait "$waiting" || fail "the migration did not come that far"; }

# The guest's QEMU on HOST has the connection that device state comes on.
qemu_listens()
{
	on_quietly "$1" "ss -Htnp 'sport = :4947' | grep -q qemu"
}

qemu_signal() { on "$1" "kill -$2 \$(cat $agent_run/$guest/pid)"; }

agent_kill() { on "$1" "kill -KILL \$(pgrep -f '[v]mig-agent daemon')"; }

agent_start()
{
	on "$1" "setsid vmig-agent daemon \$(cat /etc/vmig/options) </dev/null >>/mnt/share/log/$1.agent 2>&1 & disown"
	wait_for 30 "the agent of host $1" agent_answers "$1"
}

running_only_on()
{
	local other=a
	[[ $1 = a ]] && other=b
	running_on "$1" && ! running_on "$other"
}

running_once() { running_only_on a || running_only_on b; }

nothing_left()
{
	on_quietly "$1" "! test -e /run/vmig/$guest && ! test -e $agent_run/$guest/qmp.sock && ! ls /sys/class/net | grep -q ^${guest:0:6}-"
}

# runs_on HOST: only there, as if nothing had been, and the other host is clean
runs_on()
{
	local other=a
	[[ $1 = a ]] && other=b
	wait_for 40 "$guest to run on $1 only" running_only_on "$1"
	wait_for 40 "host $other to be clean" nothing_left "$other"
	echo "# $(guest_well)"
}
