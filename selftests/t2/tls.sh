#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What two agents and their kernels say to each other is secret, and to nobody
# else: a capture of a whole migration has nothing of the VM in it.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

export LAB_TLS=1

# In the definition, and in each page of the guest's memory that it fills.
secret=vmig-secret-5b988679
capture=/tmp/vmig-tls-$$.pcap
capture_pid=

capture_start()
{
	# exec, so that the process to signal is tcpdump itself
	(exec "$LAB_TOOL" switch tcpdump -Z root -U -B 65536 -i tap-b -s 0 \
		-w "$capture" 'tcp and host 10.77.0.1 and host 10.77.0.2') \
		2>"$capture.log" &
	capture_pid=$!
	wait_for 20 "tcpdump" grep -q "listening on" "$capture.log"
}

capture_end()
{
	kill -INT "$capture_pid"
	wait "$capture_pid" || true
	capture_pid=
	sed 's/^/# /' "$capture.log"
}

remove_capture()
{
	[[ -z $capture_pid ]] || kill "$capture_pid"
	rm -f "$capture" "$capture.log"
}
trap remove_capture EXIT

refusals() { agent "$1" node show --json | jq -r ".refused.$2"; }

step "two hosts and a guest on a, with a secret in its definition and memory"
start_hosts "$@"
guest_prepare a b
guest_define a "vmig.rate=1000 $secret"
guest_start a

step "it moves to b, and nothing of it is on the wire"
capture_start
limit 300 agent a migrate "$guest" b --verify
running_on b || fail "$guest does not run on b"
capture_end
size=$(stat -c %s "$capture")
echo "# captured $((size >> 20)) MiB"
((size > 16 << 20)) || fail "$size bytes cannot be the whole migration"
# The capture would show it: what is said in plain, a channel's greeting, is there.
grep -qaF '"kind":"channel"' "$capture" || fail "the capture has no greeting of a channel"
for word in "$secret" "$guest_mac" "initramfs" "definition" "Linux version"; do
	grep -qaF "$word" "$capture" && fail "'$word' is in the capture"
done

step "the handshake and the preflight took at most 20 round trips"
trips=$(sed -n 's/.* accepted it after \([0-9]*\) round trips.*/\1/p' "$SHARE/log/a.agent")
echo "# $trips round trips from the first SYN to the acceptance"
((trips > 0 && trips <= 20)) || fail "it took ${trips:-an unknown number of} round trips"

step "a node with another cluster key is refused, and told where to look"
agent_kill a
on a "rm /etc/vmig/cluster.key; vmig-agent keygen"
agent_start a
refused "does not accept this node's cluster key" agent b migrate "$guest" a
refused "copy /etc/vmig/cluster.key" agent b migrate "$guest" a
(($(refusals a key) >= 2)) || fail "a counted $(refusals a key) refusals for the key"
running_on b || fail "$guest does not run on b"

step "a key that others can read is refused"
agent_kill a
on a "install -m 644 /mnt/share/.lab/cluster.key /etc/vmig/cluster.key"
refused "chmod 600 /etc/vmig/cluster.key" agent a daemon
refused "--insecure-network" agent a daemon --insecure
on a "chmod 600 /etc/vmig/cluster.key"

step "a node of another cluster is refused by name"
on a "sed -i.was 's/^name = lab/name = other/' /etc/vmig/agent.conf"
agent_start a
refused "cluster other" agent b migrate "$guest" a
agent_kill a
on a "mv /etc/vmig/agent.conf.was /etc/vmig/agent.conf"
agent_start a

step "without kernel TLS it is refused before anything is touched"
on a "for m in \$(ls /sys/module/tls/holders 2>/dev/null); do rmmod \$m; done; rmmod tls 2>/dev/null; echo 'install tls /bin/false' >/etc/modprobe.d/no-tls.conf"
refused "modprobe tls" agent b migrate "$guest" a
running_on b || fail "$guest does not run on b"
on a "rm /etc/modprobe.d/no-tls.conf"

step "it moves back, and found no bad byte"
limit 300 agent b migrate "$guest" a --verify --channels 4
running_on a || fail "$guest does not run on a"
echo "# $(guest_well)"

finish
