#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# migrate_test again, on channels that have kernel TLS: a part of it, as the
# emulated hosts encrypt in software. The debug kernel does so at 0.16 MiB/s.
some=(-v four_channels_huge_verify)
[[ ${VMIG_KERNEL-} != debug ]] || some=(-r migrate.one_channel_huge.idle_memory)
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
VMIG_TLS=1 exec "$built/migrate_test" "${some[@]}"
