# SPDX-License-Identifier: MIT
#
# All that the build must know about x86_64.

KERNEL_TARGET := x86_64-unknown-none-elf
KERNEL_ARCH_CFLAGS := -mcmodel=kernel -mno-red-zone -mgeneral-regs-only
BOOT_TARGET   := x86_64-unknown-windows
BOOT_ARCH_CFLAGS := -mno-red-zone -mgeneral-regs-only -mno-stack-arg-probe
BOOT_MACHINE  := x64
EFI_NAME      := BOOTX64.EFI
USER_TARGET   := x86_64-linux-musl
USER_ARCH_CFLAGS :=
DEB_ARCH      := amd64
CONSOLE       := ttyS0

# The compiler's arithmetic helpers for user programs: the installed compiler has them.
USER_BUILTINS = $(shell $(CLANG) -target $(USER_TARGET) --rtlib=compiler-rt -print-libgcc-file-name)

QEMU_PROGRAM := qemu-system-x86_64
QEMU_MACHINE := -machine q35
QEMU_CPU     := max
MEM_LEAST    := 128M
FIRMWARE     ?= $(firstword $(wildcard /usr/share/ovmf/OVMF.fd /usr/share/qemu/OVMF.fd) /usr/share/ovmf/OVMF.fd)
GDB          := gdb

# What connect-gdb loads for each CPU's copy of the entry code: its names, lines and unwind tables.
GDB_ENTRY := $(B)/entry-page.elf
$(GDB_ENTRY): $(B)/n/nucleus/arch/x86_64/entry.S.o mk/arch-x86_64.mk
	$(call say,LD,$@)
	$(Q)$(OBJCOPY) --rename-section=.rodata.entry_template=.entry_template $< $@.o
	$(Q)$(LD) -o $@.tmp -e 0 --unresolved-symbols=ignore-all $@.o
	$(Q)$(OBJCOPY) --remove-section=.text --remove-section=.rodata --rename-section=.entry_template=.text $@.tmp $@
