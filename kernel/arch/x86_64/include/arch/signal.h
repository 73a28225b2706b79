/* SPDX-License-Identifier: MIT */
/* Names and sizes that programs are told of the architecture; what exec and signals need of it is
 * kernel/process/user_context.h's. */
#ifndef ARCH_SIGNAL_H
#define ARCH_SIGNAL_H

#include <kernel/process/user_context.h>

#define ARCH_PLATFORM_NAME "x86_64"
#define ARCH_UTS_MACHINE   "x86_64"
#define ARCH_ELF_MACHINE   ELF_MACHINE_X86_64
#define ARCH_STACK_ALIGN   16
#define ARCH_MINSIGSTKSZ   2048

/* Registers of a core file (NT_PRSTATUS, NT_FPREGSET): so many, the first of them in the order of struct user_regs, the
 * others segments that are zero; the thread pointer is among them. */
enum : unsigned { ARCH_CORE_REGS = 27, ARCH_CORE_REGS_KNOWN = 23, ARCH_CORE_FPU_BYTES = 512 };
constexpr bool ARCH_CORE_HAS_TLS = false;
static inline uint64_t arch_core_tls(const struct user_regs *)
{
	return 0;
}

#endif
