#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A node with six guests is drained to three others and taken back into use. Its
# daemon dies in the middle of both; a connection from outside notices nothing.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/trouble.sh
. "${0%/*}/trouble.sh"

small=(db1 db2 db3 db4 db5)
told=$SHARE/drain.said
drainer=

small_start()
{
	local vm
	for vm in "${small[@]}"; do
		cat >"$SHARE/$vm.ini" <<-END
			[vm]
			name = $vm
			memory = 16M
			vcpus = 1
			machine = pc
			cpu-policy = host
			bios = /usr/share/qemu/qboot.rom
			kernel = /tmp/idle
		END
		agent a vm define "/mnt/share/$vm.ini"
		agent a vm start "$vm"
	done
}

# vms_of HOST: the names of those that run there, sorted
vms_of()
{
	agent "$1" vm list --json |
		jq -r '[.vms[] | select(.state == "running") | .name] | sort | .[]'
}
everywhere() { for host in a b c d; do vms_of $host; done | sort; }

# drain_begin ON CMD: followed from another node than the one it is of
drain_begin()
{
	(
		trap - ERR
		limit 900 agent "$1" node "$2" a --json
	) >"$told" 2>&1 &
	drainer=$!
}
drain_ends()
{
	local status=0
	wait "$drainer" || status=$?
	sed 's/^/# /' "$told"
	same "exit status of node $1" 0 "$status"
	same "state" "$2" "$(jq -r .state "$told")"
}

# moved STATE N: it is in that state, and so many of them have moved
moved()
{
	agent a node show --json 2>/dev/null |
		jq -e --arg state "$1" --argjson n "$2" '.drain |
			.state == $state and
			([.vms[]? | select(.state == "moved")] | length >= $n)' \
			>/dev/null
}

restart() { agent_kill a && agent_start a; }

step "six guests on a, one with a connection from outside"
"$LAB_TOOL" stop
"$LAB_TOOL" start "a:$KERNEL_A:mem=1G" "b:$KERNEL_B:mem=768M" \
	"c:$KERNEL_A:mem=768M" "d:$KERNEL_B:mem=768M" 2>&1 | sed 's/^/# /' ||
	fail "the hosts did not start"
guest_memory=128M
guest_prepare a b c d
for host in a b c d; do
	on $host "cp $guest_build/idle /tmp/"
done
guest_define a "vmig.rate=50 vmig.mem=16"
guest_start a
small_start
hold_start
expected=$(printf '%s\n' "${small[@]}" "$guest" | sort)
same "guests of a" "$expected" "$(vms_of a)"

step "it is drained, and its daemon killed after two of them"
drain_begin b drain
wait_for 300 "two guests to have moved" moved draining 2
restart
drain_ends drain drained
same "guests left" "" "$(vms_of a)"
same "guests elsewhere" "$expected" "$(everywhere)"
same "guests that moved" 6 "$(jq '[.vms[] | select(.state == "moved")] | length' "$told")"

step "the one with the connection is where the switch sends to"
for host in b c d; do
	running_on $host && where=$host
done
same "the switch's port of the guest" "tap-$where" "$(port_of_guest)"
guest_well | sed 's/^/# /'

step "nothing starts or arrives on a"
sed "s/db1/db6/" "$SHARE/db1.ini" >"$SHARE/db6.ini"
agent a vm define "/mnt/share/db6.ini"
refused "drain" agent a vm start db6
refused "drain" agent "$where" migrate "$guest" a
agent a vm undefine db6
agent b node list | sed 's/^/# /'
same "a, says b" true "$(agent b node list --json |
	jq '.nodes[] | select(.node == "a") | .draining')"

step "it is taken back, and its daemon killed after two of them"
drain_begin b undrain
wait_for 300 "two guests to be back" moved returning 2
restart
drain_ends undrain returned
same "guests of a" "$expected" "$(vms_of a)"
same "guests anywhere" "$expected" "$(everywhere)"
same "the switch's port of the guest" tap-a "$(port_of_guest)"
guest_well | sed 's/^/# /'

step "the connection lost nothing"
hold_end || fail "the connection did not last: $hold"
echo "# $hold"
same "messages lost" 0 "$(json .lost "$hold")"
same "answers in order" true "$(json .in_order "$hold")"

finish
