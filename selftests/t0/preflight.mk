# SPDX-License-Identifier: GPL-2.0
# Who may move when and where: what decides it without asking anybody.

ADMISSION_FLAGS := $(CLI_FLAGS) -Wno-format-truncation \
	$(shell pkg-config --cflags libsystemd)
ADMISSION_LIBS := -linih $(shell pkg-config --libs json-c libsystemd)

TESTS += preflight_test
preflight_test-srcs := selftests/t0/preflight_test.c agent/cluster/message.c \
	agent/migrate/preflight.c agent/migrate/disk.c agent/vmm/types.c \
	agent/vmm/process.c $(CONFIG_SRCS)
preflight_test-flags := $(ADMISSION_FLAGS)
preflight_test-libs := $(ADMISSION_LIBS)

TESTS += transport_test
transport_test-srcs := selftests/t0/transport_test.c agent/cluster/message.c \
	agent/migrate/preflight.c agent/migrate/transport.c agent/nl_name.c \
	$(CONFIG_SRCS)
transport_test-flags := $(ADMISSION_FLAGS)
transport_test-libs := $(ADMISSION_LIBS)

TESTS += drain_test
drain_test-srcs := selftests/t0/drain_test.c agent/cluster/message.c \
	agent/drain/record.c agent/drain/placement.c agent/file.c $(CONFIG_SRCS)
drain_test-flags := $(ADMISSION_FLAGS)
drain_test-libs := $(ADMISSION_LIBS)
