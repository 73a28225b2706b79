/* SPDX-License-Identifier: MIT */
/* What of the nucleus calls on the process context of a thread (sched/context_calls.c) is of aarch64: registers, FPU
 * state, thread pointer. */
#include "cpu.h"
#include "gate/calls.h"
#include "regs.h"
#include "sched/sched.h"
#include <lib/string.h>
#include <nucleus/upcall.h>

/* The registers stand in the same order in both, up to and with what restarts need. */
static_assert(offsetof(struct context, syscall) == offsetof(struct user_regs, orig_syscall));
static_assert(offsetof(struct context, pc) == offsetof(struct user_regs, pc));
enum { SHARED_BYTES = offsetof(struct user_regs, tpidr) };

void arch_regs_get(const struct record *r, struct user_regs *u)
{
	memcpy(u, &r->process, SHARED_BYTES);
	u->tpidr = r->tls.tpidr;
}

bool arch_regs_ok(const struct user_regs *u)
{
	/* A call in the last word returns there, which the way out refuses. */
	return u->pc <= USER_END;
}

/* Anything that gets here is safe to return to: EL0 in AArch64, nothing masked, no single step. */
void arch_regs_set(struct record *r, const struct user_regs *u)
{
	memcpy(&r->process, u, SHARED_BYTES);
	r->process.pstate = (u->pstate & PSTATE_USER) | PSTATE_EL0;
	r->tls.tpidr = u->tpidr;
}

/* All bits that some extension defines (DDI 0487, C5.2.8, C5.2.10): whatever the registers can hold may come back. */
enum : uint32_t { FPSR_ALLOWED = 0xf800009f, FPCR_ALLOWED = 0x07ffbf07 };

static_assert(CALL_AREA_BYTES >= sizeof(struct user_fpu));
bool arch_fpu_ok(const unsigned char *area)
{
	struct user_fpu state;

	memcpy(&state, area, sizeof(state));
	return !(state.fpsr & ~FPSR_ALLOWED) && !(state.fpcr & ~FPCR_ALLOWED);
}
