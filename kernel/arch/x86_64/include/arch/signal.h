/* SPDX-License-Identifier: MIT */
/* Names and sizes that programs are told of the architecture; what exec and signals need of it is
 * kernel/user_context.h's. */
#ifndef ARCH_SIGNAL_H
#define ARCH_SIGNAL_H

#include <kernel/user_context.h>

#define ARCH_PLATFORM_NAME "x86_64"
#define ARCH_UTS_MACHINE   "x86_64"
#define ARCH_ELF_MACHINE   ELF_MACHINE_X86_64
#define ARCH_STACK_ALIGN   16
#define ARCH_MINSIGSTKSZ   2048

#endif
