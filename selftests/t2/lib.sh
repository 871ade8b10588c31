# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For T2 scripts: two hosts, steps that are results, waits that have limits.
#
#	#!/bin/bash
#	# kernels: 6.1+6.12 6.12+6.1     (the default is 6.1+6.12, once)
#	. "${0%/*}/lib.sh"
#
#	start_hosts                      # a and b, with module and agent
#	step "the guest moves to b"
#	on a vmig-agent migrate web1 b
#	wait_for 20 "the guest to answer" on_quietly b ping -c 1 -W 1 10.77.0.50
#	step "an unknown node is refused"
#	refused "no node" on a vmig-agent migrate web1 nowhere
#	finish
#
# Each step is one KTAP result. A command that fails, outside of a condition,
# fails its step and ends the script. The runner stops the hosts afterwards;
# a script run by hand leaves them up (LAB=vmig), to be looked at.

set -eEuo pipefail

# shellcheck source=selftests/lab/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lab/lab.sh"
# shellcheck source=selftests/lab/guest.sh
. "$TOP/selftests/lab/guest.sh"

KERNEL_A=${KERNEL_A:-6.1}
KERNEL_B=${KERNEL_B:-6.12}

step_number=0
step_name=

step_failed() {
	local status=$? line=${BASH_LINENO[-2]}
	trap - ERR
	echo "# line $line, exit status $status:$(sed -n "${line}p" "$0")"
	fail "the command above failed"
}
trap step_failed ERR

# The step so far went well.
step_done() {
	[[ -z $step_name ]] || echo "ok $step_number - $step_name"
	step_name=
}

# step NAME: what follows, up to the next step, is one result.
step() {
	step_done
	step_number=$((step_number + 1))
	step_name=$1
	echo "# step $step_number: $step_name"
}

finish() {
	step_done
	echo "1..$step_number"
}

# fail TEXT: the step failed because of TEXT; nothing after it is tried.
fail() {
	trap - ERR
	[[ -n $step_name ]] || step "setting up"
	echo "# $*"
	echo "not ok $step_number - $step_name"
	exit 1
}

# skip TEXT: this machine cannot do what the step needs. A failure in CI.
skip() {
	trap - ERR
	[[ -n $step_name ]] || step "setting up"
	echo "ok $step_number - $step_name # SKIP $*"
	exit 4
}

# start_hosts [OPTION...]: boots a and b on the kernels that are asked for,
# e.g. start_hosts --no-agent, with what they say kept as comments.
start_hosts() {
	"$LAB_TOOL" stop
	"$LAB_TOOL" start "$@" "a:$KERNEL_A" "b:$KERNEL_B" 2>&1 |
		sed 's/^/# /' || fail "the hosts did not start"
}

# refused TEXT CMD...: CMD must fail, and say TEXT somewhere.
refused() {
	local text=$1 said
	shift
	if said=$("$@" 2>&1); then
		fail "this should have been refused: $*"
	fi
	grep -qiF -- "$text" <<<"$said" ||
		fail "refused, but without '$text': $said"
	echo "# refused: ${said//$'\n'/$'\n'# }"
}

# same WHAT EXPECTED SEEN
same() {
	[[ $2 = "$3" ]] || fail "$1: expected '$2', seen '$3'"
}
