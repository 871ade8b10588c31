#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernels: 6.1
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
exec "$built/bin/rdma_test"
