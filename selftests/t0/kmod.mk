# SPDX-License-Identifier: GPL-2.0
# The kernel's pure files, compiled against shim/ instead of the kernel.

KMOD_FLAGS := -I$(TOP)/selftests/t0/shim -I$(TOP)/kmod -I$(TOP)/uapi

TESTS += state_test
state_test-srcs := selftests/t0/state_test.c kmod/migrate/state.c
state_test-flags := $(KMOD_FLAGS)

TESTS += wire_test
wire_test-srcs := selftests/t0/wire_test.c kmod/migrate/wire.c
wire_test-flags := $(KMOD_FLAGS)

TESTS += runs_test
runs_test-srcs := selftests/t0/runs_test.c kmod/migrate/runs.c
runs_test-flags := $(KMOD_FLAGS)

TESTS += digest_test
digest_test-srcs := selftests/t0/digest_test.c kmod/migrate/digest.c \
	kmod/migrate/runs.c
digest_test-flags := $(KMOD_FLAGS)
