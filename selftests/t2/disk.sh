#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest that writes numbered records to a disk image, which both hosts open on
# shared storage, moves there and back: every record is where it belongs.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"

image=$SHARE/disk.img
disk="[disk root]
path = /mnt/share/disk.img
format = raw"

step "a guest on a with a disk on shared storage"
start_hosts "$@"
guest_prepare a b
rm -f "$image"
truncate -s 64M "$image"
guest_define a "vmig.rate=500 vmig.disk=1 vmig.diskrate=50" "$disk"
guest_start a
written() { [[ $(json '.disk.records > 20' "$(guest_ctl verdict)") = true ]]; }
wait_for 60 "disk records" written

step "it moves to b and back"
limit 300 agent a migrate "$guest" b --watch
before=$(json .disk.records "$(guest_ctl verdict)")
more() { [[ $(json ".disk.records > $before + 20" "$(guest_ctl verdict)") = true ]]; }
wait_for 60 "disk records written on b" more
limit 300 agent b migrate "$guest" a --watch

step "no record was lost or wrong, and no byte of memory"
verdict=$(guest_well)
echo "# $verdict"
same "bad records" 0 "$(json .disk.bad "$verdict")"
same "disk errors" 0 "$(json .disk.errors "$verdict")"

step "a host without the image refuses the guest, which runs on"
on b "mkdir -p /tmp/empty && mount --bind /tmp/empty /mnt/share"
refused "disk.img" agent a migrate "$guest" b
running_on a || fail "$guest does not run on a any more"

finish
