# SPDX-License-Identifier: MIT
#
# QEMU. SMP=, MEM=, CPU= size the machine. Ctrl-A X ends a machine whose serial
# line is on the terminal.

SMP ?= 2
MEM ?= 512M
CPU ?= max
GDB_PORT ?= 1234

OVMF ?= $(firstword $(wildcard /usr/share/ovmf/OVMF.fd /usr/share/qemu/OVMF.fd) /usr/share/ovmf/OVMF.fd)
QEMU_x86_64 := qemu-system-x86_64
QEMU_FLAGS_x86_64 = -machine q35 -bios $(OVMF)

# The memory is only reserved, so that a small host can run a large machine.
QEMU_FLAGS = $(QEMU_FLAGS_$(ARCH)) -m $(MEM) -machine memory-backend=ram \
	-object memory-backend-ram,id=ram,size=$(MEM),reserve=off \
	-smp $(SMP) -cpu $(CPU) -no-reboot -nic none \
	-drive file=$(IMAGE),format=raw,snapshot=on $(QEMU_EXTRA)
QEMU = $(QEMU_$(ARCH)) $(QEMU_FLAGS)

.PHONY: run
run: need ## boots the image in QEMU, serial console on this terminal
	$(Q)$(MAKE) --no-print-directory image
	$(Q)$(QEMU) -nographic

.PHONY: run-headless
run-headless: need ## the same without a screen device
	$(Q)$(MAKE) --no-print-directory image
	$(Q)$(QEMU) -vga none -nographic

# With the gdb port open, stopped before the first instruction.
.PHONY: $(ARCHES:%=run-qemu-%-debug) $(ARCHES:%=run-qemu-%-debug-headless)
run-qemu-x86_64-debug: ## boots with the gdb port open, waiting for connect-gdb-x86_64
run-qemu-x86_64-debug-headless: ## the same, serial console only
$(ARCHES:%=run-qemu-%-debug): run-qemu-%-debug:
	$(Q)$(MAKE) --no-print-directory ARCH=$* run QEMU_EXTRA='-S -gdb tcp::$(GDB_PORT)'
$(ARCHES:%=run-qemu-%-debug-headless): run-qemu-%-debug-headless:
	$(Q)$(MAKE) --no-print-directory ARCH=$* run-headless QEMU_EXTRA='-S -gdb tcp::$(GDB_PORT)'

.PHONY: $(ARCHES:%=connect-gdb-%)
connect-gdb-x86_64: ## gdb with the symbols of both halves, attached to it
$(ARCHES:%=connect-gdb-%): connect-gdb-%: need
	$(Q)gdb -q -ex 'set pagination off' -ex 'set confirm off' \
		-ex 'file $(BUILD)/$*-$(MODE)/stellux.elf' -ex 'target remote :$(GDB_PORT)' \
		-x tools/gdb-$* $(GDB_EXTRA)
