#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# Leases as persistent reservations, on disks for real: c is the storage, a and
# b are nodes. No VM is needed to see who can write; storage_moves has one.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/iscsi.sh
. "${0%/*}/iscsi.sh"

driver=$TOP/build/selftests/t2/bin/lease_driver
answer=

# lease HOST [OPTION...] ACTION [DISK...]: for VM web1; the answer is kept.
lease() {
	local host=$1 options=(-n a -n b)
	shift
	while [[ $1 = -* ]]; do
		options+=("$1")
		[[ $1 = -f ]] || { options+=("$2"); shift; }
		shift
	done
	local action=$1
	shift
	(($#)) || set -- "${disks[@]}"
	answer=$(on "$host" "$driver" "${options[@]}" "$action" scsi-pr \
		"${vm:-web1}" "$host" "$@") || true
}
value() { sed -n "s/^$1=//p" <<<"$answer"; }
is() {
	[[ $(value "$1") = "$2" ]] ||
		fail "$1 should be '$2', but the answer is: $answer"
}
# done_by HOST: it holds the lease now, at $epoch.
done_by() {
	is status "done"
	is complete 1
	is holder "$1"
	epoch=$(value epoch)
}

# put HOST DISK LETTER: a block full of it.
put() {
	on "$1" "head -c 4096 /dev/zero | tr '\\0' $3 |
		dd of=$2 bs=4096 oflag=direct conv=notrunc status=none"
}
get() { on "$1" "dd if=$2 bs=4096 count=1 iflag=direct status=none | head -c 1"; }
fenced() {
	local disk
	for disk in "${disks[@]}"; do
		refused "Invalid exchange" put "$1" "$disk" X
	done
}
writes() {
	local disk
	for disk in "${disks[@]}"; do
		put "$1" "$disk" "$2"
	done
}

step "two nodes see two disks of a third"
"$LAB_TOOL" stop
"$LAB_TOOL" start --bare "a:$KERNEL_A:mem=768M" "b:$KERNEL_B:mem=768M" \
	"c:$KERNEL_A:mem=768M" 2>&1 | sed 's/^/# /' || fail "the hosts did not start"
iscsi_target c 2
iscsi_login a 10.77.0.3
iscsi_login b 10.77.0.3
disks=()
for lun in 0 1; do
	disk=$(iscsi_disk a $lun)
	same "name of disk $lun on b" "$disk" "$(iscsi_disk b $lun)"
	disks+=("$disk")
done

step "a takes the lease, and b is told so"
lease b read
done_by ""
lease a acquire
done_by a
first=$epoch
# Write Exclusive: a node that is registered may read, and no more.
same "reservations of that type" 2 "$(grep -c ", type 1;" <<<"$answer")"
lease b acquire
is status held
is holder a
grep -q "^error=node a holds the lease of VM web1 " <<<"$answer" ||
	fail "no sentence: $answer"
vm=web2 lease a acquire
is status foreign

step "the holder writes, the other node reads"
writes a A
fenced b
same "what b reads" A "$(get b "${disks[1]}")"

step "a is fenced from the moment of the handoff"
# One that was ready to write before, as a paused VM is, ...
on a "mkfifo /tmp/wakes
	(dd of=${disks[1]} bs=4096 oflag=direct conv=notrunc iflag=fullblock \
		</tmp/wakes 2>/tmp/wakes.log
	echo \$? >/tmp/wakes.status) >/dev/null 2>&1 &
	sleep 1000 >/tmp/wakes &"
# ... and one that never stops.
on a "(while head -c 4096 /dev/zero | tr '\\0' A | dd of=${disks[0]} bs=4096 \
	oflag=direct conv=notrunc status=none 2>>/tmp/writer.log; do
	echo >>/tmp/written; done; echo \$? >/tmp/writer.status) >/dev/null 2>&1 &"
wait_for 20 "the writer on a" on_quietly a "(( \$(wc -l </tmp/written) > 5 ))"
lease b -e "$first:a" handoff
done_by b
same "epoch" $((first + 1)) "$epoch"
echo "# handoff of two disks: $(value seconds) s"
writes b B
for ((try = 0; try < 10; try++)); do
	same "what b wrote" B "$(get b "${disks[0]}")"
done
wait_for 20 "the writer on a to fail" on_quietly a "[[ -e /tmp/writer.status ]]"
on a "grep -q 'Invalid exchange' /tmp/writer.log"
on a "head -c 4096 /dev/zero >/tmp/wakes"
wait_for 20 "the sleeper on a to fail" on_quietly a "[[ -e /tmp/wakes.status ]]"
on a "grep -q 'Invalid exchange' /tmp/wakes.log"
same "what b wrote" BB "$(get b "${disks[0]}")$(get b "${disks[1]}")"
fenced a

step "what comes too late fails, what is repeated does not"
lease a -e "$first:a" keep
is status changed
is holder b
lease b -e "$first:a" handoff
done_by b
lease b -e "$epoch:b" keep
done_by b
lease a -e "$((first + 1)):b" handoff
is status changed
fenced a
writes b b

step "a handoff that ended between the disks is taken up"
before=$epoch
# One disk is what a crash after the first of two leaves.
lease a -e "$before:b" handoff "${disks[0]}"
done_by a
lease a read
is holder a
is complete 0
lease b -e "$before:b" keep
is status changed
refused "Invalid exchange" put b "${disks[0]}" X
lease a -e "$before:b" handoff
done_by a
fenced b
writes a a

step "a node that comes back as another initiator has its lease"
# come_back NAME
come_back() {
	local lun
	on a "iscsiadm -m node -u >/dev/null && pkill -x iscsid &&
		while pgrep -x iscsid; do sleep 0.1; done >/dev/null
		echo InitiatorName=iqn.2026-11.vmig:$1 \
			>/etc/iscsi/initiatorname.iscsi
		iscsid && iscsiadm -m node -l >/dev/null"
	for lun in 0 1; do
		same "name of disk $lun" "${disks[lun]}" "$(iscsi_disk a $lun)"
	done
}
come_back host-a-again
fenced a
before=$epoch
lease a acquire
done_by a
same "epoch" $((before + 1)) "$epoch"
writes a a
fenced b
come_back host-a-once-more
lease a -e "$epoch:a" release
done_by ""
lease a acquire
done_by a
writes a A

step "storage that is cut off is an answer in time"
unplug c
before=$epoch
lease b -l 3000 -e "$before:a" handoff
is status timeout
is unsure 1
awk -v s="$(value seconds)" 'BEGIN { exit !(s >= 2.9 && s < 6) }' ||
	fail "after $(value seconds) s: $answer"
grep "^error=.*did not answer within 3.0 s" <<<"$answer" | sed 's/^/# /'
# What hangs keeps its lock: nothing overtakes it.
lease b -l 3000 -e "$before:a" handoff
is status timeout
is unsure 0
grep "^error=.*is locked by another process" <<<"$answer" | sed 's/^/# /'

step "and when it is back, the handoff is repeated to its end"
plug c
handed_over() {
	lease b -e "$before:a" handoff
	[[ $(value status) = "done" ]]
}
wait_for 90 "the storage" handed_over
done_by b
same "epoch" $((before + 1)) "$epoch"
writes b B
fenced a

step "the lease of a dead node is taken over, once that is confirmed"
"$LAB_TOOL" stop b
lease a -e "$epoch:b" take-over
is status invalid
lease a -f -e "$((epoch - 1)):b" take-over
is status changed
lease a -f -e "$epoch:b" take-over
done_by a
writes a A

step "it is released, and nothing stays registered"
lease a -e "$epoch:a" release
is status "done"
same "disks without keys" 2 "$(grep -c "not reserved; 0 keys" <<<"$answer")"
before=$epoch
lease a acquire
done_by a
((epoch > before)) || fail "the epoch went back: $answer"

finish
