# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For T2 scripts with a guest whose disk is on storage that both nodes reach:
# c is the storage, a and b are nodes whose power may go off. After lib.sh and
# trouble.sh.

# shellcheck source=selftests/t2/iscsi.sh
. "${BASH_SOURCE[0]%/*}/iscsi.sh"

guest=${guest:?set by lib.sh}
guest_build=${guest_build:?set by lib.sh}
storage=10.77.0.3
disk=
lease_driver=$TOP/build/selftests/t2/bin/lease_driver
# The file system ends before the disk does: the last MiB is for tests.
disk_mib=32
spare_mib=$((disk_mib - 1))

# node_boot HOST...: with what was synced on their disks before.
node_boot() {
	local host specs=()
	for host; do
		local kernel=KERNEL_${host^}
		specs+=("$host:${!kernel}:mem=768M:disk=8M")
	done
	"$LAB_TOOL" start --no-agent "${specs[@]}" 2>&1 | sed 's/^/# /' ||
		fail "no host ${specs[*]}"
}

# node_up HOST: it sees the disk, and its agent answers.
node_up() {
	iscsi_login "$1" $storage
	disk=$(iscsi_disk "$1" 0)
	on "$1" "cp $guest_build/vmlinux $guest_build/initramfs.cpio /tmp/"
	agent_start "$1"
}

# storage_start: c with one disk that has a file system, and a and b.
storage_start() {
	"$LAB_TOOL" stop
	"$LAB_TOOL" start --bare "c:$KERNEL_A:mem=512M" 2>&1 |
		sed 's/^/# /' || fail "no host c"
	iscsi_target c 1 $disk_mib
	on c "mkfs.ext4 -q -F /dev/shm/disk0 ${spare_mib}M"
	node_boot a b
	make -s -C "$TOP/selftests/guest" O="$guest_build" >&2
	node_up a
	local seen_by_a=$disk
	node_up b
	same "name of the disk" "$seen_by_a" "$disk"
}

# A guest on a that checks files on the disk: no more memory than it needs.
storage_guest() {
	# shellcheck disable=SC2034 # guest_define's
	guest_memory=128M
	# shellcheck disable=SC2034
	GUEST_VM=${GUEST_VM-lease = scsi-pr}
	# A line that begins with a blank would go on with the one before.
	guest_define a "vmig.rate=200 vmig.mem=16 vmig.files=1 vmig.filerate=5" \
		"[disk root]
path = $disk
format = raw
cache = none"
	guest_start a
	wait_for 60 "files on the disk" files_more 2
}

# files_more N: that many files verified since they were counted last
files_seen=0
files_more() {
	local seen
	seen=$(json .files.verified "$(GUESTCTL_LIMIT=5 guest_ctl verdict)") ||
		return
	((seen >= files_seen + $1))
}

# files_good: it goes on writing them, and nothing was ever wrong
files_good() {
	files_seen=$(json .files.verified "$(guest_ctl verdict)")
	wait_for 60 "more files" files_more 3
	local files
	files=$(json .files "$(guest_ctl verdict)")
	echo "# files: $files"
	same "files that were wrong" 0 "$(json .bad "$files")"
	same "calls that failed" 0 "$(json .errors "$files")"
	same "complaints of the guest's kernel" 0 "$(json .complaints "$files")"
}

# lease_read HOST: the disk's own word, not an agent's: $holder, $epoch
lease_read() {
	local said
	said=$(on "$1" "$lease_driver" -n a -n b read scsi-pr "$guest" "$1" \
		"$disk") || fail "no lease: $said"
	holder=$(sed -n "s/^holder=//p" <<<"$said")
	epoch=$(sed -n "s/^epoch=//p" <<<"$said")
	grep -q '^complete=1$' <<<"$said" || fail "not complete: $said"
}

# held_by HOST: the disk and the agent of the node where it runs say so
held_by() {
	lease_read "$1"
	same "holder of the lease" "$1" "$holder"
	local said
	said=$(agent "$1" vm show "$guest" --json)
	same "holder, says the agent" "$1" "$(json .lease.holder "$said")"
	same "epoch, says the agent" "$epoch" "$(json .lease.epoch "$said")"
}

# spare_put HOST LETTER, spare_get HOST: a block that no file system has
spare_put() {
	on "$1" "head -c 4096 /dev/zero | tr '\\0' $2 |
		dd of=$disk bs=4096 seek=$((spare_mib * 256)) oflag=direct \
			conv=notrunc status=none"
}
spare_get() {
	on "$1" "dd if=$disk bs=4096 count=1 skip=$((spare_mib * 256)) \
		iflag=direct status=none | head -c 1"
}

# fenced HOST: the disk takes nothing from it
fenced() { refused "Invalid exchange" spare_put "$1" X; }

# Power-offs, cuts and signals at a moment that is seen in the host itself.
declare -A striker

# strike HOST WORD CMD: when the next notification there has WORD, CMD is run
# there; $agent is its agent's process. Returns once somebody listens.
strike() {
	rm -f "$SHARE/listens.$1"
	(
		trap - ERR
		limit 200 on "$1" "agent=\$(pgrep -f '[v]mig-agent daemon')
		subscribers() {
			awk '\$2 == 16 && \$4 !~ /^0*\$/' /proc/net/netlink | wc -l
		}
		before=\$(subscribers)
		coproc M { exec vmig-agent monitor --json; }
		until ((\$(subscribers) > before)); do sleep 0.05; done
		touch /mnt/share/listens.$1
		while read -r line; do
			[[ \$line = *'$2'* ]] || continue
			$3
			kill \$M_PID
			exit 0
		done <&\${M[0]}
		exit 1"
	) >"$SHARE/strike.$1" 2>&1 &
	striker[$1]=$!
	wait_for 60 "somebody to listen on $1" test -e "$SHARE/listens.$1"
}

# struck HOST: the moment has been
struck() {
	wait "${striker[$1]}" ||
		fail "it did not come that far: $(cat "$SHARE/strike.$1")"
}

# power_off HOST WORD: in that moment; `went_down HOST` waits for it.
power_off() { strike "$1" "$2" "echo b >/proc/sysrq-trigger"; }
went_down() {
	local status=0
	wait "${striker[$1]}" || status=$?
	# 125: the host is gone.
	[[ $status = 125 ]] ||
		fail "host $1 did not go down: $(cat "$SHARE/strike.$1")"
	echo "# host $1 has no power"
}

# The line that parts a host from an address, which ends its connections as an
# unplugged cable would; `join_to HOST ADDRESS` undoes it.
part_from() { echo "ip route add blackhole $1/32"; }
join_to() { on "$1" "ip route del blackhole $2/32"; }

# hold_handoff: the migration that began stays where the guest stands still
# and is not committed, as b's QEMU does not read the device state
hold_handoff() {
	wait_for 60 "b's QEMU" qemu_listens b
	qemu_signal b STOP
}

# uncommitted WORD: the lease did not change, not even its epoch. With the guest
# stopped "commit" may have been said before it struck: then the lease decides.
# $before is the epoch at the beginning.
# shellcheck disable=SC2154
uncommitted() {
	case $1 in
	stopcopy | handoff | ready)
		[[ $epoch = "$before" ]] || {
			echo "# the commit had begun: epoch $before, now $epoch of $holder"
			return 0
		}
		;;
	esac
	same "holder of the lease" a "$holder"
	same "epoch" "$before" "$epoch"
}

other_than() { [[ $1 = a ]] && echo b || echo a; }

# home: the guest runs on a
home() {
	running_on a || limit 200 agent b migrate "$guest" a >"$said" ||
		fail "not moved back: $(cat "$said")"
	runs_on a
	held_by a
}

# decided HOST: it runs the guest, or has nothing of it
decided() { running_on "$1" || nothing_left "$1"; }

# start_refused HOST: it may have the guest's definition, but not the guest
start_refused() {
	local other
	other=$(other_than "$1")
	if on_quietly "$1" "test -e /etc/vmig/vms/$guest.ini"; then
		refused "node $other" agent "$1" vm start "$guest"
	else
		refused "no VM $guest" agent "$1" vm start "$guest"
	fi
}
