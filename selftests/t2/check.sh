#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every check of a migration between two hosts, without migrating: what is told
# is so, nothing is made, and it takes few round trips.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"

# As agents run elsewhere: the handshake is counted.
export LAB_TLS=1

# A VM that runs its firmware and nothing else.
define()
{
	cat >"$SHARE/web1.ini" <<-END
		[vm]
		name = web1
		memory = 64M
		machine = pc
		bios = /usr/share/qemu/qboot.rom

		[disk root]
		path = /dev/loop7

		[nic lan]
		mac = 52:54:00:77:00:51
		bridge = br1
	END
	agent a vm define /mnt/share/web1.ini
}

# disk HOST SIZE: what the VM has by that path
disk() { on "$1" "losetup -d /dev/loop7 2>/dev/null; truncate -s $2 /tmp/root.img && losetup /dev/loop7 /tmp/root.img"; }

# says TEXT NAME: a check that host b makes fails, and its line has TEXT
says()
{
	local said
	said=$(agent a check web1 b) && fail "this should have failed: $said"
	said=$(grep -E "^failed +$2 +b: " <<<"$said") ||
		fail "check $2 of host b has not failed"
	grep -qF -- "$1" <<<"$said" || fail "expected '$1': $said"
	echo "# $said"
}

# What a VM leaves that was there.
traces() { on b "ls -d /run/vmig/web1 /run/vmig-agent/web1 /etc/vmig/vms/web1* 2>/dev/null; ip -br link show type tun"; }

# round_trips COMMAND...: of its first connection, up to the second
round_trips()
{
	on a "tcpdump -l -n -i br0 'tcp port 4947' >/mnt/share/trips 2>/mnt/share/trips.err & echo \$! >/tmp/tcpdump.pid; disown"
	wait_for 30 "tcpdump" grep -q listening "$SHARE/trips.err"
	"$@"
	# The last packets may still be in its buffer.
	wait_for 20 "the connection's end" grep -q 'Flags \[F' "$SHARE/trips"
	# shellcheck disable=SC2016 # for the shell there
	on a 'kill $(cat /tmp/tcpdump.pid)'
	awk '/Flags \[S\]/ && ++n > 1 { exit }
		/Flags \[S/ || !/length 0/ {
			from = $3 ~ /^10.77.0.1\./ ? "a" : "b"
			if (from == "b" && last == "a") trips++
			last = from
		}
		END { print trips + 0 }' "$SHARE/trips"
}

step "a VM on a, and a host b that has what it needs"
start_hosts "$@"
for host in a b; do
	on $host "ip link add br1 type bridge && ip link set br1 up && modprobe loop"
	disk $host 1M
done
define
agent a vm start web1

step "all checks pass, and nothing is made"
before=$(traces)
agent a check web1 b | sed 's/^/# /'
same "traces on b" "$before" "$(traces)"
same "state" running "$(agent a vm show web1 --json | jq -r .state)"

step "handshake and checks take at most 20 round trips"
trips=$(round_trips agent a check web1 b | tail -n 1)
echo "# $trips round trips"
((trips >= 3 && trips <= 20)) || fail "$trips round trips"


step "another disk by the same path, and none"
disk b 2M
says "1048576 on node a" disk
refused "not the same disk" agent a migrate web1 b
on b "mv /dev/loop7 /dev/away"
says "No such file" disk
on b "mv /dev/away /dev/loop7"
disk b 1M

step "links that lose long packets"
on a "ip link set br1 mtu 9000"
says "9000 on node a" bridge
on a "ip link set br1 mtu 1500"
on b "ip link set eth1 mtu 1400 && ip link set br0 mtu 1400"
says "migration link" mtu
on b "ip link set eth1 mtu 1500 && ip link set br0 mtu 1500"

step "a QEMU that does not know the machine"
on b "printf '#!/bin/sh\necho Supported machines are:\necho \"pc  PC (alias of pc-i440fx-9.0)\"\necho \"pc-i440fx-9.0  PC\"\n' >/tmp/qemu && chmod +x /tmp/qemu && mount --bind /tmp/qemu /usr/bin/qemu-system-x86_64"
says "does not know" machine-type
on b "umount /usr/bin/qemu-system-x86_64"

step "it still can, and does"
on_quietly a vmig-agent check web1 b
agent a migrate web1 b | sed 's/^/# /'
same "nodes" "a 0, b 1" "$(agent a node list --json |
	jq -r '[.nodes[] | "\(.node) \(.vms)"] | sort | join(", ")')"

finish
