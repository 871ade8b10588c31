# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Commands in the hosts of a lab, and waits that have limits, for scripts. Who
# sources this says what fail() does.

TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
LAB_TOOL=$TOP/selftests/lab/lab
# Written here, read in every host as /mnt/share.
# shellcheck disable=SC2034 # for those who source this
if [[ ${LAB:-vmig} = vmig ]]; then
	SHARE=$TOP/build/lab/share
else
	SHARE=$TOP/build/lab-$LAB/share
fi
# Seconds for one command in a host, unless `limit` says otherwise.
ON_LIMIT=120

agent() { on "$1" "$TOP/build/agent/vmig-agent" "${@:2}"; }

# on HOST CMD...: runs it there; one word is a line for the shell there.
on() {
	"$LAB_TOOL" run -t "$ON_LIMIT" "$@"
}

on_quietly() {
	on "$@" >/dev/null 2>&1
}

# in_switch CMD...: runs it where the switch between the hosts is.
in_switch() {
	"$LAB_TOOL" switch "$@"
}

# limit SECONDS CMD...: the commands in hosts may take that long.
limit() {
	local ON_LIMIT=$1
	shift
	"$@"
}

# wait_for SECONDS WHAT CMD...: until CMD succeeds, or the step has failed.
wait_for() {
	local seconds=$1 what=$2 end
	shift 2
	end=$((SECONDS + seconds))
	until "$@"; do
		((SECONDS < end)) || fail "waited $seconds s for $what"
		sleep 0.1
	done
}

unplug() { "$LAB_TOOL" cut "$1"; }
plug() { "$LAB_TOOL" join "$1"; }
