#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The source's host goes down while it does not know whether the guest runs at
# the destination. When it is back it must not start the guest, but ask.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

says() { grep -q "$2" "$SHARE/log/$1.agent"; }

# As a host that went down: only the definitions folder is left.
host_lost()
{
	on "$1" "qemu=\$(cat $agent_run/$guest/pid)
		kill -KILL \$(pgrep -f '[v]mig-agent daemon') \$qemu
		for i in \$(seq 100); do kill -0 \$qemu 2>/dev/null || break; sleep 0.1; done
		for tap in \$(ls /sys/class/net | grep '^${guest:0:6}-'); do ip link del \$tap; done
		rm -rf $agent_run/$guest
		rmdir /run/vmig/$guest 2>/dev/null || rm -rf /run/vmig/$guest
		umount /run/vmig
		rmmod vmig && insmod $TOP/build/\$(uname -r)/vmig.ko
		mount -t vmigfs vmig /run/vmig"
}

step "a guest on a"
trouble_start "$@"
on b "modprobe sch_netem && tc qdisc add dev eth1 root netem delay 300ms limit 10000"

step "b resumes the guest, and a goes down in doubt"
at b '"stage":"resume"' "ip link set eth1 down"
migration_begin a b --max-blackout 5000
met
wait_for 60 "b to run the guest" running_on b
wait_for 60 "a to be in doubt" says a "did not say whether it runs"
host_lost a
migration_ends
agent_start a

step "a is back and does not start the guest"
refused "may run on node b" agent a vm start "$guest"

step "a hears that b runs it, and forgets it"
on b "ip link set eth1 up"
runs_on b
wait_for 60 "a to forget the guest" on_quietly a "! test -e /etc/vmig/vms/$guest.ini"
on a "! test -e /etc/vmig/vms/$guest.leaving"

finish
