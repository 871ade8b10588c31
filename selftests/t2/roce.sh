# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For T2 scripts that migrate over RDMA, by soft-RoCE on the bridge that has the
# migration address. Needs lib.sh.

guest=${guest:?set by lib.sh}

# soft_roce HOST WORD...: selftests/lab/soft-roce there
soft_roce() { on "$1" "$TOP/selftests/lab/soft-roce" "${@:2}"; }

# moves_over TRANSPORT FROM TO [OPTION...]: as the report says; it is in $report
moves_over()
{
	report=$(limit 300 agent "$2" migrate "$guest" "$3" --json "${@:4}")
	echo "# $(json '"\(.transport), \(.transport_why // "nobody asked"): \(.elapsed_us / 1e6) s, blackout \(.blackout_us / 1e3) ms"' "$report")"
	same "the transport" "$1" "$(json .transport "$report")"
	running_on "$3" || fail "$guest does not run on $3"
	running_on "$2" && fail "$guest still runs on $2"
	return 0
}

# says_why TEXT: the last report has it as the reason of the transport
says_why()
{
	grep -qiF -- "$1" <<<"$(json .transport_why "$report")" ||
		fail "the report does not say '$1'"
}
