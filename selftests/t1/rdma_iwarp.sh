#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
# kernels: 6.12 debug
#
# migrate_test again, over the other kind of RDMA: iWARP, which the kernel's siw
# speaks in software. With RDMA=all all of it but what needs a slow cable.
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
some=(-V two_channels_small_verify -T holes_stay_holes -T garbage_on_the_destination)
[[ ${RDMA-} != all ]] || some=()
VMIG_RDMA=siw exec "$built/migrate_test" -F busy "${some[@]}"
