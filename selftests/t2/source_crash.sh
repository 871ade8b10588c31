#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host of a guest without a lease goes down while it does not know whether
# the guest runs at the destination. When it is back it must not start the
# guest, but ask.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

host_a="a:$KERNEL_A:disk=8M"
says() { grep -q "$2" "$SHARE/log/$1.agent"; }

step "a guest on a"
"$LAB_TOOL" stop
"$LAB_TOOL" start "$host_a" "b:$KERNEL_B" 2>&1 | sed 's/^/# /'
guest_prepare a b
guest_define a "vmig.rate=500"
guest_start a
on b "modprobe sch_netem && tc qdisc add dev eth1 root netem delay 300ms limit 10000"

step "b resumes the guest, and a goes down in doubt"
at b '"stage":"resume"' "ip link set eth1 down"
migration_begin a b --max-blackout 5000
met
wait_for 60 "b to run the guest" running_on b
wait_for 60 "a to be in doubt" says a "did not say whether it runs"
"$LAB_TOOL" stop a
migration_ends
"$LAB_TOOL" start "$host_a" 2>&1 | sed 's/^/# /'
guest_prepare a

step "a is back and does not start the guest"
refused "may run on node b" agent a vm start "$guest"

step "a hears that b runs it, and forgets it"
on b "ip link set eth1 up"
runs_on b
wait_for 60 "a to forget the guest" on_quietly a "! test -e /etc/vmig/vms/$guest.ini"
on a "! test -e /etc/vmig/vms/$guest.leaving"

finish
