#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# The nodes lose each other in the middle of a migration, or their storage: what
# may be decided is decided by the storage, what may not waits until it is back.
# NET_CUT=all does it at every stage, and the table between two agents alone.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"
# shellcheck source=selftests/t2/storage.sh
. "${0%/*}/storage.sh"

address() { [[ $1 = a ]] && echo 10.77.0.1 || echo 10.77.0.2; }

# nodes_part HOST WORD: HOST loses the other node while the guest moves from a to
# b. They find who has it before they meet again.
nodes_part()
{
	local peer
	peer=$(address "$(other_than "$1")")
	home
	before=$epoch
	strike "$1" "$2" "$(part_from "$peer")"
	migration_begin a b
	[[ $2 != *handoff* ]] || hold_handoff
	struck "$1"
	wait_for 120 "the guest to run on one host" running_once
	migration_ends
	lease_read a
	running_only_on "$holder" || fail "the guest does not run on $holder"
	echo "# host $1 lost the other one at $2; the lease is of $holder"
	join_to "$1" "$peer"
	runs_on "$holder"
	held_by "$holder"
	files_good
}

# says HOST TEXT: its agent did, since `quiet`
says() { tail -n +"$((logged[$1] + 1))" "$SHARE/log/$1.agent" | grep -q -- "$2"; }
declare -A logged
quiet() { logged[$1]=$(wc -l <"$SHARE/log/$1.agent"); }

step "a guest on a with files on a shared disk"
storage_start
storage_guest

early=(handoff)
[[ ${NET_CUT-} != all ]] || early=(setup precopy stopcopy handoff)
for word in "${early[@]}"; do
	step "the source is alone at $word"
	nodes_part a "\"state\":\"$word\""
	uncommitted "$word"
done

late=()
[[ ${NET_CUT-} != all ]] || late=(storage resume network)
for word in "${late[@]}"; do
	step "the source is alone at stage $word"
	nodes_part a "\"stage\":\"$word\""
done

late=(resume)
[[ ${NET_CUT-} != all ]] || late=(resume network)
for word in "${late[@]}"; do
	step "the destination is alone at stage $word"
	nodes_part b "\"stage\":\"$word\""
done

# Before it can ask for the lease, however fast it is: it sleeps meanwhile.
# shellcheck disable=SC2016 # $agent is strike's
no_lease='kill -STOP $agent; '"$(part_from $storage)"'; kill -CONT $agent'

step "the destination loses its storage when it wants the guest"
home
strike b '"state":"ready"' "$no_lease"
migration_begin a b
struck b
wait_for 120 "the guest to run on one host" running_once
lease_read a
running_only_on "$holder" || fail "the guest does not run on $holder"
join_to b $storage
migration_ends
runs_on "$holder"
held_by "$holder"
files_good

step "both lose their storage: the guest waits"
home
quiet a
strike a '"stage":"storage"' "$(part_from $storage)"
strike b '"state":"ready"' "$no_lease"
migration_begin a b
struck a
struck b
wait_for 120 "a to be in doubt" says a "lease"
running_on a && fail "a runs the guest without its lease"
running_on b && fail "b runs the guest without its lease"

step "and when it is back, one has the guest"
join_to a $storage
join_to b $storage
wait_for 120 "the guest to run on one host" running_once
migration_ends
lease_read a
runs_on "$holder"
held_by "$holder"
files_good

step "the file system is whole"
guest_ctl freeze
on a "blockdev --flushbufs $disk && e2fsck -fn $disk" | sed 's/^/# /'

finish
