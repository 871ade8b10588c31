#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A bounded run of each fuzz target, the same every time: what a change broke
# shows here, and what nobody has found yet is for longer runs by hand (see
# ../fuzz).
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
built=$top/build/selftests/fuzz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
number=0

# A second or two of each. A target without a line here is an error.
declare -A runs=([wire_fuzz]=500000 [config_fuzz]=100000 [cpu_fuzz]=20000)

# fuzz NAME
fuzz()
{
	"$built/$1" -seed=1 -runs="${runs[$1]:?how often?}" -max_len=16384 \
		-len_control=0 -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="$work/" >"$work/log" 2>&1
}

targets=$(make -s -C "$top/selftests/fuzz" list)
echo "TAP version 13"
echo "1..$(wc -w <<<"$targets")"
for target in $targets; do
	number=$((number + 1))
	if (fuzz "$target") 2>>"$work/log"; then
		echo "# $(grep -m 1 DONE "$work/log")"
		echo "ok $number $target"
		continue
	fi
	tail -n 40 "$work/log" | sed 's/^/# /'
	# What it takes to see it again.
	for artifact in "$work"/crash-* "$work"/timeout-* "$work"/oom-*; do
		[ -f "$artifact" ] && echo "# base64: $(base64 -w 0 "$artifact")"
	done
	echo "not ok $number $target"
	failed=1
done
exit $failed
