/* SPDX-License-Identifier: MIT */
/* General registers of an aarch64 process context. */
#ifndef ARCH_USER_REGS_H
#define ARCH_USER_REGS_H

#include <stdint.h>

struct user_regs {
	uint64_t x[31];
	uint64_t sp, pc, pstate;
	uint64_t orig_x0;      /* x0 at the entry of a system call, for restarts */
	uint64_t orig_syscall; /* its number (x8), or UINT64_MAX when not entered by one */
	uint64_t tpidr;	       /* TPIDR_EL0, the process's thread pointer */
};

/* What fpu_get and fpu_set pass through the call area (boot_info.fpu_state_bytes). */
struct user_fpu {
	unsigned __int128 v[32];
	uint32_t fpsr, fpcr;
	uint32_t reserved[2];
};
static_assert(sizeof(struct user_fpu) == 528);

#endif
