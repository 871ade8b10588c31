# SPDX-License-Identifier: GPL-2.0
# The netlink family, spoken with libmnl.

NETLINK_SRCS := selftests/t1/nl.c selftests/t1/node.c

TESTS += netlink_test
netlink_test-srcs := selftests/t1/netlink_test.c $(NETLINK_SRCS)
netlink_test-libs := -lmnl
# Tables of refusals leave out what is zero.
netlink_test-flags := -Wno-missing-field-initializers

TESTS += netlink_agent_test
netlink_agent_test-srcs := selftests/t1/netlink_agent_test.c $(NETLINK_SRCS)
netlink_agent_test-libs := -lmnl

TESTS += netlink_migration_test
netlink_migration_test-srcs := selftests/t1/netlink_migration_test.c $(NETLINK_SRCS)
netlink_migration_test-libs := -lmnl
