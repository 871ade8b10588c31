# SPDX-License-Identifier: GPL-2.0
# What a guest may see of the processor: agent/cpu, without /dev/kvm.

# The harness makes gcc believe that elements of static arrays may be NULL.
CPU_FLAGS := -Wno-missing-prototypes -Wno-format-truncation \
	-Wno-format-overflow -D_GNU_SOURCE \
	-I$(TOP)/agent -I$(TOP)/uapi -I$(TOP)/selftests/t0 \
	-DDUMPS='"$(TOP)/selftests/t0/cpu"' $(shell pkg-config --cflags json-c)
CPU_SRCS := $(patsubst $(TOP)/%,%,$(filter-out %/read.c, \
	$(wildcard $(TOP)/agent/cpu/*.c))) agent/err.c selftests/t0/cpu_dump.c

define cpu_test
TESTS += cpu_$(1)_test
cpu_$(1)_test-srcs := selftests/t0/cpu_$(1)_test.c $(CPU_SRCS)
cpu_$(1)_test-flags := $(CPU_FLAGS)
cpu_$(1)_test-libs := $(shell pkg-config --libs json-c)
endef
$(foreach noun,set policy freeze check decode,$(eval $(call cpu_test,$(noun))))
