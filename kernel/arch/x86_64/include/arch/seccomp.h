/* SPDX-License-Identifier: MIT */
/* What filters of system calls see of x86_64 (seccomp(2)). */
#ifndef ARCH_SECCOMP_H
#define ARCH_SECCOMP_H

#include <stdint.h>

constexpr uint32_t SECCOMP_ARCH = 0xc000003e; /* AUDIT_ARCH_X86_64 */

/* What the register of the result held when the call was made: rax, which had the call's number. */
static inline uint64_t arch_call_undone(uint64_t number, uint64_t)
{
	return number;
}

#endif
