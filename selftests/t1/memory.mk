# SPDX-License-Identifier: GPL-2.0
# Guest memory: vmigfs and what its tracking finds.

RAM_SRCS := selftests/t1/ram.c
DISK_SRCS := selftests/t1/slow_disk.c

TESTS += fs_test
fs_test-srcs := selftests/t1/fs_test.c $(RAM_SRCS) $(DISK_SRCS)

TESTS += track_test
track_test-srcs := selftests/t1/track_test.c $(RAM_SRCS)

TESTS += track_race_test
track_race_test-srcs := selftests/t1/track_race_test.c $(RAM_SRCS)

TESTS += dma_test
dma_test-srcs := selftests/t1/dma_test.c $(RAM_SRCS) $(DISK_SRCS)

TESTS += kvm_track_test
kvm_track_test-srcs := selftests/t1/kvm_track_test.c $(RAM_SRCS)
kvm_track_test-flags := -I$(TOP)/selftests/guest -Wno-missing-field-initializers
kvm_track_test-libs := $(O)/../guest/libtinykvm.a

TESTS += vhost_track_test
vhost_track_test-srcs := selftests/t1/vhost_track_test.c $(RAM_SRCS)
