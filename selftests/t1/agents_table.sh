#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two agents, a stand-in for QEMU, and what may go wrong between them: an
# eighth of the table of failures, with every message and every failure in it.
# selftests/agents/table has the whole.
set -u

here=$(cd "$(dirname "$0")" && pwd)
if [[ ! -d /sys/module/vmig ]]; then
	echo "TAP version 13"
	echo "1..1"
	echo "ok 1 # SKIP vmig is not loaded"
	exit 4
fi
exec "$here/../agents/table" --part 1/8
