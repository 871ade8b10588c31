#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Policies that cannot be, or not here, or not now: a sentence, and nothing is
# changed.
# shellcheck source=selftests/t2/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=selftests/t2/processor.sh
. "${0%/*}/processor.sh"

# What the definition on a says, and the table it is frozen to.
definition_of() { on a "cat /etc/vmig/vms/$guest.*"; }

# unchanged TEXT CMD...: refused for TEXT, and nothing is changed
unchanged()
{
	local before
	before=$(definition_of)
	refused "$@"
	same "the definition" "$before" "$(definition_of)"
}

policy() { agent a vm set "$guest" "cpu-policy=$1"; }

step "two hosts, and a VM that was never started"
"$LAB_TOOL" stop
"$LAB_TOOL" start "a:$KERNEL_A:mem=1G:cpu=EPYC" \
	"b:$KERNEL_B:mem=1G:cpu=EPYC-Rome" 2>&1 |
	sed 's/^/# /'
guest_prepare a
processor_define a "cpu-policy = host"

step "unknown policies and features, with the closest known"
unchanged "did you mean cluster" policy clustre
unchanged "did you mean x86-64-v2" policy x86-64-v
unchanged "avx2" policy custom:-avx22
unchanged "+FEATURE nor -FEATURE" policy custom:avx2
unchanged "policies are host, hyperv-r2" policy ""
unchanged "cannot be set" agent a vm set "$guest" memory=1G
unchanged "an argument is missing" agent a vm set "$guest"
refused "no VM nobody" agent a vm set nobody cpu-policy=host

step "policies that contradict themselves or a model by hand"
unchanged "both +avx2 and -avx2" policy custom:+avx2,-avx2
unchanged "no 64-bit guest" policy custom:-sse2
agent a vm undefine "$guest"
refused "goes with cpu-policy = host only" \
	processor_define a $'cpu = EPYC\ncpu-policy = cluster'
refused "no processor policy" processor_define a "cpu-policy = none"
refused "set cpu = or cpu-policy =" processor_define a "extra = -cpu max"
processor_define a "cpu = EPYC"
unchanged "goes with cpu-policy = host only" policy cluster

step "what this node's processor does not have"
agent a vm undefine "$guest"
processor_define a "cpu-policy = host"
policy x86-64-v4
refused "avx512" agent a vm start "$guest"
policy custom:+umip
refused "umip" agent a vm start "$guest"
same "its state" stopped "$(agent a vm show "$guest" --json | jq -r .state)"
same "what was made" no "$(on a "test -e /run/vmig/$guest && echo yes || echo no")"

step "a change while the VM runs"
policy cluster
guest_start a
processor_save first
unchanged "stop it before you change it" policy host
unchanged "stop it before you define it" agent a vm define "/mnt/share/$guest.ini"
processor_same first

step "a model by hand moves as well"
agent a vm stop --force "$guest"
agent a vm undefine "$guest"
guest_prepare b
processor_define a "cpu = host,-ssse3"
guest_start a
processor_save first
processor_move a b
processor_same first
agent b vm stop --force "$guest"
agent b vm undefine "$guest"

step "a node that cannot filter keeps no policy but host"
on a "echo 0 >/proc/sys/kernel/ftrace_enabled"
processor_define a "cpu-policy = cluster"
refused "kernel.ftrace_enabled" agent a vm start "$guest"
policy host
guest_start a
same "filtered" false "$(agent a vm show "$guest" --json | jq -r .processor.filtered)"

step "and its VM goes only where there are the same features"
refused "node b would show it clwb" agent a migrate "$guest" b
agent a vm stop --force "$guest"

step "nor does a VM with another policy go there"
agent a vm undefine "$guest"
agent b vm define "/mnt/share/$guest.ini"
agent b vm set "$guest" cpu-policy=cluster
guest_start b
refused "cannot filter CPUID" agent b migrate "$guest" a
running_on b || fail "$guest does not run on b"

step "a cluster with a node that was never met"
agent b vm stop --force "$guest"
on b "echo 'nowhere = 10.77.0.77' >>/etc/vmig/agent.conf; kill -KILL \$(pgrep -f '[v]mig-agent daemon')"
processor_agent_start b
agent b vm set "$guest" cpu-policy=cluster
refused "node nowhere" agent b vm start "$guest"
refused "node nowhere" agent b cpu baseline
refused "knows no node elsewhere" agent b cpu show elsewhere
refused "knows no node elsewhere" agent b cpu check "$guest" elsewhere

finish
