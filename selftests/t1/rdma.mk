# SPDX-License-Identifier: GPL-2.0
# Migrations over RDMA, by soft-RoCE; scripts of these names say on which kernel.

TESTS += bin/rdma_test
bin/rdma_test-srcs := selftests/t1/rdma_test.c selftests/t1/moment.c \
	selftests/t1/pair.c selftests/t1/soft_roce.c selftests/t1/ktls.c \
	selftests/t1/nl.c
bin/rdma_test-libs := -lmnl

rdma-peer-srcs := selftests/t1/rdma_peer.c selftests/t1/verbs.c \
	selftests/t1/moment.c selftests/t1/pair.c selftests/t1/soft_roce.c \
	selftests/t1/ktls.c selftests/t1/nl.c kmod/rdma/message.c \
	kmod/migrate/wire.c
# Hidden: librdmacm uses libnl, which has functions of the names that nl.c has.
rdma-peer-flags := -I$(TOP)/selftests/t0/shim -I$(TOP)/kmod -fvisibility=hidden
rdma-peer-libs := -lmnl -lrdmacm -libverbs

TESTS += bin/rdma_peer_test
bin/rdma_peer_test-srcs := selftests/t1/rdma_peer_test.c $(rdma-peer-srcs)
bin/rdma_peer_test-flags := $(rdma-peer-flags)
bin/rdma_peer_test-libs := $(rdma-peer-libs)

TESTS += bin/rdma_source_test
bin/rdma_source_test-srcs := selftests/t1/rdma_source_test.c $(rdma-peer-srcs)
bin/rdma_source_test-flags := $(rdma-peer-flags)
bin/rdma_source_test-libs := $(rdma-peer-libs)
