#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The commit protocol, searched by spin: what must hold does in every state
# within the bounds, and each seeded bug is found. ./cases has the questions.
#
#   model_test.sh [check|more]
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
built=$top/build/selftests/model
run=${1:-check}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
number=0

# verdict NAME STATUS, with $work/log to show if it failed
verdict()
{
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number $1"
		return
	fi
	tail -n 40 "$work/log" | sed 's/^/# /'
	echo "not ok $number $1"
	failed=1
}

# A search that was cut short has not said anything.
is_complete()
{
	grep -q 'errors: 0$' "$work/log" &&
		! grep -qiE 'not completed|too small|memlim|aborting|truncated' \
			"$work/log"
}

# judge ANSWER
judge()
{
	case $1 in
	ok|ends|again) is_complete ;;
	arcs)
		grep -q 'errors: 0$' "$work/log" &&
			! grep -E '\.pml:[0-9]+, state' "$work/log" |
				grep -v '"-end-"' >"$work/unreached"
		;;
	cycle) grep -q 'pan:1: non-progress cycle' "$work/log" ;;
	*) grep -q "pan:1: assertion violated *!($1)" "$work/log" ;;
	esac
}

# How much was searched, in one line.
figures()
{
	awk '/states, stored/ { states = $1 }
	     /total actual memory/ { memory = $1 }
	     /elapsed time/ { seconds = $4 }
	     END { printf "# %s: %s states, %.0f MiB, %s s\n",
		   name, states, memory, seconds }' name="$1" "$work/log"
}

# A seeded bug that no question asks for would never be missed.
all_asked()
{
	local bug
	grep -ohE 'BUG_[A-Z_]*[A-Z]' "$here"/*.pml | sort -u |
		while read -r bug; do
			grep -qE "^${bug}[[:space:]]" "$here/cases" || echo "$bug"
		done >"$work/log"
	[ ! -s "$work/log" ]
}

# A property that no bug breaks might be none.
all_can_fail()
{
	local property
	grep -ohE 'NEVER\([a-z_]+' "$here"/*.pml | grep -v 'NEVER(what' |
		sort -u | cut -d '(' -f 2 | while read -r property; do
			grep -qE "[[:space:]]$property([[:space:]]|\$)" \
				"$here/cases" || echo "$property"
		done >"$work/log"
	[ ! -s "$work/log" ]
}

mapfile -t cases < <(awk '!/^#/ && $3 == run' run="$run" "$here/cases")
echo "TAP version 13"
if ! [ -x "$built/${cases[0]%%[[:space:]]*}/pan" ]; then
	echo "1..0 # SKIP spin has not made anything of it: make deps selftests"
	exit 4
fi
echo "1..$((${#cases[@]} + 2))"
for line in "${cases[@]}"; do
	read -r name model _ answer bounds <<<"$line"
	"$here/question" ask "$name" "$built/$name" >"$work/log"
	figures "$name"
	judge "$answer"
	verdict "$model: $name: $answer${bounds:+ ($bounds)}" $?
done
all_asked
verdict "every seeded bug is asked for" $?
all_can_fail
verdict "every property is broken by a bug" $?
exit $failed
