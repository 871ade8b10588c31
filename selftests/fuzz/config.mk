# SPDX-License-Identifier: GPL-2.0
FUZZERS += config_fuzz
config_fuzz-srcs := selftests/fuzz/config_fuzz.c agent/err.c agent/keyfile.c \
	agent/value.c agent/config.c agent/definition.c
config_fuzz-flags := -D_GNU_SOURCE -I$(TOP)/agent -I$(TOP)/uapi
config_fuzz-libs := -linih
