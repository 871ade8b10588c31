#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# The network goes away in the very moment of the commit. The source cannot know
# whether the guest runs at the destination: it keeps it stopped and asks.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

# What b says is this long on its way, so that it can be lost there.
slow_b()
{
	on b "modprobe sch_netem && tc qdisc add dev eth1 root netem delay 300ms limit 10000"
}

link_up() { on "$1" "ip link set eth1 up"; }
says() { grep -q "$2" "$SHARE/log/$1.agent"; }

step "a guest on a"
trouble_start "$@"
slow_b

step "b resumes the guest and its word is lost"
at b '"stage":"resume"' "ip link set eth1 down"
migration_begin a b --max-blackout 5000
met
wait_for 60 "b to run the guest" running_on b
wait_for 60 "a to be in doubt" says a "did not say whether it runs"
running_on a && fail "a runs the guest as well"
link_up b
migration_ends
runs_on b

step "a gives the guest away and is cut off"
at b '"stage":"storage"' "ip link set eth1 down"
migration_begin b a --max-blackout 5000
met
running_on a && running_on b && fail "both run the guest"
link_up b
migration_ends
wait_for 60 "$guest to run on one host" running_once
running_on a && there=a || there=b
runs_on "$there"

finish
