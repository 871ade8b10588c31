# SPDX-License-Identifier: GPL-2.0
# The agent's network part, on kernels that have what it needs.

TESTS += vlan_test
vlan_test-srcs := selftests/t1/vlan_test.c agent/net/announce.c \
	agent/net/frame.c agent/net/link.c agent/net/neighbours.c \
	agent/net/vlan.c agent/net/witness.c \
	agent/definition.c agent/keyfile.c agent/value.c agent/err.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/cpu/*.c))
vlan_test-flags := -I$(TOP)/agent -Wno-format-truncation \
	$(shell pkg-config --cflags json-c libnl-route-3.0)
vlan_test-libs := -linih \
	$(shell pkg-config --libs json-c libnl-route-3.0 libsystemd)
