# SPDX-License-Identifier: MIT
#
# QEMU. SMP=, MEM=, CPU= size the machine, GDB_PORT= is where the debugger finds it.
# Ctrl-A X ends a machine whose serial line is on the terminal. mk/arch-ARCH.mk names
# program, machine and firmware.

SMP ?= 2
MEM ?= 512M
CPU ?= $(QEMU_CPU)
GDB_PORT ?= 1234

# A number alone means MiB, as in QEMU's -m; its size= would take it for bytes.
MEM_SIZE = $(MEM)$(if $(filter %0 %1 %2 %3 %4 %5 %6 %7 %8 %9,$(MEM)),M)

# The memory is only reserved, so that a small host can run a large machine.
QEMU = $(QEMU_PROGRAM) $(QEMU_MACHINE) -bios $(FIRMWARE) -m $(MEM_SIZE) -machine memory-backend=ram \
	-object memory-backend-ram,id=ram,size=$(MEM_SIZE),reserve=off \
	-smp $(SMP) -cpu $(CPU) -no-reboot -nic none \
	-drive file=$(IMAGE),format=raw,snapshot=on $(QEMU_EXTRA)

# Refuses what cannot boot before anything is built: QEMU and firmware say it late, in other words, or not at all. (CPUs that are too many
# for its machine QEMU names itself.) The suffixes are QEMU's.
.PHONY: machine-check
machine-check:
	$(Q)[[ $(call quoted,$(SMP)) =~ ^[1-9][0-9]*$$ ]] || { echo $(call quoted,SMP=$(SMP))': give the number of CPUs, at least 1' >&2; exit 1; }
	$(Q)[[ $(call quoted,$(MEM)) =~ ^[0-9]+[MGTmgt]?$$ ]] || { echo $(call quoted,MEM=$(MEM))': give the size of memory, such as 512M or 4G' >&2; exit 1; }
	$(Q)mem='$(MEM_SIZE)'; bytes=$$(numfmt --from=iec $${mem^^} 2>&1) && [ $${#bytes} -lt 15 ] || \
		{ echo "MEM=$(MEM): no machine has so much memory; give a size such as 512M or 4G" >&2; exit 1; }; \
		[ $$bytes -ge $$(numfmt --from=iec $(MEM_LEAST)) ] || \
		{ echo "MEM=$(MEM): an $(ARCH) machine needs at least $(MEM_LEAST)" >&2; exit 1; }

.PHONY: run
run: machine-check need ## boots the image in QEMU, serial console on this terminal
	$(Q)$(MAKE) --no-print-directory image
	$(Q)$(QEMU) -nographic

.PHONY: run-headless
run-headless: machine-check need ## the same without a screen device
	$(Q)$(MAKE) --no-print-directory image
	$(Q)$(QEMU) -vga none -nographic

# With the gdb port open, stopped before the first instruction.
GDB_HINT = $(if $(filter-out 1234,$(GDB_PORT)), GDB_PORT=$(GDB_PORT))
DEBUG_HINT = @echo 'Waiting for gdb on port $(GDB_PORT): run "make connect-gdb-$*$(GDB_HINT)" in another terminal. Ctrl-A X ends the machine.'
.PHONY: $(ARCHES:%=run-qemu-%-debug) $(ARCHES:%=run-qemu-%-debug-headless)
run-qemu-x86_64-debug: ## boots with the gdb port open, waiting for connect-gdb-x86_64
run-qemu-x86_64-debug-headless: ## the same, serial console only
run-qemu-aarch64-debug: ## boots with the gdb port open, waiting for connect-gdb-aarch64
run-qemu-aarch64-debug-headless: ## the same, serial console only
$(ARCHES:%=run-qemu-%-debug): run-qemu-%-debug: need
	$(Q)$(MAKE) --no-print-directory ARCH=$* machine-check
	$(Q)$(MAKE) --no-print-directory ARCH=$* image
	$(DEBUG_HINT)
	$(Q)$(MAKE) --no-print-directory ARCH=$* run QEMU_EXTRA='-S -gdb tcp:127.0.0.1:$(GDB_PORT) $(QEMU_EXTRA)'
$(ARCHES:%=run-qemu-%-debug-headless): run-qemu-%-debug-headless: need
	$(Q)$(MAKE) --no-print-directory ARCH=$* machine-check
	$(Q)$(MAKE) --no-print-directory ARCH=$* image
	$(DEBUG_HINT)
	$(Q)$(MAKE) --no-print-directory ARCH=$* run-headless QEMU_EXTRA='-S -gdb tcp:127.0.0.1:$(GDB_PORT) $(QEMU_EXTRA)'

.PHONY: connect-gdb $(ARCHES:%=connect-gdb-%)
connect-gdb-x86_64: ## gdb with the symbols of both halves, at the machine that run-qemu-x86_64-debug started
connect-gdb-aarch64: ## gdb with the symbols of both halves, at the machine that run-qemu-aarch64-debug started
$(ARCHES:%=connect-gdb-%): connect-gdb-%: need
	$(Q)$(MAKE) --no-print-directory ARCH=$* connect-gdb
connect-gdb: $(GDB_ENTRY)
	$(Q)$(GDB) -q -ex 'set pagination off' -ex 'set confirm off' \
		-ex 'file $(B)/stellux.elf' -ex 'set $$gdb_port = $(GDB_PORT)' -ex 'set $$stellux_arch = "$(ARCH)"' \
		-ex 'set $$entry_page = "$(GDB_ENTRY)"' \
		-x tools/gdb_stellux.py -x tools/gdb-$(ARCH) $(GDB_EXTRA)

# The machine's own stub, on a serial line (doc/debugging.md): a device of this computer, or a socket of QEMU's.
GDB_LINE  ?= build/gdb-line
GDB_SPEED ?= 115200
.PHONY: connect-gdb-serial $(ARCHES:%=connect-gdb-serial-%)
connect-gdb-serial-x86_64: ## gdb with the symbols of both halves, at the stub behind the serial line GDB_LINE= (GDB_SPEED=)
connect-gdb-serial-aarch64: ## the same, for a stub that aarch64 does not have yet
$(ARCHES:%=connect-gdb-serial-%): connect-gdb-serial-%: need
	$(Q)$(MAKE) --no-print-directory ARCH=$* connect-gdb-serial
connect-gdb-serial: $(GDB_ENTRY)
	$(Q)$(GDB) -q -ex 'set pagination off' -ex 'set confirm off' \
		-ex 'file $(B)/stellux.elf' -ex 'set serial baud $(GDB_SPEED)' -ex 'set $$gdb_line = "$(GDB_LINE)"' \
		-ex 'set $$stellux_arch = "$(ARCH)"' -ex 'set $$entry_page = "$(GDB_ENTRY)"' -x tools/gdb_stellux.py $(GDB_EXTRA)
