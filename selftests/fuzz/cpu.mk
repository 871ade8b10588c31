# SPDX-License-Identifier: GPL-2.0
FUZZERS += cpu_fuzz
cpu_fuzz-srcs := selftests/fuzz/cpu_fuzz.c agent/err.c \
	$(patsubst $(TOP)/%,%,$(filter-out %/read.c,$(wildcard $(TOP)/agent/cpu/*.c)))
cpu_fuzz-flags := -D_GNU_SOURCE -I$(TOP)/agent -I$(TOP)/uapi \
	$(shell pkg-config --cflags json-c)
cpu_fuzz-libs := $(shell pkg-config --libs json-c)
