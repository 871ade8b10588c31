# SPDX-License-Identifier: GPL-2.0
# The daemon's pure files.

# The harness makes fixtures of functions without prototypes.
DAEMON_FLAGS := -Wno-missing-prototypes -D_GNU_SOURCE -I$(TOP)/agent -I$(TOP)/uapi \
	$(shell pkg-config --cflags json-c)
DAEMON_LIBS := $(shell pkg-config --libs json-c) -linih

TESTS += qmp_test
qmp_test-srcs := selftests/t0/qmp_test.c agent/vmm/qmp_parser.c
qmp_test-flags := $(DAEMON_FLAGS)
qmp_test-libs := $(DAEMON_LIBS)

TESTS += clusterkey_test
clusterkey_test-srcs := selftests/t0/clusterkey_test.c \
	agent/cluster/clusterkey.c agent/err.c
clusterkey_test-flags := $(DAEMON_FLAGS)

TESTS += peer_test
peer_test-srcs := selftests/t0/peer_test.c agent/cluster/message.c \
	agent/cluster/handshake.c agent/cluster/token.c agent/err.c \
	agent/definition.c agent/keyfile.c agent/value.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/cpu/*.c))
peer_test-flags := $(DAEMON_FLAGS)
peer_test-libs := $(DAEMON_LIBS)

TESTS += tls_test tls_certificate_test
TLS_SRCS := agent/err.c agent/definition.c \
	agent/keyfile.c agent/value.c agent/config.c agent/prefix.c \
	$(addprefix agent/cluster/,clusterkey.c conn.c dial.c handshake.c \
	ktls.c listener.c message.c refusal.c tls.c tls_context.c tls_error.c) agent/migrate/secure.c \
	$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/agent/cpu/*.c))
TLS_LIBS := $(DAEMON_LIBS) $(shell pkg-config --libs libsystemd libssl libcrypto)
tls_test-srcs := selftests/t0/tls_test.c $(TLS_SRCS)
tls_test-flags := $(DAEMON_FLAGS) -Wno-format-truncation
tls_test-libs := $(TLS_LIBS)
tls_certificate_test-srcs := selftests/t0/tls_certificate_test.c $(TLS_SRCS)
tls_certificate_test-flags := $(DAEMON_FLAGS) -Wno-format-truncation
tls_certificate_test-libs := $(TLS_LIBS)
