# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For T2 scripts about processors: hosts of different generations, and what the
# guest sees of them. Needs lib.sh.

guest=${guest:?set by lib.sh}
guest_ip=${guest_ip:?set by lib.sh}
# shellcheck disable=SC2154 # lib.sh's lab.sh sets SHARE
saved=$SHARE

# Oldest first. The emulator has no newer ones whose KVM works, and lets no guest
# use AVX: it does not know the intercept of XSETBV. b and c have one kernel,
# since newer ones let guests have more of SVM.
start_generations()
{
	"$LAB_TOOL" stop
	"$LAB_TOOL" start "a:$KERNEL_A:mem=1G:cpu=phenom" \
		"b:$KERNEL_A:mem=1G:cpu=EPYC" \
		"c:$KERNEL_A:mem=1G:cpu=EPYC-Rome" \
		"d:$KERNEL_B:mem=1G:cpu=EPYC-Milan" 2>&1 |
		sed 's/^/# /' || fail "the hosts did not start"
}

processor_agent_start()
{
	on "$1" "setsid vmig-agent daemon \$(cat /etc/vmig/options) </dev/null >>/mnt/share/log/$1.agent 2>&1 & disown"
	wait_for 30 "the agent of host $1" agent_answers "$1"
}

# processor_define HOST LINES: the guest that tells what it sees; the lines of
# its definition say what that is. Two vCPUs, since APIC ids are each one's own.
processor_define()
{
	GUEST_CPU=$2 GUEST_VCPUS=2 guest_memory=96M \
		guest_define "$1" "vmig.run=memck,cpucheck vmig.mem=30% vmig.rate=200"
}

# processor_look FILE: what the guest sees now
processor_look()
{
	in_switch timeout 20 socat -u "TCP:$guest_ip:7002" "CREATE:$saved/$1.new" &&
		grep -q ^wrong "$saved/$1.new" && mv "$saved/$1.new" "$saved/$1"
}

processor_save() { wait_for 60 "the guest to tell" processor_look "$1"; }

# processor_same FILE [BUT]: it sees what it saw then, to the bit; but for lines
# that match BUT
processor_same()
{
	processor_save now
	diff <(processor_seen "$1" "${2-}") <(processor_seen now "${2-}") |
		sed 's/^/# /'
	[[ ${PIPESTATUS[0]} = 0 ]] ||
		fail "the guest sees another processor than before"
}

processor_seen()
{
	grep -E '^(cpuid|info)' "$saved/$1" | grep -vE "${2:-^$}"
}

processor_move()
{
	limit 200 agent "$1" migrate "$guest" "$2" >"$saved/moved"
	running_on "$2" || fail "$guest does not run on $2"
	echo "# $1 to $2: $(head -n 1 "$saved/moved")"
}

# has_word WORD LINES
has_word() { grep -qx -- "$1" <<<"$2" || fail "$1 is missing in: ${2//$'\n'/ }"; }
