# SPDX-License-Identifier: MIT
#
# Stellux: one kernel image per architecture, two hardware privilege levels.
# `make help` is the menu. The rules live in mk/, one file per product:
#
#   mk/toolchain.mk   tool names, how a command is shown
#   mk/kernel.mk      nucleus half, kernel half, link, proofs about the image
#   mk/boot.mk        the UEFI loader
#   mk/user.mk        third-party packages, user programs, initramfs
#   mk/image.mk       disk image, the real Limine
#   mk/run.mk         QEMU, debugger
#   mk/test.mk        host tests, tests in QEMU, mutations, benchmarks
#
# Sources are found by wildcard. Everything made goes to build/ and images/.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDEXPANSION:
SHELL := /bin/bash

ARCHES := x86_64 aarch64
ARCH   ?= x86_64
ifeq ($(filter $(ARCH),$(ARCHES)),)
$(error ARCH=$(ARCH) is unknown; use ARCH=x86_64 or ARCH=aarch64)
endif

ifneq ($(filter-out 0 1,$(RELEASE)),)
$(error RELEASE=$(RELEASE): use 1 or 0)
endif
ifneq ($(filter-out 1,$(DEBUG)),)
$(error DEBUG=$(DEBUG): debug builds are the default (DEBUG=1); RELEASE=1 makes the other kind)
endif
ifeq ($(RELEASE),1)
MODE := release
else
MODE := debug
endif

# B holds what depends on architecture and mode. BUILD= moves it (one folder for each build at a time).
BUILD ?= build
B := $(BUILD)/$(ARCH)-$(MODE)

.PHONY: all
all: image

include mk/toolchain.mk
-include mk/arch-$(ARCH).mk
include mk/kernel.mk
include $(filter-out mk/toolchain.mk mk/kernel.mk mk/arch-%.mk,$(sort $(wildcard mk/*.mk)))

.PHONY: FORCE
FORCE:

.PHONY: clean
clean: ## removes everything made, except fetched packages
	$(Q)find build -mindepth 1 -maxdepth 1 ! -name third_party -exec rm -rf {} + 2>/dev/null || true
	$(Q)rm -rf images compile_commands.json
