#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# migrate_test again, over RDMA; with RDMA=all all of it but what needs a slow cable.
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
some=(-V sixteen_channels_small -T holes_stay_holes -T garbage_on_the_destination)
[[ ${RDMA-} != all ]] || some=()
VMIG_RDMA=1 exec "$built/migrate_test" -F busy "${some[@]}"
