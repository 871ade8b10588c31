# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The guest that judges itself, and the connection that is held to it. Needs
# lab.sh; one guest a lab at a time.

guest_build=$TOP/build/selftests/guest
hold_pid=

guest=${GUEST:-web1}
guest_ip=10.77.0.50
guest_mac=52:54:00:77:00:50
guest_memory=${GUEST_MEMORY:-256M}

# What the guest says of itself; it is asked from where the switch is.
guest_ctl() { GUESTCTL_LIMIT=${GUESTCTL_LIMIT:-150} in_switch "$TOP/selftests/guest/guestctl" $guest_ip "$@"; }

json() { jq -r "$1" <<<"$2"; }

# guest_prepare HOST...: builds the guest and puts it where QEMU reads it from
guest_prepare()
{
	local host
	make -s -C "$TOP/selftests/guest" O="$guest_build" >&2 || return
	for host; do
		# Read over 9p once, not at every boot of a guest.
		on "$host" "cp $guest_build/vmlinux $guest_build/initramfs.cpio /tmp/" || return
		wait_for 20 "the agent of host $host" agent_answers "$host"
	done
}

# The daemon itself, that is: then it listens for other nodes, too. The kernel would
# answer `status` before.
agent_answers() { agent "$1" vm list >/dev/null 2>&1; }

# guest_define HOST [CMDLINE [INI LINES]]: with memck's options on the kernel's
# command line, and more sections of the definition; GUEST_VM has more lines of
# section [vm]
guest_define()
{
	local file="$SHARE/$guest.ini"
	cat >"$file" <<-END
		[vm]
		name = $guest
		memory = $guest_memory
		vcpus = ${GUEST_VCPUS:-1}
		machine = pc
		${GUEST_CPU:-cpu-policy = host}
		${GUEST_VM-}
		bios = /usr/share/qemu/qboot.rom
		kernel = /tmp/vmlinux
		initrd = /tmp/initramfs.cpio
		cmdline = console=ttyS0 quiet panic=-1 mitigations=off ip=$guest_ip/24 gw=10.77.0.254 vmig.report=0 ${2-}

		[nic lan]
		mac = $guest_mac
		bridge = br0
		${GUEST_ADDRESSES-addresses = $guest_ip}
		${3-}
	END
	agent "$1" vm define "/mnt/share/$guest.ini"
}

guest_filled() { [ "$(json .filled "$(GUESTCTL_LIMIT=3 guest_ctl verdict)")" = true ]; }

# guest_start HOST: returns when the guest has filled its memory
guest_start()
{
	# The switch and the neighbour table may remember an earlier guest elsewhere.
	in_switch ip link set br0 type bridge fdb_flush
	in_switch ip neigh flush all
	agent "$1" vm start "$guest" || return
	wait_for 90 "guest $guest to fill its memory" guest_filled
}

# hold_start: one TCP connection to the guest, a message every 10 ms
hold_start()
{
	# exec, so that the process to signal is tcphold itself
	(exec "$LAB_TOOL" switch "$guest_build/tcphold" -t 3600 $guest_ip 7000) >"$SHARE/hold" &
	hold_pid=$!
	wait_for 10 "a connection to the guest" hold_established
}

hold_established()
{
	in_switch ss -Htn state established "( dport = :7000 )" | grep -q .
}

# hold_end: sets hold to the connection's verdict, JSON; fails if it did not live
# Not to be called in $(...), where nobody can wait for tcphold.
hold_end()
{
	kill -TERM "$hold_pid"
	wait "$hold_pid"
	local status=$?
	hold_pid=
	# shellcheck disable=SC2034 # for the caller
	hold=$(cat "$SHARE/hold")
	return $status
}

# port_of_guest: the switch's port that the guest's MAC was learnt on, a tap
port_of_guest()
{
	in_switch bridge fdb show br br0 |
		sed -n "s/^$guest_mac dev \([^ ]*\) .*/\1/p" | head -n 1
}

# running_on HOST: does the guest's QEMU execute there (not paused, not incoming)?
running_on()
{
	[ "$(json .state "$(agent "$1" vm show "$guest" --json 2>/dev/null)" 2>/dev/null)" = running ]
}

# guest_well: its memory is read once more; fails if a byte was ever wrong
guest_well()
{
	local verdict
	verdict=$(guest_ctl verify) || return
	echo "$verdict"
	[ "$(json .bad "$verdict")" = 0 ]
}
