#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernels: 6.1
#
# Four agents and a stand-in for QEMU: checks, slots, the queue, drains.
set -u

here=$(cd "$(dirname "$0")" && pwd)
if [[ ! -d /sys/module/vmig ]]; then
	echo "TAP version 13"
	echo "1..1"
	echo "ok 1 # SKIP vmig is not loaded"
	exit 4
fi
exec "$here/../agents/admission"
