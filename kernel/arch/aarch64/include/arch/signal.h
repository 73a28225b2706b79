/* SPDX-License-Identifier: MIT */
/* Names and sizes that programs are told of the architecture; what exec and signals need of it is
 * kernel/user_context.h's. */
#ifndef ARCH_SIGNAL_H
#define ARCH_SIGNAL_H

#include <kernel/user_context.h>

#define ARCH_PLATFORM_NAME "aarch64"
#define ARCH_UTS_MACHINE   "aarch64"
#define ARCH_ELF_MACHINE   ELF_MACHINE_AARCH64
#define ARCH_STACK_ALIGN   16
#define ARCH_MINSIGSTKSZ   5120

#endif
