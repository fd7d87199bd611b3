# SPDX-License-Identifier: GPL-2.0-only
#
# Pando. `make help` lists the targets. Everything that is built goes to build/.

VERSION := 0.1.0
BUILD	?= build
RIG	:= tests/rig/rig
PREFIX	?= /usr

# Headers to build the modules against: the running kernel's, else the newest
# that is installed (a build host need not run Debian's kernel).
KDIR	?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /lib/modules/*-amd64/build 2>/dev/null | sort -rV))
KREL	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
KMOD	= $(BUILD)/kmod-$(KREL)
KCONF	= $(firstword $(wildcard $(KDIR)/scripts/kconfig/conf \
	/usr/lib/linux-kbuild-*/scripts/kconfig/conf))
STAGE	?= $(BUILD)/stage

export VERSION

all: modules userspace

help:
	@echo 'Build'
	@echo '  all          modules and programs (default)'
	@echo '  modules      kernel modules, against KDIR=$(KDIR)'
	@echo '  userspace    daemon, library, tools'
	@echo '  install      into DESTDIR, PREFIX=$(PREFIX); modules with modules_install'
	@echo '  clean        remove build/'
	@echo 'Try'
	@echo '  demo         three nodes on this machine, the main job (KEEP=1 leaves them up)'
	@echo '  bench        ratios, into build/bench.json'
	@echo 'Test'
	@echo '  check        unit tests, simulator, cases on three nodes over tcp and rdma'
	@echo '  check-unit   the part that needs no rig'
	@echo '  check-debug  kernel cases on a KASAN and lockdep kernel (built once)'
	@echo '  sim          the simulator: SEEDS=FROM-TO'
	@echo '  lint         sparse, checkpatch --strict, cppcheck, shellcheck'
	@echo '  deps         install what building and testing need, from Debian'

# --- build -------------------------------------------------------------------

.config: Kconfig
	@mkdir -p $(BUILD)/kconfig
	cd $(BUILD)/kconfig && srctree=$(CURDIR) KCONFIG_CONFIG=$(CURDIR)/$@ \
		$(KCONF) --olddefconfig Kconfig >/dev/null

# kbuild works where the sources are; links keep objects of different kernels
# apart and out of the source tree.
modules: .config
	@test -n "$(KREL)" || { echo 'no kernel headers: make deps, or KDIR=...' >&2; exit 1; }
	@mkdir -p $(KMOD)/kmod
	@ln -sfn $(CURDIR)/include $(KMOD)/include
	@ln -sf $(CURDIR)/kmod/*.[ch] $(CURDIR)/kmod/Kbuild $(KMOD)/kmod/
	$(MAKE) -C $(KDIR) M=$(abspath $(KMOD))/kmod \
		$(shell grep -h '^CONFIG_PANDO' .config 2>/dev/null) modules

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(abspath $(KMOD))/kmod INSTALL_MOD_DIR=updates/pando CONFIG_MODULE_SIG_ALL= \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(abspath $(DESTDIR)) DEPMOD=true) \
		$(shell grep -h '^CONFIG_PANDO' .config 2>/dev/null) modules_install

userspace:
	$(MAKE) -C userspace B=$(abspath $(BUILD))/userspace PREFIX=$(PREFIX)

install: userspace
	$(MAKE) -C userspace B=$(abspath $(BUILD))/userspace PREFIX=$(PREFIX) \
		DESTDIR=$(abspath $(DESTDIR)) install

# What a node of the rig gets: DESTDIR trees for the stock and debug kernels.
stage:
	@rm -rf $(STAGE)
	$(MAKE) install DESTDIR=$(STAGE) PREFIX=/usr
	$(MAKE) modules_install DESTDIR=$(STAGE) KDIR=$$($(RIG) kernel-build-dir)
	$(MAKE) -C tests/progs B=$(abspath $(BUILD))/progs DESTDIR=$(abspath $(STAGE)) install

stage-debug:
	$(MAKE) install DESTDIR=$(BUILD)/stage-debug PREFIX=/usr
	$(MAKE) modules_install DESTDIR=$(BUILD)/stage-debug \
		KDIR=$$($(RIG) kernel-build-dir --kernel debug)
	$(MAKE) -C tests/progs B=$(abspath $(BUILD))/progs DESTDIR=$(abspath $(BUILD)/stage-debug) install

# --- try and test ------------------------------------------------------------------

deps:
	tests/deps

demo: deps
	@mkdir -p $(BUILD)
	@echo 'building; messages are in $(BUILD)/stage.log'
	@$(MAKE) -s stage >$(BUILD)/stage.log 2>&1 || { cat $(BUILD)/stage.log; exit 1; }
	tests/demo

check: deps
	tests/check

check-unit:
	tests/check unit

check-debug: deps
	tests/check debug

bench: deps
	$(MAKE) -s stage
	tests/bench/bench

SEEDS ?= 1-200
sim:
	$(MAKE) -C tests/sim B=$(abspath $(BUILD))/sim
	$(BUILD)/sim/sim --seeds $(SEEDS)

lint:
	tests/lint

clean:
	rm -rf $(BUILD)

.PHONY: all help modules modules_install userspace install stage stage-debug \
	deps demo check check-unit check-debug bench sim lint clean
