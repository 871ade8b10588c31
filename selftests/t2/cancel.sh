#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A migration is cancelled: the guest runs on as if nothing had been.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

step "a guest on a"
trouble_start "$@"

step "cancelled while memory is copied"
at a '"state":"precopy"'
migration_begin a b
met
refused "being migrated already" agent a migrate "$guest" b
agent a cancel "$guest"
migration_fails "cancel"
runs_on a

step "cancelled when the guest stands still"
at a '"state":"handoff"'
migration_begin a b
wait_for 60 "b's QEMU" qemu_listens b
qemu_signal b STOP
met
agent a cancel "$guest"
migration_fails "cancel"
runs_on a

step "cancelled at the destination"
at b '"state":"incoming"'
migration_begin a b
met
agent b cancel "$guest"
migration_fails "cancel"
runs_on a

step "nothing to cancel is said"
refused "$guest" agent a cancel "$guest"

step "the guest moves at last"
limit 200 agent a migrate "$guest" b
runs_on b

finish
