# SPDX-License-Identifier: GPL-2.0
# The commands, the configuration and the network part of vmig-agent.

CLI_FLAGS := -Wno-missing-prototypes -D_GNU_SOURCE -I$(TOP)/agent -I$(TOP)/uapi \
	$(shell pkg-config --cflags json-c libnl-genl-3.0)
CONFIG_SRCS := agent/err.c agent/keyfile.c agent/value.c agent/config.c \
	agent/prefix.c \
	agent/definition.c agent/definition_set.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/cpu/*.c))

TESTS += config_test
config_test-srcs := selftests/t0/config_test.c $(CONFIG_SRCS)
config_test-flags := $(CLI_FLAGS)
config_test-libs := -linih $(shell pkg-config --libs json-c)

TESTS += definition_test
definition_test-srcs := selftests/t0/definition_test.c $(CONFIG_SRCS)
definition_test-flags := $(CLI_FLAGS)
definition_test-libs := -linih $(shell pkg-config --libs json-c)

TESTS += report_test
report_test-srcs := selftests/t0/report_test.c agent/cli/report.c \
	agent/cli/watch.c agent/cli/format.c agent/cli/json.c agent/nl_name.c
report_test-flags := $(CLI_FLAGS)
report_test-libs := $(shell pkg-config --libs json-c)

TESTS += nl_parse_test
nl_parse_test-srcs := selftests/t0/nl_parse_test.c agent/nl_parse.c
nl_parse_test-flags := $(CLI_FLAGS)
nl_parse_test-libs := $(shell pkg-config --libs libnl-genl-3.0)

NET_SRCS := agent/net/announce.c agent/net/frame.c agent/net/link.c \
	agent/net/neighbours.c agent/net/vlan.c agent/net/witness.c \
	agent/definition.c agent/keyfile.c agent/value.c agent/err.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/cpu/*.c))
NET_LIBS := $(shell pkg-config --libs libnl-route-3.0 libsystemd json-c) -linih

TESTS += announce_test
announce_test-srcs := selftests/t0/announce_test.c $(NET_SRCS)
announce_test-flags := $(CLI_FLAGS)
announce_test-libs := $(NET_LIBS)

TESTS += witness_test
witness_test-srcs := selftests/t0/witness_test.c $(NET_SRCS)
witness_test-flags := $(CLI_FLAGS)
witness_test-libs := $(NET_LIBS)

TESTS += network_test
network_test-srcs := selftests/t0/network_test.c agent/net/encode.c \
	agent/cluster/message.c agent/definition.c agent/keyfile.c \
	agent/value.c agent/err.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/cpu/*.c))
network_test-flags := $(CLI_FLAGS)
network_test-libs := $(NET_LIBS)
