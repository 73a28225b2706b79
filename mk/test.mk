# SPDX-License-Identifier: MIT
#
# Tests. Every lib/*_test.c, boot/*_test.c and test/host/*_test.c is one host
# program, built with sanitizers, which finds in an archive what it does not include
# itself; every *_fuzz.c is one libFuzzer program. test/matrix.txt lists what is
# booted. tools/run-tests runs them.

H := build/host
HOST_ARCH := $(shell uname -m)
HOST_TEST_SRC := $(wildcard lib/*_test.c boot/*_test.c test/host/*_test.c)
HOST_FUZZ_SRC := $(wildcard lib/*_fuzz.c boot/*_fuzz.c test/host/*_fuzz.c)
HOST_TESTS := $(HOST_TEST_SRC:%.c=$(H)/%)
# Run by scripts of test/host.
HOST_PROGRAMS := $(H)/test/host/ext4/walk $(H)/test/host/ext4/write
HOST_FUZZERS := $(HOST_FUZZ_SRC:%.c=$(H)/%)

HOST_CFLAGS := -std=c23 -g -O1 -fno-omit-frame-pointer -D_GNU_SOURCE -DSTELLUX_HOST=1 -DSTELLUX_DEBUG=1 \
	-Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all $(REPRODUCIBLE) \
	-I. -Iboot -Inucleus/include -Inucleus/arch/$(HOST_ARCH)/include

# What the host's C library has stays the host's: of these two only the rest is global, and the sanitizer's note that a
# program's globals are known to it.
HOST_OWN := $(H)/obj/lib/string.c.o $(H)/obj/lib/format.c.o
HOST_LIB_OBJ := $(LIB_ALL:%=$(H)/obj/%.o)

$(eval $(call flags-file,$(H)/flags,$(CLANG) $(HOST_CFLAGS)))
$(eval $(call flags-file,$(H)/objects,$(HOST_LIB_OBJ)))

$(H)/obj/%.c.o: %.c $(H)/flags
	$(call say,CC,host $<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(HOST_CFLAGS) $(if $(filter $@,$(HOST_OWN)),-fno-builtin) $(if $(filter %_fuzz.c lib/ext4%,$<),-fsanitize=fuzzer-no-link) -MMD -MP -c $< -o $@
	$(if $(filter $@,$(HOST_OWN)),$(Q)$(OBJCOPY) --keep-global-symbol=strlcpy --keep-global-symbol=scnprintf --keep-global-symbol=string_make_printable --keep-global-symbol=___asan_globals_registered $@)

$(LIBFDT_USERS:%=$(H)/obj/%.o): HOST_CFLAGS += -I$(LIBFDT)/libfdt
$(LIBFDT_USERS:%=$(H)/obj/%.o): $(LIBFDT)/.version

# Trees that tests embed, from their sources.
DEVICETREES := $(patsubst test/host/%.dts,$(H)/%.dtb,$(wildcard test/host/devicetree/*.dts))
DEVICETREE_TESTS := $(wildcard lib/devicetree_test.c lib/arm_platform_test.c lib/arm_routes_test.c lib/arm_cpus_test.c test/host/arm_platform_fuzz.c test/host/arm_cpus_fuzz.c)
$(DEVICETREE_TESTS:%=$(H)/obj/%.o): HOST_CFLAGS += --embed-dir=$(H)
$(DEVICETREE_TESTS:%=$(H)/obj/%.o): $(DEVICETREES)

$(H)/%.dtb: test/host/%.dts
	$(call say,DTC,$@)
	@mkdir -p $(@D)
	$(Q)dtc -q -I dts -O dtb -o $@ $<

# A driver, or a bus, of the kernel before a model of its device.
$(H)/obj/test/host/nvme_driver_test.c.o $(patsubst %,$(H)/obj/%.o,$(wildcard test/host/ahci_driver*_test.c test/host/usb_*driver_test.c)) $(H)/obj/test/host/pci_bus_test.c.o: HOST_CFLAGS += -Ikernel/include -Ikernel/arch/$(HOST_ARCH)/include

# The nucleus's own headers name each other from its folder.
$(H)/obj/test/host/iommu_domains_test.c.o: HOST_CFLAGS += -Inucleus
$(H)/obj/test/host/smmu_test.c.o: HOST_CFLAGS += -iquote nucleus -iquote nucleus/arch/aarch64
$(H)/obj/test/host/vtd_units_test.c.o: HOST_CFLAGS += -Inucleus -Inucleus/arch/x86_64 -Inucleus/arch/x86_64/include

$(H)/lib.a: $(HOST_LIB_OBJ) $(H)/objects
	$(Q)rm -f $@ && $(AR) rcD $@ $(HOST_LIB_OBJ)

$(HOST_TESTS) $(HOST_PROGRAMS): $(H)/%: $(H)/obj/%.c.o $(H)/lib.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(HOST_CFLAGS) -o $@ $< $(H)/lib.a -lcmocka

$(HOST_FUZZERS): $(H)/%: $(H)/obj/%.c.o $(H)/lib.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(HOST_CFLAGS) -fsanitize=fuzzer -o $@ $< $(H)/lib.a

.PHONY: host-tests
host-tests: $(HOST_TESTS) $(HOST_PROGRAMS) $(HOST_FUZZERS) ## builds the tests that run on this machine

-include $(HOST_TEST_SRC:%=$(H)/obj/%.d) $(HOST_PROGRAMS:$(H)/%=$(H)/obj/%.c.d) $(HOST_FUZZ_SRC:%=$(H)/obj/%.d) $(HOST_LIB_OBJ:.o=.d)

# ARCH selects; all architectures otherwise. JOBS= is the number of suites at once.
TEST_ARCHES := $(if $(filter command line environment,$(origin ARCH)),$(ARCH),$(ARCHES))

RUN_TESTS = $(PYTHON) tools/run-tests $(TEST_ARCHES:%=--arch %) --build '$(BUILD)/{arch}-$(MODE)'

# These call make themselves, with as many jobs as there are processors, whatever -j says here. MAKE_COMMAND is MAKE's value: a recipe in which
# MAKE itself is named would run by `make -n`, too.
OWN_MAKE = MAKEFLAGS=$(call quoted,$(filter-out -j% --jobserver%,$(MAKEFLAGS)))

.PHONY: test
test: need ## runs all tests, or those that TEST=name selects
	$(Q)$(OWN_MAKE) $(RUN_TESTS) --make '$(MAKE_COMMAND)' --select '$(TEST)' $(if $(JOBS),--jobs $(JOBS))

.PHONY: test-wide test-wide-list
test-wide: need ## runs test's suites on more machines (test/matrix-wide.txt); results in doc/results
	$(Q)$(OWN_MAKE) $(RUN_TESTS) --wide --make '$(MAKE_COMMAND)' --select '$(TEST)' $(if $(JOBS),--jobs $(JOBS))
test-wide-list: ## names its suites
	$(Q)$(RUN_TESTS) --wide --list --select '$(TEST)'

# A failure that only this shows is of a test or a limit that depends on time. SEED= chooses when machines stand still.
.PHONY: test-stalled
test-stalled: need ## runs the tests that TEST=name selects while their machines stand still now and then, as on a busy host
	$(Q)$(OWN_MAKE) $(PYTHON) tools/stalled $(if $(SEED),--seed $(SEED)) $(RUN_TESTS) --make '$(MAKE_COMMAND)' --select '$(TEST)' $(if $(JOBS),--jobs $(JOBS))

.PHONY: test-list
test-list: ## names the suites, or those that TEST=name selects
	$(Q)$(RUN_TESTS) --list --select '$(TEST)'

# Long: a quarter of an hour for each architecture. SOAK_ROUNDS= is how many rounds.
.PHONY: soak soak-one
soak: need ## runs the soak test for 500 rounds: nothing in the kernel may grow; results in doc/results
	$(Q)$(foreach arch,$(TEST_ARCHES),$(MAKE) --no-print-directory ARCH=$(arch) soak-one &&) true
soak-one:
	$(Q)$(MAKE) --no-print-directory kernel boot initramfs user
	$(Q)STELLUX_ARCH=$(ARCH) STELLUX_BUILD=$(B) STELLUX_CPU=$(CPU) STELLUX_SMP=$(SMP) STELLUX_MEM=$(MEM_SIZE) PYTHONPATH=tools SOAK_RESULTS=1 \
		SOAK_ROUNDS=$(or $(SOAK_ROUNDS),500) SOAK_LIMIT_S=$(or $(SOAK_LIMIT_S),7200) $(PYTHON) test/soak/soak_test.py

.PHONY: test-blkdebug test-blkdebug-one
test-blkdebug: need ## has QEMU's blkdebug fail and delay every kind of request of a disk; results in doc/results
	$(Q)$(foreach arch,$(TEST_ARCHES),$(MAKE) --no-print-directory ARCH=$(arch) test-blkdebug-one &&) true
test-blkdebug-one:
	$(Q)$(MAKE) --no-print-directory kernel boot initramfs
	$(Q)STELLUX_ARCH=$(ARCH) STELLUX_BUILD=$(B) STELLUX_CPU=$(CPU) STELLUX_SMP=2 STELLUX_MEM=$(MEM_SIZE) PYTHONPATH=tools \
		$(PYTHON) test/devices/blkdebug_test.py

# About a second a round.
.PHONY: test-plug test-plug-one
test-plug: need ## plugs disks in and pulls them out a thousand times under load (ROUNDS=, SEED=); results in doc/results
	$(Q)$(foreach arch,$(TEST_ARCHES),$(MAKE) --no-print-directory ARCH=$(arch) test-plug-one &&) true
test-plug-one:
	$(Q)$(MAKE) --no-print-directory kernel boot initramfs
	$(Q)STELLUX_ARCH=$(ARCH) STELLUX_BUILD=$(B) STELLUX_CPU=$(CPU) STELLUX_SMP=2 STELLUX_MEM=$(MEM_SIZE) PYTHONPATH=tools \
		$(PYTHON) test/devices/plug_test.py $(or $(ROUNDS),1000) $(or $(SEED),1)

.PHONY: test-gdb-line
test-gdb-line: need ## has gdb on a serial line continue ROUNDS= (1000) times, beside all else that it does there
	$(Q)$(MAKE) --no-print-directory ARCH=x86_64 kernel boot initramfs
	$(Q)STELLUX_ARCH=x86_64 STELLUX_BUILD=$(BUILD)/x86_64-$(MODE) STELLUX_CPU=max STELLUX_SMP=$(SMP) STELLUX_MEM=$(MEM_SIZE) PYTHONPATH=tools \
		$(PYTHON) test/gdb_line_test.py $(or $(ROUNDS),1000)

# Long: hours. STRIKES= is how often each is struck, COMPONENTS= which, SEED= where.
.PHONY: test-strikes test-strikes-one
test-strikes: need ## has every component fault 200 times in the middle of a mixed workload; results in doc/results
	$(Q)$(foreach arch,$(TEST_ARCHES),$(MAKE) --no-print-directory ARCH=$(arch) test-strikes-one &&) true
test-strikes-one:
	$(Q)$(MAKE) --no-print-directory kernel kernel-strike boot initramfs
	$(Q)STELLUX_ARCH=$(ARCH) STELLUX_BUILD=$(B) STELLUX_CPU=$(CPU) STELLUX_SMP=1 STELLUX_MEM=$(MEM_SIZE) PYTHONPATH=tools \
		STRIKES=$(or $(STRIKES),200) SEED=$(or $(SEED),7) $(PYTHON) test/devices/strike_test.py $(COMPONENTS)

.PHONY: fuzz
fuzz: need ## calls kernel and nucleus with anything, SECONDS= long (600), from SEED=; results in doc/results
	$(Q)$(OWN_MAKE) $(PYTHON) tools/fuzz $(TEST_ARCHES:%=--arch %) --build '$(BUILD)/{arch}-$(MODE)' --make '$(MAKE_COMMAND)' --seconds $(or $(SECONDS),600) \
		$(if $(SEED),--seed $(SEED))
