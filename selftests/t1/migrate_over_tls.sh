#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# migrate_test again, on channels that have kernel TLS: what encrypts and decrypts
# in software takes its time, so that only the debug kernel has all of it.
some=()
[[ ${VMIG_KERNEL-} = debug ]] || some=(-v four_channels_huge_verify)
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
VMIG_TLS=1 exec "$built/migrate_test" "${some[@]}"
