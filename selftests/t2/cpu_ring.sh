#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest visits four generations of processors in a ring and sees the same one
# all the time; what a policy does not level is refused by name.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/processor.sh
. "${0%/*}/processor.sh"

LAPS=2

step "four hosts of four generations, and what they have in common"
start_generations
baseline=$(agent a cpu baseline --json)
echo "# $(jq -r '[.nodes[] | .node + " " + .vendor] | join(", ")' <<<"$baseline")"
has_word popcnt "$(jq -r '.features[]' <<<"$baseline")"
same "who takes ssse3 away" a \
	"$(jq -r '.losses[] | select(.feature == "ssse3") | .lacking[]' <<<"$baseline")"
same "who takes umip away" "a b" \
	"$(jq -r '.losses[] | select(.feature == "umip") | .lacking | join(" ")' <<<"$baseline")"

step "a guest with policy cluster starts on the newest"
guest_prepare a b c d
processor_define d "cpu-policy = cluster"
guest_start d
processor_save first
echo "# $(grep ^path "$SHARE/first" | tr '\n' ' ')"
has_word sse3 "$(agent d cpu show --json | jq -r '.features[]' | sed 's/^pni$/sse3/')"
show=$(agent d vm show "$guest" --json)
same "its policy" cluster "$(jq -r .processor.policy <<<"$show")"
same "where it was frozen" d "$(jq -r .processor.frozen_on <<<"$show")"
has_word avx2 "$(jq -r '.processor.hidden[]' <<<"$show")"
has_word avx2 "$(jq -r '.processor.asked[].feature' <<<"$show")"

for ((lap = 1; lap <= LAPS; lap++)); do
	step "lap $lap: from d over a, b and c back to d it sees the same processor"
	from=d
	for to in a b c d; do
		processor_move "$from" "$to"
		processor_same first
		from=$to
	done
done

step "its memory is right, and the way it computes still the one that CPUID offers"
echo "# $(guest_well)"
same "wrong sums" "wrong 0" "$(grep ^wrong "$SHARE/now")"
same "ways taken" 1 "$(grep -c '^path .* [1-9]' "$SHARE/now")"

step "it sees the same after a restart of the agent, a definition and a boot"
processor_move d b
on b "kill -KILL \$(pgrep -f '[v]mig-agent daemon')"
processor_agent_start b
agent b vm stop --force "$guest"
agent b vm define "/etc/vmig/vms/$guest.ini"
guest_start b
# Which clock it has is measured by the host anew at each boot.
processor_same first "cpu MHz|bogomips"
processor_move b d

step "with policy host it may use all, and older nodes are refused by feature"
agent d vm stop --force "$guest"
agent d vm set "$guest" cpu-policy=host
guest_start d
processor_save host
has_word ssse3 "$(sed -n 's/^path \([^ ]*\) [1-9].*/\1/p' "$SHARE/host")"
for feature in umip pku erms; do
	refused "$feature, which node b does not have" agent d migrate "$guest" b
done
refused "ssse3, which node a does not have" agent d cpu check "$guest" a
same "anything made on b" no "$(on b "test -e /run/vmig/$guest && echo yes || echo no")"
running_on d || fail "$guest does not run on d"

step "from an older node it may move to a newer one, and back"
agent d vm stop --force "$guest"
agent d vm set "$guest" cpu-policy=cluster
guest_start d
processor_move d b
agent b vm stop --force "$guest"
agent b vm set "$guest" cpu-policy=host
guest_start b
processor_save host
processor_move b c
processor_same host
processor_move c b
processor_same host

step "a node of another vendor is refused, and policy cluster does without it"
"$LAB_TOOL" start --no-agent "e:$KERNEL_A:mem=1G:cpu=Nehalem,-cx16,-vmx" 2>&1 | sed 's/^/# /'
processor_agent_start e
on b "echo 'e = 10.77.0.5' >>/etc/vmig/agent.conf; kill -KILL \$(pgrep -f '[v]mig-agent daemon')"
processor_agent_start b
refused "GenuineIntel" agent b migrate "$guest" e
refused "vendor is GenuineIntel" agent b cpu check "$guest" e
refused "/dev/kvm" agent b cpu show e
running_on b || fail "$guest does not run on b"
agent b vm stop --force "$guest"
agent b vm set "$guest" cpu-policy=cluster
agent b vm start "$guest"
has_word ssse3 "$(agent b vm show "$guest" --json | jq -r '.processor.hidden[]')"

finish
