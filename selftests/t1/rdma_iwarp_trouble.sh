#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
# kernels: 6.12 debug
#
# rdma_test again, over iWARP.
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
VMIG_RDMA=siw exec "$built/bin/rdma_test"
