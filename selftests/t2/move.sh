#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest that checks its memory and holds a connection moves to another kernel
# and back, as in the demo.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"

step "two hosts and a guest on a"
start_hosts "$@"
guest_prepare a b
guest_define a "vmig.rate=1000"
guest_start a
hold_start
guest_ctl reset >/dev/null
same "the switch's port of the guest" tap-a "$(port_of_guest)"

step "it moves from $KERNEL_A to $KERNEL_B"
limit 300 agent a migrate "$guest" b --watch
running_on b || fail "$guest does not run on b"
running_on a && fail "$guest still runs on a"
same "the switch's port of the guest" tap-b "$(port_of_guest)"

step "it moves back on four channels, all memory verified"
limit 300 agent b migrate "$guest" a --watch --verify --channels 4
running_on a || fail "$guest does not run on a"
running_on b && fail "$guest still runs on b"
same "the switch's port of the guest" tap-a "$(port_of_guest)"

step "the guest found no bad byte"
echo "# $(guest_well)"

step "the connection lost nothing"
hold_end || fail "the connection did not last: $hold"
echo "# $hold"
same "the connection lives" true "$(json .alive "$hold")"
same "messages lost" 0 "$(json .lost "$hold")"
same "answers in order" true "$(json .in_order "$hold")"

finish
