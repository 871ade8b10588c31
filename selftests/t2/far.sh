#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A node that is far away: no blackout is shorter than the way there and back.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

far() { on a tc qdisc replace dev eth1 root netem delay 400ms limit 20000; }
near() { on a tc qdisc del dev eth1 root; }

step "a guest on a"
trouble_start "$@"

step "a target that cannot be met is said, and given up"
far
refused "blackout target of 100 ms cannot be met" \
	limit 200 agent a migrate "$guest" b --max-blackout 100
near
runs_on a

step "another action than the two is refused"
refused "cancel or switch-over" agent a migrate "$guest" b --at-timeout stop

step "the guest is stopped at the timeout, whatever it takes"
far
limit 200 agent a migrate "$guest" b --max-blackout 100 --watch \
	--timeout 20 --at-timeout switch-over --stop-limit 60 | sed 's/^/# /'
near
runs_on b
agent a status "$guest" --json | grep -q '"forced": *true' ||
	fail "it was not forced"

finish
