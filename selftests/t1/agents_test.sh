#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernels: 6.12
#
# Two agents, a stand-in for QEMU, and what may go wrong between them: a part of
# the table of failures in which every message and every failure is, peers that
# lie, and users who want two things at once. `make table` has all of it.
set -u

agents=$(cd "$(dirname "$0")/../agents" && pwd)
exec "$agents/all" --part 1/12
