# SPDX-License-Identifier: GPL-2.0
# CPUID filters.

CPUID_SRCS := selftests/t1/cpuid.c selftests/t1/nl.c selftests/t1/node.c
CPUID_FLAGS := -I$(TOP)/selftests/guest -Wno-missing-field-initializers
CPUID_LIBS := $(O)/../guest/libtinykvm.a -lmnl

TESTS += cpuid_test
cpuid_test-srcs := selftests/t1/cpuid_test.c $(CPUID_SRCS)
cpuid_test-flags := $(CPUID_FLAGS)
cpuid_test-libs := $(CPUID_LIBS)

TESTS += cpuid_hammer_test
cpuid_hammer_test-srcs := selftests/t1/cpuid_hammer_test.c $(CPUID_SRCS)
cpuid_hammer_test-flags := $(CPUID_FLAGS)
cpuid_hammer_test-libs := $(CPUID_LIBS)

TESTS += cpuid_attach_test
cpuid_attach_test-srcs := selftests/t1/cpuid_attach_test.c $(CPUID_SRCS)
cpuid_attach_test-flags := $(CPUID_FLAGS)
cpuid_attach_test-libs := $(CPUID_LIBS)

TESTS += cpuid_rules_test
cpuid_rules_test-srcs := selftests/t1/cpuid_rules_test.c $(CPUID_SRCS)
cpuid_rules_test-flags := $(CPUID_FLAGS)
cpuid_rules_test-libs := $(CPUID_LIBS)

TESTS += cpuid_hook_test
cpuid_hook_test-srcs := selftests/t1/cpuid_hook_test.c $(CPUID_SRCS)
cpuid_hook_test-flags := $(CPUID_FLAGS)
cpuid_hook_test-libs := $(CPUID_LIBS)
