#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What cannot work is refused with a sentence that names it, nothing is changed,
# and the guest runs on.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

# define_with NAME LINES: a VM on a that differs from the guest
define_with()
{
	cat >"$SHARE/$1.ini" <<-END
		[vm]
		name = $1
		memory = 64M
		bios = /usr/share/qemu/qboot.rom
		$2
	END
	agent a vm define "/mnt/share/$1.ini"
}

# pretend_b CODE: instead of an agent, Python that has a connection `c` listens
pretend_b()
{
	cat >"$SHARE/pretend.py" <<-END
		import json, socket, struct
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("10.77.0.2", 4947))
		s.listen()
		def say(o):
		    text = json.dumps(o).encode()
		    c.sendall(struct.pack(">I", len(text)) + text)
		c = s.accept()[0]
		c.recv(4096)
		$1
		c.recv(4096)
	END
	on b "timeout 60 python3 /mnt/share/pretend.py >/mnt/share/pretend.said 2>&1 </dev/null & disown"
	wait_for 20 "the pretended agent" on_quietly b "ss -Hltn 'sport = :4947' | grep -q ."
}

step "a guest on a"
trouble_start "$@"

step "unknown names, and the node itself"
refused "no VM nobody" agent a migrate nobody b
refused "no node z" agent a migrate "$guest" z
refused "already" agent a migrate "$guest" a

step "definitions that would leave memory or a device behind"
refused "memory-backend-ram" define_with bad 'extra = -object memory-backend-ram,id=m,size=16M'
refused "VFIO" define_with bad 'extra = -device vfio-pci,host=01:00.0'
refused "set memory" define_with bad 'extra = -m 128M'

step "a VM that does not run, one that is there already"
define_with other ''
refused "not running" agent a migrate other b
agent b vm define "/mnt/share/$guest.ini"
refused "already" agent a migrate "$guest" b
agent b vm undefine "$guest"

step "a destination without the bridge, without memory"
on a "ip link add br1 type bridge"
define_with bridged "[nic lan]
mac = 52:54:00:77:00:51
bridge = br1"
agent a vm start bridged
refused "br1" agent a migrate bridged b
agent a vm stop --force bridged
free=$(on b "awk '/MemAvailable/ { print int(\$2 / 1024) }' /proc/meminfo")
on b "mkdir -p /tmp/full && mount -t tmpfs -o size=95% none /tmp/full"
on b "head -c $((free - 150))M /dev/zero >/tmp/full/full"
refused "memory are free" agent a migrate "$guest" b
on b "umount /tmp/full"

step "a VM whose memory is not in vmigfs"
agent_kill a
on a "sed -i.was 's,^\[node\],&\nmemory = /dev/shm,' /etc/vmig/agent.conf"
agent_start a
agent a vm start other
refused "not in vmigfs" agent a migrate other b
agent a vm stop --force other
agent_kill a
on a "mv /etc/vmig/agent.conf.was /etc/vmig/agent.conf"
agent_start a

step "strangers at the agent's port hear why, and the agent lives on"
heard=$(on a "printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 socat -t 5 - TCP:10.77.0.2:4947 | tr -d '\0'" || true)
grep -q "not the vmig agents' protocol" <<<"$heard" || fail "heard: $heard"
agent b vm list

step "a node without an agent, one that speaks something else, another version"
agent_kill b
refused "refused" agent a migrate "$guest" b
pretend_b 'c.sendall(b"220 mail.example.org ESMTP\r\n")'
refused "not the vmig agents' protocol" agent a migrate "$guest" b
wait_for 20 "the end of that" on_quietly b "! ss -Hltn 'sport = :4947' | grep -q ."
pretend_b 'say({"vmig": 1, "version": 9, "node": "b"})'
refused "version 9" agent a migrate "$guest" b
wait_for 20 "the end of that" on_quietly b "! ss -Hltn 'sport = :4947' | grep -q ."
agent_start b

step "the guest noticed nothing of all this"
runs_on a

step "without an agent, without the module"
agent_kill a
refused "vmig-agent daemon" agent a migrate "$guest" b
agent_kill b
on b "umount /run/vmig && rmmod vmig"
refused "insmod" agent b vm list

finish
