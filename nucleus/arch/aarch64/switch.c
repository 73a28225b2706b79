/* SPDX-License-Identifier: MIT */
/*
 * Switching threads on aarch64: what the gates use of a thread (contexts, table registers, thread page), FPU state and
 * thread pointer. FPU state stays in the registers while kernel threads run, and is loaded again only if someone else
 * used them or the thread was on another CPU.
 */
#include "switch.h"
#include "cpu.h"
#include "frame/frames.h"
#include "gate/policy.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/trace.h"
#include "sched/sched.h"
#include <lib/string.h>

/* All zero: rounding to nearest, nothing trapped, no flags. */
void fpu_reset(struct record *r)
{
	memset(r->fpu, 0, cpu_features.fpu_bytes);
}

void arch_thread_init(struct record *r)
{
	r->process.pstate = PSTATE_EL0;
	r->process.syscall = UINT64_MAX;
	r->full_restore = true;
	fpu_reset(r);
}

/* What a thread's kernel context runs as. Privileged kernel code never touches user memory by its user address. */
static uint64_t home_pstate(const struct record *r)
{
	if (!r->home_elevated)
		return PSTATE_EL0;
	return PSTATE_EL1T | (privilege_mode == MODE_OFF && cpu_features.pan ? (uint64_t)PSTATE_PAN : 0);
}

void arch_set_upcall(struct record *r, uint64_t entry, uint64_t stack, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct context *k = &r->kernel;

	k->pc = entry;
	k->sp = stack;
	k->x[29] = k->x[30] = 0;
	k->x[0] = a;
	k->x[1] = b;
	k->x[2] = c;
	k->x[3] = d;
	k->pstate = home_pstate(r);
}

void arch_tls_store(struct record *r)
{
	if (r->space)
		r->tls.tpidr = sysreg_read(tpidr_el0);
}

void arch_tls_load(const struct record *r)
{
	if (r->space)
		sysreg_write(tpidr_el0, r->tls.tpidr);
}

void arch_switch_from(struct cpu *cpu, struct record *r)
{
	if (cpu->fpu_owner == r)
		fpu_store(r->fpu);
	if (!r->space)
		return;
	arch_tls_store(r);
	/* Cache maintenance that the process has begun here: its own DSB may come on another CPU, for which only what
	 * that CPU began is complete. */
	dsb_ish();
}

void arch_enter(struct cpu *cpu, bool process)
{
	if (process)
		view_load(cpu->process_ttbr0, cpu->process_ttbr1, false);
	else
		view_load(cpu->kernel_ttbr0, cpu->kernel_ttbr1, true);
}

void arch_switch_to(struct cpu *cpu, struct record *r)
{
	cpu->process_context = &r->process;
	cpu->kernel_context = &r->kernel;
	cpu->upcall_pstate = home_pstate(r);
	cpu->thread_page = r->page_pfn ? WINDOW_BASE + (r->page_pfn << PAGE_SHIFT) : 0;
	r->kernel.may_elevate = r->home_elevated || policy_allows(MAY_ELEVATE, r->component);
	cpu->process_ttbr0 = cpu->kernel_ttbr0 = view_empty_ttbr0;
	cpu->process_ttbr1 = cpu->kernel_ttbr1 = kernel_root_phys;
	if (!r->space)
		return;
	cpu->process_ttbr0 = view_ttbr0(r->space);
	cpu->process_ttbr1 = view_process_ttbr1;
	if (r->home_elevated) {
		cpu->kernel_ttbr0 = cpu->process_ttbr0;
		cpu->kernel_ttbr1 = cpu->process_ttbr1;
	}
}
