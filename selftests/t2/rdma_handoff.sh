#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
#
# All of a handoff over RDMA, because the configuration says so: a node is drained
# and taken back, whose guest has a disk and a lease on NFS, which c serves, and
# holds a connection.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"
# shellcheck source=selftests/t2/roce.sh
. "${0%/*}/roce.sh"
# shellcheck source=selftests/t2/nfs.sh
. "${0%/*}/nfs.sh"

definition="[vm]
lease = lease-file
[disk root]
path = /tmp/nfs/web1.img
format = raw"

# lease_of HOST: "holder epoch" as the storage says now
lease_of()
{
	agent "$1" vm recover "$guest" --json | jq -r '"\(.holder) \(.epoch)"'
}

# last_of HOST: how the guest last left it
last_of()
{
	agent "$1" status --json | jq -c --arg vm "$guest" '
		[.migrations[] | select(.vm == $vm and .role == "source")] |
		last | { state, transport, device }'
}

# What its agent wrote down when it was accepted.
says_why_in_log() { on a "grep -q 'over rdma: agent.conf of node a says so' /mnt/share/log/a.agent"; }

# node_does VERB STATE: all of it went well
node_does()
{
	local told
	told=$(limit 400 agent b node "$1" a --json)
	printf '# %s\n' "${told//$'\n'/$'\n# '}"
	same "state" "$2" "$(json .state "$told")"
	same "VMs" "$guest moved" \
		"$(json '[.vms[] | "\(.vm) \(.state)"] | join(",")' "$told")"
}

step "two nodes that prefer RDMA, and a guest with its disk and lease on NFS"
"$LAB_TOOL" stop
"$LAB_TOOL" start --bare "c:$nfs_kernel:mem=768M" 2>&1 | sed 's/^/# /'
"$LAB_TOOL" start "a:$KERNEL_A:mem=1G" "b:$KERNEL_B:mem=1G" 2>&1 | sed 's/^/# /'
guest_prepare a b
nfs_server c
on c "truncate -s 64M /tmp/share/web1.img"
for host in a b; do
	nfs_mount $host 10.77.0.3
	soft_roce $host up br0
	on $host "sed -i 's,^\[node\],&\ntransport = rdma,' /etc/vmig/agent.conf"
	agent_kill $host
	agent_start $host
done
guest_define a "vmig.rate=200 vmig.disk=1 vmig.diskrate=20" "$definition"
guest_start a
hold_start
same "the lease" "a 1" "$(lease_of a)"

step "a is drained: the guest runs on b, which has the lease"
node_does drain drained
running_on b || fail "$guest does not run on b"
same "how it left a" '{"state":"done","transport":"rdma","device":"vmig-rxe"}' \
	"$(last_of a)"
says_why_in_log || fail "the agent of a does not say why it took RDMA"
same "the lease" "b 2" "$(lease_of b)"
same "the switch's port of the guest" tap-b "$(port_of_guest)"

step "a is taken back: the guest runs on a, which has the lease"
node_does undrain returned
running_on a || fail "$guest does not run on a"
same "how it left b" '{"state":"done","transport":"rdma","device":"vmig-rxe"}' \
	"$(last_of b)"
same "the lease" "a 3" "$(lease_of a)"
same "the switch's port of the guest" tap-a "$(port_of_guest)"

step "the other node does not run it, nor take it by mistake"
agent b vm define "/mnt/share/$guest.ini"
refused "node a holds the lease" agent b vm start "$guest"

step "the guest found no bad byte, and its connection lost nothing"
echo "# $(guest_well)"
hold_end || fail "the connection did not last: $hold"
echo "# $hold"
same "messages lost" 0 "$(json .lost "$hold")"

finish
