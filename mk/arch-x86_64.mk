# SPDX-License-Identifier: MIT
#
# All that the build must know about x86_64.

KERNEL_TARGET := x86_64-unknown-none-elf
KERNEL_ARCH_CFLAGS := -mcmodel=kernel -mno-red-zone -mgeneral-regs-only
BOOT_TARGET   := x86_64-unknown-windows
BOOT_ARCH_CFLAGS := -mno-red-zone -mgeneral-regs-only
BOOT_MACHINE  := x64
EFI_NAME      := BOOTX64.EFI
USER_TARGET   := x86_64-linux-musl
DEB_ARCH      := amd64
