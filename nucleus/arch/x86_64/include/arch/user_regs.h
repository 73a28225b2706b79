/* SPDX-License-Identifier: MIT */
/* General registers of an x86_64 process context. */
#ifndef ARCH_USER_REGS_H
#define ARCH_USER_REGS_H

#include <stdint.h>

struct user_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax; /* system-call number, or UINT64_MAX when not entered by one */
	uint64_t rip, cs, rflags, rsp, ss;
	uint64_t fs_base, gs_base;
};

#endif
