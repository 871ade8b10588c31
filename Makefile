# SPDX-License-Identifier: GPL-2.0
# What people type; the kernel's build reads Kbuild. `make help` explains.

TOP := $(CURDIR)
O := $(TOP)/build
KERNEL ?=
KVER ?= $(shell scripts/kernel version $(KERNEL))
KDIR ?= $(shell scripts/kernel build $(KVER))
W ?= 1
JOBS := $(shell nproc)

export VMIG_CACHE ?= /var/cache/vmig

all: modules agent

modules:
	@test -n "$(KVER)"
	@scripts/farm $(O)/$(KVER)
	+@flock $(O)/$(KVER).lock $(MAKE) -j$(JOBS) -C $(KDIR) M=$(O)/$(KVER) W=$(W) modules

modules-all:
	@for kver in $$(scripts/kernel list | grep -E '^6\.(1|12)\.'); do \
		$(MAKE) --no-print-directory modules KVER=$$kver || exit 1; \
	done

agent:
	$(MAKE) -j$(JOBS) -C agent O=$(O)/agent

selftests:
	$(MAKE) -j$(JOBS) -C selftests O=$(O)/selftests

deps:
	@scripts/deps

lab: modules agent
	@selftests/lab/session $(KERNEL)

# On a machine with nothing prepared, so the packages come first.
demo: deps
	$(MAKE) --no-print-directory modules agent selftests
	@selftests/demo/run

# T0 needs neither the module nor root, so TIER=0 takes seconds.
ifneq ($(TIER),0)
check: deps $(if $(KERNEL),modules,modules-all) agent
endif
check: selftests
	@selftests/run $(if $(TIER),--tier $(TIER)) \
		$(if $(KERNEL),--kernel $(KERNEL)) $(T)

bench: modules agent selftests
	@selftests/bench/run
	@selftests/bench/cpuid
	@selftests/bench/ktls
	@selftests/bench/rdma

# Minutes and some GiB; `make check` has a part of it.
model:
	@$(MAKE) -s -j$(JOBS) -C selftests/model O=$(O)/selftests/model more
	@selftests/model/model_test.sh more

# Hundreds of cases, most of which wait; `make check` has a part of them.
table: modules-all agent selftests
	@selftests/agents/run $(T)

# A power-off and a cut at every stage; `make check` has those at the commit.
cuts: modules-all agent selftests
	@POWER_OFF=all selftests/run power_off
	@NET_CUT=all selftests/run net_cut

# All that RDMA adds; `make check` has the part that is not repetition.
rdma: modules-all agent selftests
	@RDMA=all selftests/run 'rdma*'

lint:
	@scripts/lint

debug-kernel:
	@scripts/debug-kernel

clean:
	rm -rf $(O)

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

.PHONY: all modules modules-all agent selftests deps lab demo check bench model
.PHONY: lint table cuts rdma debug-kernel clean help

#: make                      the module for KVER (default: the running kernel
#:                           if it has headers, else the newest) and the agent
#: make modules KVER=6.1...  the module for one kernel; KERNEL=6.1|6.12|debug too
#: make modules-all          the module for every installed 6.1 and 6.12 kernel
#: make deps                 install what is needed (Debian 12, as root)
#: make lab [KERNEL=6.12]    two emulated hosts and a shell on each
#: make demo                 a running guest moves to the other host and back
#: make check                all tests, on 6.1 and 6.12
#:   T=name                  one test
#:   TIER=0|1|2              one tier: machine, one host, two hosts
#:   KERNEL=6.1|6.12|debug   one kernel
#: make bench                the same guest moved by vmig and by QEMU alone;
#:                           what a CPUID filter and kernel TLS cost; RDMA
#:                           against TCP
#: make model                search the commit protocol with larger bounds
#: make table                all that can go wrong at each message between two
#:                           agents (T=pattern: some of it)
#: make cuts                 hosts lose power or each other at every stage of a
#:                           migration
#: make rdma                 every migration test again over RDMA, on soft-RoCE
#: make lint                 sparse, W=1, checkpatch, shellcheck, yamllint
#: make debug-kernel         build the KASAN + lockdep + kmemleak kernel
#: make clean                remove build/
#:
#: Outputs go to build/; what is costly to make is kept in $VMIG_CACHE
#: (default /var/cache/vmig).
