#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The destination fails before the commit: the guest runs on at the source and
# nothing is left at the destination.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

step "a guest on a"
trouble_start "$@"

step "b's QEMU is killed while memory arrives"
migration_begin a b
wait_for 60 "b's QEMU" qemu_listens b
qemu_signal b KILL
migration_fails "QEMU of VM $guest"
runs_on a

step "b's QEMU is killed when the guest stands still"
at a '"state":"handoff"'
migration_begin a b
wait_for 60 "b's QEMU" qemu_listens b
# It does not read the device state, so the source stays where it is.
qemu_signal b STOP
met
qemu_signal b KILL
migration_fails "QEMU of VM $guest"
runs_on a

step "the network is cut while memory arrives"
migration_begin a b
wait_for 60 "b's QEMU" qemu_listens b
unplug b
migration_fails "node b"
plug b
runs_on a

step "the guest can move all the same"
limit 200 agent a migrate "$guest" b
runs_on b

finish
