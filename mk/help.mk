# SPDX-License-Identifier: MIT
#
# The menu: every target with a `##` comment behind it.

.PHONY: help
help: ## this menu
	@echo 'Stellux. Targets:'
	@sed -n 's/^\([a-zA-Z0-9_-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | sort -u | expand -t 36
	@echo
	@echo 'Variables:'
	@echo '  ARCH=x86_64 (default) or aarch64  V=1 shows commands  DEBUG=1 (default) or RELEASE=1'
	@echo '  BUILD=folder (default build)  APPEND="..." kernel command line  SMP= (2), MEM= (512M), CPU= (max) size the machine  TEST=name selects tests, KTEST= and UTEST= parts of the kernel and user suites'
	@echo '  JOBS= suites at once  SEED=, SECONDS=, SAMPLE= of test-stalled, fuzz and mutate  PERTURB=number holds threads of debug kernels up in tests'
	@echo '  COMPONENTS="NAME NAME" (all), STRIKES=number (200), SEED= (7) of test-strikes  ROUNDS=number (1000) of test-plug and test-gdb-line, SEED= of test-plug  SOAK_ROUNDS=number (500) of soak'
	@echo '  GDB_PORT=number (default 1234) where debugger and machine meet  GDB_LINE= (build/gdb-line), GDB_SPEED= (115200) of connect-gdb-serial-x86_64'
	@echo '  QEMU_EXTRA="..." more options for QEMU  GDB_EXTRA="..." for gdb'
