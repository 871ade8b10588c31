#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# A guest that checks its memory and holds a connection moves over RDMA to
# another kernel and back; where RDMA is not to be had, `auto` takes TCP and says
# why, and `rdma` is refused by name. With RDMA=all also guests of other sizes,
# of which the smallest is none of Linux: its kernel alone takes 58 MiB from 16 on.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/roce.sh
. "${0%/*}/roce.sh"

# What arrives for soft-RoCE gets lost: connecting ends in a timeout.
block_roce()
{
	on "$1" "tc qdisc add dev eth1 clsact && tc filter add dev eth1 ingress protocol ip u32 match ip protocol 17 0xff match ip dport 4791 0xffff action drop"
}

unblock_roce() { on "$1" "tc qdisc del dev eth1 clsact"; }

step "two hosts with soft-RoCE, and a guest on a"
[[ ${RDMA-} != all ]] || export MEM=3G
start_hosts "$@"
for host in a b; do
	soft_roce $host up br0
done
guest_prepare a b
guest_define a "vmig.rate=500"
guest_start a
hold_start
guest_ctl reset >/dev/null

step "it moves from $KERNEL_A to $KERNEL_B over RDMA, all memory verified"
moves_over rdma a b --transport rdma --verify
says_why "asked for"
same "the switch's port of the guest" tap-b "$(port_of_guest)"

step "it moves back on four channels, as auto takes RDMA"
moves_over rdma b a --transport auto --verify --channels 4
says_why "both nodes can"
same "the switch's port of the guest" tap-a "$(port_of_guest)"

step "the guest found no bad byte, and its connection lost nothing"
echo "# $(guest_well)"
hold_end || fail "the connection did not last: $hold"
echo "# $hold"
same "the connection lives" true "$(json .alive "$hold")"
same "messages lost" 0 "$(json .lost "$hold")"

step "connecting fails: auto goes on over TCP by itself"
block_roce b
moves_over tcp a b --transport auto
says_why "rdma"
unblock_roce b

step "no device on the other node: auto takes TCP, rdma is refused"
soft_roce a unplug
refused "no RDMA device" agent b migrate "$guest" a --transport rdma
moves_over tcp b a --transport auto
says_why "no RDMA device"
soft_roce a plug br0

step "no module on the other node: auto takes TCP, rdma is refused"
soft_roce b unload
refused "modprobe vmig_rdma" agent a migrate "$guest" b --transport rdma
refused "modprobe vmig_rdma" agent a check "$guest" b --transport rdma
moves_over tcp a b --transport auto
says_why "modprobe vmig_rdma"

step "nothing was lost on the way"
echo "# $(guest_well)"
soft_roce b load

vm_goes()
{
	agent "$1" vm stop "$guest" --force
	agent "$1" vm undefine "$guest"
}

# From the older kernel, with one, two and four channels; it ends up on b.
moves_about()
{
	moves_over rdma a b --transport rdma --verify --channels 1
	moves_over rdma b a --transport rdma --verify --channels 2
	moves_over rdma a b --transport rdma --verify --channels 4
}

guest_of()
{
	step "a guest of $1 moves"
	guest_memory=$1
	guest_define a "vmig.rate=500"
	guest_start a
	moves_about
	echo "# $(guest_well)"
	vm_goes b
}

# How often the guest has been through its memory, as it counts in a page.
strict_counts() { on b "od -An -tu4 -j $((0x200ffc)) -N 4 /run/vmig/$guest/ram"; }
counted_twice() { (($(strict_counts) >= counts + 2)); }

# Switches itself off when a page is not as it left it.
strict_guest()
{
	step "a guest of 64M moves"
	for host in a b; do
		on $host "cp $guest_build/strict /tmp/"
	done
	cat >"$SHARE/$guest.ini" <<-END
		[vm]
		name = $guest
		memory = 64M
		machine = pc
		cpu-policy = host
		bios = /usr/share/qemu/qboot.rom
		kernel = /tmp/strict
	END
	agent a vm define "/mnt/share/$guest.ini"
	agent a vm start "$guest"
	moves_about
	counts=$(strict_counts)
	wait_for 60 "the guest to find all of its memory well" counted_twice
	running_on b || fail "the guest found a page that is not as it left it"
	echo "# it has counted from $counts to $(strict_counts)"
	vm_goes b
}

if [[ ${RDMA-} = all ]]; then
	vm_goes b
	strict_guest
	guest_of 128M
	guest_of 1G
fi

step "the modules go"
for host in a b; do
	soft_roce $host down
done

finish
