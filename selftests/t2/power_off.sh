#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host's power goes off in the middle of a migration and comes back: the guest
# runs, or may be started, on one host only, which is the one that the disk says.
# POWER_OFF=all does it at every stage.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"
# shellcheck source=selftests/t2/storage.sh
. "${0%/*}/storage.sh"

# The guest was lost with its host, as without a migration.
start_again()
{
	agent "$1" vm start "$guest"
	wait_for 90 "guest $guest to fill its memory" guest_filled
	running_on "$1" || fail "$guest does not run on $1"
	guest_well | sed 's/^/# /'
	files_seen=0
}

# dies HOST WORD: that host, while the guest moves from a to b; the other one
# decides without it
dies()
{
	local dead=$1 alive
	alive=$(other_than "$dead")
	home
	before=$epoch
	power_off "$dead" "$2"
	migration_begin a b
	[[ $2 != *handoff* ]] || hold_handoff
	went_down "$dead"
	migration_ends
	wait_for 120 "host $alive to decide" decided "$alive"
	lease_read "$alive"
	echo "# host $dead went down at $2; the lease is of $holder"
}

# back HOST: it is booted, and the guest is where the lease is
back()
{
	local dead=$1 alive
	alive=$(other_than "$dead")
	node_boot "$dead"
	node_up "$dead"
	if running_on "$alive"; then
		same "holder of the lease" "$alive" "$holder"
		start_refused "$dead"
	else
		same "holder of the lease" "$dead" "$holder"
		start_refused "$alive"
		start_again "$dead"
	fi
	held_by "$holder"
	files_good
}

step "a guest on a with files on a shared disk"
storage_start
storage_guest

early=(handoff)
[[ ${POWER_OFF-} != all ]] || early=(setup precopy stopcopy handoff)
for word in "${early[@]}"; do
	step "the source goes down at $word"
	dies a "\"state\":\"$word\""
	uncommitted "$word"
	back a
done

late=()
[[ ${POWER_OFF-} != all ]] || late=(storage resume network)
for word in "${late[@]}"; do
	step "the source goes down at stage $word"
	dies a "\"stage\":\"$word\""
	back a
done

if [[ ${POWER_OFF-} = all ]]; then
	for word in setup incoming ready; do
		step "the destination goes down at $word"
		dies b "\"state\":\"$word\""
		uncommitted "$word"
		[[ $holder = b ]] || running_on a ||
			fail "the guest does not run on at the source"
		back b
	done
	step "the destination goes down at stage resume"
	dies b '"stage":"resume"'
	back b
fi

step "the destination goes down with the guest, and is given up"
dies b '"stage":"network"'
same "holder of the lease" b "$holder"
agent a vm define "/mnt/share/$guest.ini"
refused "node b" agent a vm start "$guest"
agent a vm recover "$guest" | tee "$said" | sed 's/^/# /'
grep -q -- "--epoch $epoch" "$said" || fail "it does not say what to type"
refused "$epoch" agent a vm recover "$guest" --fence-confirmed \
	--epoch $((epoch - 1))
agent a vm recover "$guest" --fence-confirmed --epoch "$epoch"
start_again a
held_by a

step "when it is back, the guest is not its own"
node_boot b
node_up b
start_refused b
running_only_on a
held_by a
files_good

step "the file system is whole"
guest_ctl freeze
on a "blockdev --flushbufs $disk && e2fsck -fn $disk" | sed 's/^/# /'

finish
