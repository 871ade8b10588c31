#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ci: no
# kernels: 6.12
top=$(cd "$(dirname "$0")/../.." && pwd)
built=${VMIG_TESTS:-$top/build/selftests/t1}
# The test itself cannot take away a device that it has used.
trap '"$top/selftests/lab/soft-roce" down vmig-roce' EXIT
"$built/bin/rdma_source_test"
