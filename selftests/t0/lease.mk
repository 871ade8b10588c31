# SPDX-License-Identifier: GPL-2.0
# Leases: in files with faults, in an event loop, and on disks that are made up.

LEASE_FLAGS := -Wno-missing-prototypes -Wno-format-truncation -D_GNU_SOURCE \
	-I$(TOP)/agent -I$(TOP)/uapi $(shell pkg-config --cflags libsystemd)
LEASE_LIBS := $(shell pkg-config --libs libsystemd) -linih -lsgutils2
LEASE_SRCS := agent/err.c agent/keyfile.c agent/value.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/storage/*.c))
LEASE_WRAP := -Wl,--wrap=pwrite,--wrap=fsync,--wrap=link

TESTS += lease_file_test
lease_file_test-srcs := selftests/t0/lease_file_test.c selftests/t0/fault.c \
	$(LEASE_SRCS)
lease_file_test-flags := $(LEASE_FLAGS) $(LEASE_WRAP)
lease_file_test-libs := $(LEASE_LIBS)

TESTS += lease_op_test
lease_op_test-srcs := selftests/t0/lease_op_test.c selftests/t0/fault.c \
	$(LEASE_SRCS)
lease_op_test-flags := $(LEASE_FLAGS) $(LEASE_WRAP)
lease_op_test-libs := $(LEASE_LIBS)

TESTS += lease_pr_test
lease_pr_test-srcs := selftests/t0/lease_pr_test.c selftests/t0/fake_disk.c \
	$(filter-out agent/storage/pr_disk.c,$(LEASE_SRCS))
lease_pr_test-flags := $(LEASE_FLAGS)
lease_pr_test-libs := $(LEASE_LIBS)
