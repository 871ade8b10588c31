#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernels: 6.12
# ci: no
#
# migrate_end_test again, over RDMA; with RDMA=all all of it but what needs a cable
# or a second agent: rdma_test and rdma_trouble have those.
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
some=(-T cable_is_cut -T cancel_in_the_middle_of_frames
	-T no_cancel_after_the_commit -T agent_dies)
[[ ${RDMA-} = all ]] || some+=(-T time_limit -T bandwidth_limit)
VMIG_RDMA=1 exec "$built/migrate_end_test" "${some[@]}"
