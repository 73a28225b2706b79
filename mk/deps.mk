# SPDX-License-Identifier: MIT
#
# What the build needs from the distribution: mk/deps.txt.

export LLVM_SUFFIX

.PHONY: deps
deps: ## installs the packages that the build needs (apt, as root or with sudo)
	$(Q)tools/deps install

.PHONY: toolchain-check
toolchain-check: ## names missing tools and how to get them
	$(Q)tools/deps check

# Before what a fresh machine runs first: installs what is missing, silent otherwise.
.PHONY: need
need:
	$(Q)tools/deps need
