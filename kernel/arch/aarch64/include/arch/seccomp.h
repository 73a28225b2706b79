/* SPDX-License-Identifier: MIT */
/* What filters of system calls see of aarch64 (seccomp(2)). */
#ifndef ARCH_SECCOMP_H
#define ARCH_SECCOMP_H

#include <stdint.h>

constexpr uint32_t SECCOMP_ARCH = 0xc00000b7; /* AUDIT_ARCH_AARCH64 */

/* What the register of the result held when the call was made: x0, which had the first argument. */
static inline uint64_t arch_call_undone(uint64_t, uint64_t first)
{
	return first;
}

#endif
