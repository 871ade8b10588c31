#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# migrate_test again, on channels that have kernel TLS.
built=${VMIG_TESTS:-$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/t1}
VMIG_TLS=1 exec "$built/migrate_test"
