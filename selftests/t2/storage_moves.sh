#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest with a file system on a disk that both nodes share moves ten times.
# Each time the lease moves with it, and the disk refuses the node it left.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"
# shellcheck source=selftests/t2/storage.sh
. "${0%/*}/storage.sh"

# writer_start HOST: writes the spare block again and again, until it may not.
writer_start()
{
	on "$1" "rm -f /tmp/writer.*
		(n=0; while head -c 4096 /dev/zero | tr '\\0' $1 |
			dd of=$disk bs=4096 seek=$((spare_mib * 256)) oflag=direct \
				conv=notrunc status=none 2>/tmp/writer.log; do
			n=\$((n + 1)); echo \$n >/tmp/writer.count
		done; echo >/tmp/writer.ended) >/dev/null 2>&1 & disown"
	wait_for 20 "the writer on $1" on_quietly "$1" "test -e /tmp/writer.count"
}

# It wrote up to the commit, and was refused from then on.
writer_fenced()
{
	wait_for 20 "the writer on $1 to fail" on_quietly "$1" "test -e /tmp/writer.ended"
	on "$1" "echo \"# \$(cat /tmp/writer.count) writes of node $1 before: \$(cat /tmp/writer.log)\"
		grep -q 'Invalid exchange' /tmp/writer.log"
}

# moves FROM TO
moves()
{
	local before
	held_by "$1"
	before=$epoch
	writer_start "$1"
	limit 200 agent "$1" migrate "$guest" "$2" --json >"$said" ||
		fail "not moved: $(cat "$said")"
	writer_fenced "$1"
	fenced "$1"
	runs_on "$2"
	held_by "$2"
	same "epoch" $((before + 1)) "$epoch"
	spare_put "$2" "$2"
	same "what is on the disk" "$2" "$(spare_get "$1")"
	files_good
}

# wake_up HOST: its paused QEMU, through a door of its own, off the network
wake_up()
{
	on "$1" "for tap in /sys/class/net/${guest:0:6}-*; do
			ip link set \${tap##*/} down
		done
		mkfifo /tmp/wake.says
		exec 3<>/tmp/wake.says
		socat - UNIX:/tmp/wake.sock <&3 >/tmp/woken 2>&1 &
		printf '%s\n' '{\"execute\":\"qmp_capabilities\"}' \
			'{\"execute\":\"cont\"}' >&3
		for ((try = 0; try < 200; try++)); do
			grep -q BLOCK_IO_ERROR /tmp/woken && break
			sleep 0.1
		done
		kill \$!
		cat /tmp/woken
		grep -q BLOCK_IO_ERROR /tmp/woken && dmesg | grep -i 'reservation conflict' | tail -n 1"
}

step "a guest on a with files on a shared disk"
storage_start
GUEST_VM="lease = scsi-pr
extra = -qmp unix:/tmp/wake.sock,server=on,wait=off"
storage_guest
files_good

from=a to=b
for ((move = 1; move <= ${MOVES:-10}; move++)); do
	step "move $move, from $from to $to"
	moves $from $to
	other=$from from=$to to=$other
done

step "a guest that wakes up where it was cannot write"
# The source's agent sleeps from the commit on: nobody ends its QEMU.
# shellcheck disable=SC2016 # $agent is strike's
strike $from '"stage":"resume"' 'kill -STOP $agent'
migration_begin $from $to
struck $from
wait_for 60 "$guest to run on $to" running_on $to
wake_up $from
files_good
on $from "kill -CONT \$(pgrep -f '[v]mig-agent daemon')"
migration_ends
runs_on $to
held_by $to
files_good

step "the file system is whole"
guest_ctl freeze
on $from "blockdev --flushbufs $disk && e2fsck -fn $disk" | sed 's/^/# /'

step "a guest that is stopped lets the disk go"
agent $to vm stop --force "$guest"
lease_read $from
same "holder" "" "$holder"

finish
