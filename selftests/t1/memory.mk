# SPDX-License-Identifier: GPL-2.0
# Guest memory: vmigfs and what its tracking finds.

TESTS += track_test
track_test-srcs := selftests/t1/track_test.c selftests/t1/ram.c
