# SPDX-License-Identifier: MIT
#
# All that the build must know about aarch64: Armv8.0 is the baseline (cortex-a57), what is newer is
# found at run time. Atomics are inline, never calls of the compiler's helpers. Everything in C runs
# with the MMU on and alignment checks off, so unaligned accesses to memory are allowed. BTI's
# landing pads are hints that older CPUs pass over.

KERNEL_TARGET := aarch64-unknown-none-elf
KERNEL_ARCH_CFLAGS := -march=armv8-a -mgeneral-regs-only -mno-outline-atomics -mbranch-protection=bti
BOOT_TARGET   := aarch64-unknown-windows
BOOT_ARCH_CFLAGS := -march=armv8-a -mgeneral-regs-only -mno-outline-atomics
BOOT_MACHINE  := arm64
EFI_NAME      := BOOTAA64.EFI
USER_TARGET   := aarch64-linux-musl
USER_ARCH_CFLAGS := -march=armv8-a -mno-outline-atomics
DEB_ARCH      := arm64
CONSOLE       := ttyAMA0

# The compiler's arithmetic helpers for user programs (musl's long double needs them).
USER_BUILTINS_PACKAGE := libclang-rt-19-dev
USER_BUILTINS = $(wildcard $(call package,$(USER_BUILTINS_PACKAGE))/usr/lib/llvm-19/lib/clang/*/lib/linux/libclang_rt.builtins-aarch64.a)

# The firmware's menu with one second of patience boots sooner than its default, which waits for more.
QEMU_PROGRAM := qemu-system-aarch64
QEMU_MACHINE := -machine virt -boot menu=on,splash-time=1
QEMU_CPU     := max,pauth-impdef=on
MEM_LEAST    := 256M
FIRMWARE     ?= $(firstword $(wildcard /usr/share/qemu-efi-aarch64/QEMU_EFI.fd /usr/share/AAVMF/AAVMF_CODE.fd) /usr/share/qemu-efi-aarch64/QEMU_EFI.fd)
GDB          := gdb-multiarch
