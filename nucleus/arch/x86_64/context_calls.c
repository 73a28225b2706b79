/* SPDX-License-Identifier: MIT */
/* What of the nucleus calls on the process context of a thread (sched/context_calls.c) is of x86_64: registers, FPU
 * state, TLS bases. */
#include "cpu.h"
#include "gate/calls.h"
#include "regs.h"
#include "sched/sched.h"
#include <lib/string.h>
#include <nucleus/upcall.h>

void arch_regs_get(const struct record *r, struct user_regs *u)
{
	const struct context *p = &r->process;

	/* The general registers stand in the same order in both. */
	static_assert(offsetof(struct context, rdi) == offsetof(struct user_regs, rdi));
	memcpy(u, p, offsetof(struct user_regs, orig_rax));
	u->orig_rax = p->vector == VECTOR_SYSCALL ? p->error : UINT64_MAX;
	u->rip = p->rip;
	u->cs = p->cs;
	u->rflags = p->rflags;
	u->rsp = p->rsp;
	u->ss = p->ss;
	u->fs_base = r->tls.fs_base;
	u->gs_base = r->tls.gs_base;
}

static bool canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* A call in the last bytes returns to USER_END, which the way out refuses. Bases only need to be loadable: a process
 * may have given itself any with WRGSBASE, and reaches nothing through it. */
bool arch_regs_ok(const struct user_regs *u)
{
	return u->rip <= USER_END && canonical(u->fs_base) && canonical(u->gs_base);
}

/* Anything that gets here is safe to IRET with: our selectors, no IOPL or NT, canonical user addresses. */
void arch_regs_set(struct record *r, const struct user_regs *u)
{
	struct context *p = &r->process;

	memcpy(p, u, offsetof(struct user_regs, orig_rax));
	p->vector = u->orig_rax == UINT64_MAX ? 0 : VECTOR_SYSCALL;
	p->error = u->orig_rax == UINT64_MAX ? 0 : u->orig_rax;
	p->rip = u->rip;
	p->cs = SELECTOR_USER_CODE;
	p->ss = SELECTOR_USER_DATA;
	p->rflags = (u->rflags & RFLAGS_USER) | RFLAGS_IF | 2;
	p->rsp = u->rsp;
	r->tls.fs_base = u->fs_base;
	r->tls.gs_base = u->gs_base;
}

/* Header of the XSAVE area (Intel SDM vol. 1, 13.4.2): unknown features, a compacted form or reserved bits would fault
 * in XRSTOR; so would reserved MXCSR bits. */
static_assert(CALL_AREA_BYTES >= 2696);
bool arch_fpu_ok(const unsigned char *area)
{
	uint64_t header[8];
	uint32_t mxcsr;

	memcpy(&mxcsr, area + 24, sizeof(mxcsr));
	if (mxcsr & ~cpu_features.mxcsr_mask)
		return false;
	if (!cpu_features.xsave)
		return true;
	memcpy(header, area + 512, sizeof(header));
	if (header[0] & ~cpu_features.xcr0)
		return false;
	for (int i = 1; i < 8; i++)
		if (header[i])
			return false;
	return true;
}
