#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# What can happen to a migration over RDMA in its middle: the destination's device
# goes; with RDMA=all it is also cancelled, the source's device goes, the cable is
# cut, the destination's power goes. The guest runs on where it was, and moves at
# last. rdma_test has a device that goes in each state.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"
# shellcheck source=selftests/t2/roce.sh
. "${0%/*}/roce.sh"

# begin FROM TO: until pages are on their way
begin()
{
	at "$2" '"state":"incoming"'
	migration_begin "$1" "$2" --transport rdma
	met
}

device_goes()
{
	step "the device of $1 is pulled out"
	begin a b
	soft_roce "$1" unplug
	migration_fails "device"
	runs_on a
	soft_roce "$1" plug br0
}

cancelled()
{
	step "it is cancelled; meanwhile the module cannot go"
	begin a b
	refused "in use" soft_roce b unload
	refused "in use" soft_roce a unload
	agent a cancel "$guest"
	migration_fails "cancelled"
	runs_on a
}

cable_cut()
{
	step "the cable is cut"
	begin a b
	unplug b
	migration_fails "silent\|answer\|broke\|unreachable"
	plug b
	runs_on a
}

power_off()
{
	step "the host that it moves to loses its power"
	begin b a
	"$LAB_TOOL" stop a
	migration_fails ""
	running_on b || fail "$guest does not run on b"
	echo "# $(guest_well)"
}

step "two hosts with soft-RoCE, and a guest on a"
trouble_start "$@"
for host in a b; do
	soft_roce $host up br0
done

device_goes b
if [[ ${RDMA-} = all ]]; then
	cancelled
	device_goes a
	cable_cut
fi

step "after all that it moves"
moves_over rdma a b --transport rdma --verify
echo "# $(guest_well)"

[[ ${RDMA-} != all ]] || power_off
finish
