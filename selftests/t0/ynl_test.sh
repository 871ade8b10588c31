#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is generated from the netlink specification is what is checked in, and
# scripts/ynl-regen notices when it is not.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
number=0

# verdict NAME STATUS, the reasons in $work/log
verdict()
{
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number $1"
		return
	fi
	sed 's/^/# /' "$work/log"
	echo "not ok $number $1"
	failed=1
}

echo "TAP version 13"
echo "1..4"

"$top/scripts/ynl-regen" --check >"$work/log" 2>&1
verdict "regeneration changes nothing" $?

# A copy of what the script reads and writes, to spoil.
copy=$work/copy
mkdir -p "$copy/Documentation/netlink/specs" "$copy/uapi/linux" "$copy/kmod" \
	"$copy/scripts"
for file in scripts/ynl-regen Documentation/netlink/specs/vmig.yaml \
	uapi/linux/vmig.h kmod/netlink-gen.c kmod/netlink-gen.h; do
	cp "$top/$file" "$copy/$file"
done
sed -i 's/max: 604800/max: 604801/' \
	"$copy/Documentation/netlink/specs/vmig.yaml"

! "$copy/scripts/ynl-regen" --check >"$work/log" 2>&1
verdict "a changed limit is noticed" $?

grep -q 'kmod/netlink-gen.c differ from Documentation' "$work/log"
verdict "the stale file is named" $?

"$copy/scripts/ynl-regen" >"$work/log" 2>&1 &&
	"$copy/scripts/ynl-regen" --check >>"$work/log" 2>&1
verdict "regeneration repairs it" $?

exit $failed
