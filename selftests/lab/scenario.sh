# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the demo, the two-host tests and the benchmarks do with a lab: start a
# guest that checks itself, hold a connection to it, move it, ask it how it was.
#
# Source it with set -u. Functions return non-zero after a sentence on stderr;
# those that wait say for what and for how long. scenario_end undoes all.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lab=$top/selftests/lab/lab
guest_build=$top/build/selftests/guest
if [ "${LAB:-vmig}" = vmig ]; then
	share=$top/build/lab/share
else
	share=$top/build/lab-$LAB/share
fi
work=
hold_pid=

guest=${GUEST:-web1}
guest_ip=10.77.0.50
guest_mac=52:54:00:77:00:50
guest_memory=${GUEST_MEMORY:-256M}

say() { echo "$*" >&2; }

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds
wait_for()
{
	local limit=$1 what=$2 until=$((SECONDS + $1))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $until ]; then
			say "waited $limit s for $what"
			return 1
		fi
		sleep 0.2
	done
}

# on HOST CMD...: run a command in a host, never for ever
on() { "$lab" run -t "${ON_LIMIT:-120}" "$@"; }

agent() { on "$1" "$top/build/agent/vmig-agent" "${@:2}"; }

# What the guest says of itself; it is asked from where the switch is.
guest_ctl() { GUESTCTL_LIMIT=${GUESTCTL_LIMIT:-150} "$lab" switch "$top/selftests/guest/guestctl" $guest_ip "$@"; }

json() { jq -r "$1" <<<"$2"; }

# scenario_start HOST...: hosts as `lab start` takes them
scenario_start()
{
	work=$(mktemp -d)
	make -s -C "$top/selftests/guest" O="$guest_build" >&2 || return
	"$lab" start "$@" >&2 || return
	local host
	for host; do
		host=${host%%:*}
		# Read over 9p once, not at every boot of a guest.
		on "$host" "cp $guest_build/vmlinux $guest_build/initramfs.cpio /tmp/" || return
		wait_for 20 "the agent of host $host" agent "$host" status || return
	done
}

scenario_end()
{
	[ -z "$hold_pid" ] || kill "$hold_pid" 2>/dev/null
	wait
	"$lab" stop >/dev/null 2>&1
	[ -z "$work" ] || rm -rf "$work"
}

# guest_define HOST [CMDLINE [INI LINES]]: with memck's options on the kernel's
# command line, and more sections of the definition
guest_define()
{
	local file="$share/$guest.ini"
	cat >"$file" <<-END
		[vm]
		name = $guest
		memory = $guest_memory
		vcpus = ${GUEST_VCPUS:-1}
		machine = pc
		cpu = host
		bios = qboot.rom
		kernel = /tmp/vmlinux
		initrd = /tmp/initramfs.cpio
		cmdline = console=ttyS0 quiet panic=-1 mitigations=off ip=$guest_ip/24 gw=10.77.0.254 ${2-}

		[nic lan]
		mac = $guest_mac
		bridge = br0
		addresses = $guest_ip
		${3-}
	END
	agent "$1" vm define "/mnt/share/$guest.ini"
}

guest_filled() { [ "$(json .filled "$(GUESTCTL_LIMIT=3 guest_ctl verdict)")" = true ]; }

# guest_start HOST: returns when the guest has filled its memory
guest_start()
{
	# The switch and the neighbour table may remember an earlier guest elsewhere.
	"$lab" switch ip link set br0 type bridge fdb_flush
	"$lab" switch ip neigh flush all
	agent "$1" vm start "$guest" || return
	wait_for 90 "guest $guest to fill its memory" guest_filled
}

# hold_start: one TCP connection to the guest, a message every 10 ms
hold_start()
{
	"$lab" switch "$guest_build/tcphold" -t 3600 $guest_ip 7000 >"$work/hold" 2>"$work/hold.err" &
	hold_pid=$!
	wait_for 10 "a connection to the guest" \
		eval "$lab switch ss -Htn state established '( dport = :7000 )' | grep -q ."
}

# hold_end: its verdict, JSON on stdout
hold_end()
{
	"$lab" switch pkill -TERM -x tcphold
	wait "$hold_pid"
	hold_pid=
	cat "$work/hold"
}

# port_of_guest: the switch's port that the guest's MAC was learnt on, a tap
port_of_guest()
{
	"$lab" switch bridge fdb show br br0 |
		sed -n "s/^$guest_mac dev \([^ ]*\) .*/\1/p" | head -n 1
}

# running_on HOST: does the guest's QEMU execute there (not paused, not incoming)?
running_on()
{
	[ "$(json .status "$(agent "$1" vm show "$guest" --json 2>/dev/null)" 2>/dev/null)" = running ]
}

# guest_well: its memory is read once more; fails if a byte was ever wrong
guest_well()
{
	local verdict
	verdict=$(guest_ctl verify) || return
	echo "$verdict"
	[ "$(json .bad "$verdict")" = 0 ]
}
