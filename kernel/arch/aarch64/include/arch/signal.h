/* SPDX-License-Identifier: MIT */
/* Names and sizes that programs are told of the architecture; what exec and signals need of it is
 * kernel/process/user_context.h's. */
#ifndef ARCH_SIGNAL_H
#define ARCH_SIGNAL_H

#include <kernel/process/user_context.h>

#define ARCH_PLATFORM_NAME "aarch64"
#define ARCH_UTS_MACHINE   "aarch64"
#define ARCH_ELF_MACHINE   ELF_MACHINE_AARCH64
#define ARCH_STACK_ALIGN   16
#define ARCH_MINSIGSTKSZ   5120

/* Registers of a core file (NT_PRSTATUS, NT_FPREGSET): so many, the first of them in the order of struct user_regs, the
 * others none; the thread pointer is a note of its own. */
enum : unsigned { ARCH_CORE_REGS = 34, ARCH_CORE_REGS_KNOWN = 34, ARCH_CORE_FPU_BYTES = 528 };
constexpr bool ARCH_CORE_HAS_TLS = true;
static inline uint64_t arch_core_tls(const struct user_regs *r)
{
	return r->tpidr;
}

#endif
