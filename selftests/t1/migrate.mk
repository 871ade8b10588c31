# SPDX-License-Identifier: GPL-2.0
# Migrations between two nodes on one machine.

PAIR_SRCS := selftests/t1/pair.c selftests/t1/soft_roce.c \
	selftests/t1/ktls.c selftests/t1/nl.c

TESTS += migrate_test
migrate_test-srcs := selftests/t1/migrate_test.c $(PAIR_SRCS)
migrate_test-libs := -lmnl

TESTS += migrate_end_test
migrate_end_test-srcs := selftests/t1/migrate_end_test.c \
	selftests/t1/moment.c $(PAIR_SRCS)
migrate_end_test-libs := -lmnl

TESTS += migrate_limit_test
migrate_limit_test-srcs := selftests/t1/migrate_limit_test.c $(PAIR_SRCS)
migrate_limit_test-libs := -lmnl

TESTS += migrate_slow_test
migrate_slow_test-srcs := selftests/t1/migrate_slow_test.c \
	selftests/t1/peer.c kmod/migrate/wire.c $(PAIR_SRCS)
migrate_slow_test-flags := -I$(TOP)/selftests/t0/shim -I$(TOP)/kmod
migrate_slow_test-libs := -lmnl

TESTS += migrate_wire_test
migrate_wire_test-srcs := selftests/t1/migrate_wire_test.c \
	selftests/t1/peer.c kmod/migrate/wire.c kmod/migrate/digest.c \
	kmod/migrate/runs.c $(PAIR_SRCS)
migrate_wire_test-flags := -I$(TOP)/selftests/t0/shim -I$(TOP)/kmod
migrate_wire_test-libs := -lmnl

TESTS += migrate_source_test
migrate_source_test-srcs := selftests/t1/migrate_source_test.c \
	selftests/t1/peer.c kmod/migrate/wire.c kmod/migrate/digest.c \
	kmod/migrate/runs.c $(PAIR_SRCS)
migrate_source_test-flags := -I$(TOP)/selftests/t0/shim -I$(TOP)/kmod
migrate_source_test-libs := -lmnl

TESTS += migrate_flood_test
migrate_flood_test-srcs := selftests/t1/migrate_flood_test.c \
	selftests/t1/peer.c kmod/migrate/wire.c kmod/migrate/digest.c \
	kmod/migrate/runs.c $(PAIR_SRCS)
migrate_flood_test-flags := -I$(TOP)/selftests/t0/shim -I$(TOP)/kmod
migrate_flood_test-libs := -lmnl

TESTS += migrate_tls_test
migrate_tls_test-srcs := selftests/t1/migrate_tls_test.c \
	selftests/t1/peer.c kmod/migrate/wire.c $(PAIR_SRCS)
migrate_tls_test-flags := -I$(TOP)/selftests/t0/shim -I$(TOP)/kmod
migrate_tls_test-libs := -lmnl
