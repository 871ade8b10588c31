#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest that writes as fast as it can is moved: the end must come, and every
# byte with it.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"

step "a guest on a that writes as fast as it can"
start_hosts "$@"
guest_prepare a b
guest_define a "vmig.rate=0"
guest_start a
guest_ctl reset >/dev/null

step "it moves within its limit of time"
report=$(limit 300 agent a migrate "$guest" b --json --timeout 240)
echo "# $report"
running_on b || fail "$guest does not run on b"
running_on a && fail "$guest still runs on a"

step "the guest found no bad byte"
echo "# $(guest_well)"

finish
