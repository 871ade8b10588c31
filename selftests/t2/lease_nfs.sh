#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# Leases in files on a file system that nodes share for real: c is an NFS 4
# server, a and b are nodes. lease_move has a VM with such a lease.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/nfs.sh
. "${0%/*}/nfs.sh"

driver=$TOP/build/selftests/t2/bin/lease_driver
image=/tmp/nfs/web1.img
answer=

# lease HOST [OPTION...] ACTION: for VM web1; the answer is kept.
lease() {
	local host=$1 action=${*: -1}
	set -- "${@:2:$#-2}"
	answer=$(on "$host" "$driver" "$@" "$action" lease-file web1 "$host" \
		$image) || true
}
value() { sed -n "s/^$1=//p" <<<"$answer"; }
is() {
	[[ $(value "$1") = "$2" ]] ||
		fail "$1 should be '$2', but the answer is: $answer"
}

step "two nodes see a file system of a third"
"$LAB_TOOL" stop
"$LAB_TOOL" start --bare "a:$KERNEL_A:mem=768M" "b:$KERNEL_B:mem=768M" \
	"c:$nfs_kernel:mem=768M" 2>&1 | sed 's/^/# /' || fail "the hosts did not start"
nfs_server c
on c "touch /tmp/share/web1.img"
for host in a b; do
	nfs_mount $host 10.77.0.3
done

step "a takes the lease, b is told so, and takes it over from a"
lease a acquire
is status "done"
is epoch 1
lease b acquire
is status held
is holder a
lease b -e 1:a handoff
is status "done"
echo "# handoff: $(value seconds) s"
lease a -e 1:a keep
is status changed
is holder b

step "of two nodes that want one epoch, one gets it"
# As many of each as its memory takes, all at once, ten times.
for ((epoch = 2; epoch < 12; epoch++)); do
	lease a read
	holder=$(value holder)
	for host in a b; do
		on $host "for ((i = 0; i < 5; i++)); do
			$driver -l 20000 -e $epoch:$holder handoff lease-file \
				web1 $host-\$i $image &
			done; wait" >"$SHARE/race.$host" 2>&1 &
	done
	wait
	won=$(cat "$SHARE/race.a" "$SHARE/race.b" | grep -c '^status=done' || true)
	lost=$(cat "$SHARE/race.a" "$SHARE/race.b" |
		grep -c '^status=changed' || true)
	[[ $won,$lost = 1,9 ]] ||
		fail "epoch $epoch: $(cat "$SHARE/race.a" "$SHARE/race.b")"
done
lease b read
is epoch 12
holder=$(value holder)

step "a lock of a process that hangs on another node is an answer in time"
on a "mkfifo /tmp/hangs; python3 -c '
import fcntl, struct
file = open(\"$image.lease\", \"r+b\")
fcntl.fcntl(file, 37, struct.pack(\"hhqqi4x\", fcntl.F_WRLCK, 0, 0, 0, 0))
open(\"/tmp/hangs\", \"w\").close()
import signal; signal.pause()' >/dev/null 2>&1 &
cat /tmp/hangs"
lease b -l 3000 -e "12:$holder" handoff
is status timeout
is unsure 0
grep "^error=.*is locked by another process" <<<"$answer" | sed 's/^/# /'

step "its node loses power, and with it the lock"
"$LAB_TOOL" stop a
free() {
	lease b -l 4000 -f -e "12:$holder" take-over
	[[ $(value status) = "done" ]]
}
wait_for 60 "the server to drop the lock" free
is holder b

step "a server that is cut off is an answer in time"
unplug c
lease b -l 3000 -e 13:b keep
is status timeout
is unsure 1
awk -v s="$(value seconds)" 'BEGIN { exit !(s >= 2.9 && s < 6) }' ||
	fail "after $(value seconds) s: $answer"
grep "^error=" <<<"$answer" | sed 's/^/# /'
plug c
kept() {
	lease b -e 13:b keep
	[[ $(value status) = "done" ]]
}
wait_for 60 "the server" kept
is epoch 14

finish
