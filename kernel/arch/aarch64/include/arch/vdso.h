/* SPDX-License-Identifier: MIT */
/* What the kernel knows of its arm64 vDSO (vdso/vdso.lds keeps to it). */
#ifndef ARCH_VDSO_H
#define ARCH_VDSO_H

#include <stdint.h>

constexpr uint64_t VDSO_SIGRETURN = 0x600; /* offset of __kernel_rt_sigreturn */

#endif
