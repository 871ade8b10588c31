#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Quick Migration: the guest is stopped first, then all of it moves. Until it is
# handed over it runs on at the source after a cancel or a failure.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

# It stands still while its memory is copied, which nothing else would show.
paused() { on_quietly a "vmig-agent vm show $guest --json | grep -q outgoing"; }

step "a guest on a"
trouble_start "$@"

step "cancelled in the middle it runs on"
at a '"state":"precopy"'
migration_begin a b --quick
met
paused
agent a cancel "$guest"
migration_fails "cancel"
runs_on a

step "its destination is killed in the middle, it runs on"
at a '"state":"precopy"'
migration_begin a b --quick
met
qemu_signal b KILL
migration_fails "QEMU of VM $guest"
runs_on a

step "a new agent in the middle lets it run on"
# shellcheck disable=SC2016 # for the shell there
at a '"state":"precopy"' 'kill -KILL $agent'
migration_begin a b --quick
met
migration_ends
agent_start a
runs_on a

step "it stands still no longer than its limit"
refused "stood still for 2 s, its limit" limit 200 \
	agent a migrate "$guest" b --quick --bandwidth 4M --stop-limit 2
runs_on a

step "a blackout that says nothing is refused"
refused "--max-blackout says nothing" \
	agent a migrate "$guest" b --quick --max-blackout 100

step "it moves, with all its memory compared"
limit 200 agent a migrate "$guest" b --quick --verify | sed 's/^/# /'
runs_on b
report=$(agent a status "$guest" --json)
same "quick" true "$(json .migration.quick "$report")"
# Nobody wrote to it meanwhile.
same "pages sent" "$((256 * 256))" "$(json '.migration.counters |
	.data_pages + .zero_pages + .hole_pages' "$report")"
# All of the memory was copied while it stood still.
same "blackout" true "$(json '.migration |
	.blackout_us > (.stages[] | select(.stage == "memory").duration_us)' "$report")"

finish
