# SPDX-License-Identifier: GPL-2.0
FUZZERS += config_fuzz
config_fuzz-srcs := selftests/fuzz/config_fuzz.c agent/err.c agent/keyfile.c \
	agent/value.c agent/config.c agent/prefix.c agent/cluster/clusterkey.c \
	agent/definition.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/cpu/*.c))
config_fuzz-flags := -D_GNU_SOURCE -I$(TOP)/agent -I$(TOP)/uapi \
	$(shell pkg-config --cflags json-c)
config_fuzz-libs := -linih $(shell pkg-config --libs json-c)
