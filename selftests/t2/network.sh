#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The network follows a guest with three NICs: one whose addresses nobody wrote
# down, one in a VLAN, and one on which the guest is silent.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"

vlan=20
vlan_mac=52:54:00:77:00:51
silent_mac=52:54:00:77:00:52
# What this host's switch has seen since capture_start
seen=$SHARE/seen

# VLANs are kept apart on HOST, and the cable to the switch carries ours.
make_vlan()
{
	on "$1" "ip link set br0 type bridge vlan_filtering 1
		bridge vlan add vid $vlan dev eth1"
}

# Host a is in the VLAN as well, to have somebody to talk to there.
join_vlan()
{
	on a "bridge vlan add vid $vlan dev br0 self
		ip link add link br0 name br0.$vlan type vlan id $vlan
		ip addr add 10.78.0.1/24 dev br0.$vlan
		ip link set br0.$vlan up"
}

# capture_start PORT: what comes from that host, and is an announcement
capture_start()
{
	(exec "$LAB_TOOL" switch tcpdump -i "$1" -Q in -nne -l \
		'rarp or arp or (vlan and (rarp or arp))') >"$seen" 2>"$seen.err" &
	capturing=$!
	wait_for 10 "tcpdump to listen" grep -q "listening on" "$seen.err"
}

capture_end()
{
	kill -INT "$capturing"
	wait "$capturing" || true
}

# frames PATTERN...: how many of the captured have all of them
frames()
{
	local lines pattern
	lines=$(cat "$seen")
	for pattern; do
		lines=$(grep -e "$pattern" <<<"$lines" || true)
	done
	grep -c . <<<"$lines" || true
}

# port_of MAC: the switch's port that it was learned on
port_of()
{
	in_switch bridge fdb show br br0 |
		sed -n "s/^$1 dev \([^ ]*\) .*/\1/p" | head -n 1
}

# ack NIC KEY: of the report
ack() { json ".network[] | select(.nic == \"$1\") | .$2" "$report"; }

step "a guest with three NICs on a"
start_hosts "$@"
guest_prepare a b
make_vlan a
make_vlan b
join_vlan
GUEST_ADDRESSES='' guest_define a "vmig.rate=500 ip2=10.78.0.50/24" "
[nic dmz]
mac = $vlan_mac
vlan = $vlan

[nic spare]
mac = $silent_mac"
guest_start a
hold_start
on a "ping -c 1 -W 10 10.78.0.50" >/dev/null
same "the switch's port of the guest" tap-a "$(port_of_guest)"

step "the host has met its addresses"
on a "ping -c 1 -W 10 10.77.0.50" >/dev/null
shown=$(agent a vm show "$guest" --json)
same "learned" true "$(json '.nics[0].learned' "$shown")"
same "address" 10.77.0.50 "$(json '.nics[0].addresses[0]' "$shown")"
same "address in the VLAN" 10.78.0.50 "$(json '.nics[1].addresses[0]' "$shown")"
same "address of a silent NIC" 0 "$(json '.nics[2].addresses | length' "$shown")"

step "it moves, and each NIC is acknowledged or named"
capture_start tap-b
report=$(limit 200 agent a migrate "$guest" b --json)
capture_end
echo "# $(json ".network | tostring" "$report")"
for nic in lan dmz; do
	[[ $(ack $nic acknowledged_by) = @(vm|outside) ]] ||
		fail "NIC $nic: nobody acknowledged it"
	(($(ack $nic ms) < 5000)) || fail "NIC $nic: after $(ack $nic ms) ms"
done
same "who acknowledged the silent one" nobody "$(ack spare acknowledged_by)"
same "its rounds" 9 "$(ack spare rounds)"
agent b vm show "$guest" | tee "$seen.shown" | sed 's/^/# /'
grep -q "spare: warning: not acknowledged within 9 rounds" "$seen.shown" ||
	fail "vm show does not warn"

step "the switch has learned all of them"
same "the port of lan" tap-b "$(port_of_guest)"
same "the port of dmz" tap-b "$(port_of $vlan_mac)"
same "the port of spare" tap-b "$(port_of $silent_mac)"

step "the frames were those that were promised, and in their VLAN"
arp=$(frames "^[^ ]* $guest_mac" "Request who-has 10.77.0.50 .*tell 10.77.0.50")
vlan_arp=$(frames "$vlan_mac" "vlan $vlan," "who-has 10.78.0.50 .*tell 10.78.0.50")
untagged=$(grep "$vlan_mac" "$seen" | grep -cv "vlan $vlan," || true)
rarp=$(frames "$silent_mac" "Reverse Request")
echo "# ARP $arp, in the VLAN $vlan_arp, RARP of the silent one $rarp"
((arp >= 1)) || fail "the address that was learned was not announced"
((vlan_arp >= 1)) || fail "nothing was announced in VLAN $vlan"
same "frames of the VLAN without its tag" 0 "$untagged"
# Nine rounds of the agent, up to five of QEMU in the guest's name.
((rarp >= 9 && rarp <= 14)) || fail "RARP of the silent NIC: $rarp times"

step "both networks reach it where it is"
on a "ping -c 1 -W 10 10.78.0.50" >/dev/null
in_switch ping -c 1 -W 10 10.77.0.50 >/dev/null

step "the connection lost nothing"
hold_end || fail "the connection did not last: $hold"
echo "# $hold"
same "messages lost" 0 "$(json .lost "$hold")"

step "a silent NIC is a warning of announce, not an error"
agent b announce "$guest" | tee "$seen.announced" | sed 's/^/# /'
grep -q "spare: warning: not acknowledged" "$seen.announced" ||
	fail "announce does not warn"

step "a bridge that mixes VLANs is refused"
on a "ip link set br0 type bridge vlan_filtering 0"
refused "bridge br0 does not keep VLANs apart" agent b migrate "$guest" a
running_on b || fail "$guest does not run on b"

finish
