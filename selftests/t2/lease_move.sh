#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest with a lease in a file on NFS, which c serves: it moves, it starts on
# no second host, its source goes down in the commit, and a host that is dead
# loses it to an operator.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"
# shellcheck source=selftests/t2/nfs.sh
. "${0%/*}/nfs.sh"

host_a="a:$KERNEL_A:disk=8M"
host_b="b:$KERNEL_B:disk=8M"
definition="[vm]
lease = lease-file
[disk root]
path = /tmp/nfs/web1.img
format = raw"

# lease_of HOST: "holder epoch" as the storage says now
lease_of()
{
	agent "$1" vm recover "$guest" --json | jq -r '"\(.holder) \(.epoch)"'
}

# boot HOST SPEC: again, with what was on its disk
boot()
{
	"$LAB_TOOL" stop "$1"
	"$LAB_TOOL" start "$2" 2>&1 | sed 's/^/# /'
	guest_prepare "$1"
	nfs_mount "$1" 10.77.0.3
}

starts() { agent "$1" vm start "$guest"; }

step "a guest on a, with its disk and lease on NFS"
"$LAB_TOOL" stop
"$LAB_TOOL" start --bare "c:$nfs_kernel:mem=768M" 2>&1 | sed 's/^/# /'
"$LAB_TOOL" start "$host_a" "$host_b" 2>&1 | sed 's/^/# /'
guest_prepare a b
nfs_server c
on c "truncate -s 64M /tmp/share/web1.img"
nfs_mount a 10.77.0.3
nfs_mount b 10.77.0.3
guest_define a "vmig.rate=200 vmig.disk=1 vmig.diskrate=20" "$definition"
guest_start a
same "the lease" "a 1" "$(lease_of a)"

step "a migration that is cancelled leaves the lease as it was"
at a '"stage":"memory"' "vmig-agent cancel $guest"
migration_begin a b
met
migration_fails "cancelled"
runs_on a
same "the lease" "a 1" "$(lease_of a)"

step "it moves to b and back, and the lease with it"
limit 200 agent a migrate "$guest" b
same "the lease" "b 2" "$(lease_of b)"
limit 200 agent b migrate "$guest" a
same "the lease" "a 3" "$(lease_of a)"
same "holder in vm show" a "$(json .lease.holder "$(agent a vm show "$guest" --json)")"

step "b does not start what a runs, nor takes it from a by mistake"
agent b vm define "/mnt/share/$guest.ini"
refused "node a holds the lease" agent b vm start "$guest"
refused "not epoch 2" agent b vm recover "$guest" --fence-confirmed --epoch 2
refused "needs --epoch" agent b vm recover "$guest" --fence-confirmed
same "the lease" "a 3" "$(lease_of a)"

step "a goes down in the commit, and b, which defines it, has the guest"
# What b says comes late, to the storage and to a.
on b "modprobe sch_netem && tc qdisc add dev eth1 root netem delay 300ms limit 10000"
at b '"stage":"resume"'
migration_begin a b --max-blackout 5000
met
"$LAB_TOOL" stop a
migration_ends
wait_for 60 "b to run the guest" running_on b
on b "tc qdisc del dev eth1 root"
same "the lease" "b 4" "$(lease_of b)"
echo "# $(guest_well)"

step "a is back, still defines the guest, and does not start it"
boot a "$host_a"
refused "node b holds the lease" agent a vm start "$guest"
same "the guest on a" stopped "$(json .state "$(agent a vm show "$guest" --json)")"

step "b is dead, which an operator confirms: a starts the guest"
"$LAB_TOOL" stop b
limit 60 agent a vm recover "$guest" | sed 's/^/# /'
agent a vm recover "$guest" --fence-confirmed --epoch 4 | sed 's/^/# /'
same "the lease" "a 5" "$(lease_of a)"
# Until the server forgets b's locks on the image, QEMU does not start.
wait_for 90 "a to start the guest" starts a
wait_for 90 "guest $guest to fill its memory" guest_filled

step "b is back and does not start it"
boot b "$host_b"
refused "node a holds the lease" agent b vm start "$guest"

step "a lease file that is damaged is refused and left alone"
lease=/tmp/nfs/web1.img.lease
on b "cp $lease /tmp/lease.was && truncate -s 100 $lease && cp $lease /tmp/lease.bad"
refused "100 bytes instead of 8192" agent a migrate "$guest" b
refused "100 bytes instead of 8192" agent b vm start "$guest"
refused "100 bytes instead of 8192" agent b vm recover "$guest"
on b "cmp $lease /tmp/lease.bad && cp /tmp/lease.was $lease"
running_on a || fail "$guest does not run on a any more"

step "so is that of another VM"
sed "s/^name = .*/name = web2/" "$SHARE/$guest.ini" >"$SHARE/web2.ini"
agent b vm define /mnt/share/web2.ini
refused "$guest" agent b vm start web2
agent b vm undefine web2

step "a guest that is stopped is anybody's, one that is undefined nobody's"
agent a vm stop --force "$guest"
[[ $(lease_of b) = " "* ]] || fail "the lease is not free: $(lease_of b)"
agent b vm start "$guest"
refused "node b holds the lease" agent a vm start "$guest"
agent b vm stop --force "$guest"
agent a vm undefine "$guest"

finish
