#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The agents are killed and started again at every stage of a migration: it
# fails cleanly or goes on, and the guest runs on exactly one host.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

step "a guest on a"
trouble_start "$@"

step "an idle agent is killed, and finds its guest again"
agent_kill a
agent_start a
runs_on a

step "the source's agent is killed while memory is copied"
at a '"state":"precopy"'
migration_begin a b
met
agent_kill a
migration_fails "agent"
agent_start a
runs_on a

step "the source's agent is killed when the guest stands still"
at a '"state":"handoff"'
migration_begin a b
wait_for 60 "b's QEMU" qemu_listens b
qemu_signal b STOP
met
agent_kill a
migration_fails "agent"
agent_start a
runs_on a

step "the destination's agent is killed while memory arrives"
at b '"state":"incoming"'
migration_begin a b
met
agent_kill b
migration_fails "node b"
agent_start b
runs_on a

step "the source's agent is killed when it commits"
at a '"stage":"storage"' "kill -KILL \$agent"
migration_begin a b
met
migration_ends
agent_start a
wait_for 60 "$guest to run on one host" running_once
running_on a && there=a back=b || there=b back=a
runs_on "$there"

step "the destination's agent is killed when it resumes the guest"
at "$back" '"stage":"resume"' "kill -KILL \$agent"
migration_begin "$there" "$back"
met
# Until it is back the source does not know and asks.
agent_start "$back"
migration_ends
wait_for 60 "$guest to run on one host" running_once
running_on a && there=a back=b || there=b back=a
runs_on "$there"

step "the guest can move all the same"
limit 200 agent "$there" migrate "$guest" "$back"
runs_on "$back"

finish
