/* SPDX-License-Identifier: MIT */
/*
 * Interrupts, exceptions and violations on aarch64: who was interrupted, and what becomes of it.
 *
 * A process's exception becomes an upcall; a lowered kernel exception becomes a report and containment; one in the
 * nucleus, a bracket included, is the end. Provenance is the saved exception level and which context the registers went
 * into, never the program counter alone.
 */
#include "trap/trap.h"
#include "cpu.h"
#include "fault.h"
#include "features.h"
#include "gate/account.h"
#include "gic.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/report.h"
#include "sched/sched.h"
#include "switch.h"
#include <lib/string.h>
#include <nucleus/upcall.h>

/* Called by entry.S. */
[[noreturn]] void trap_handle(struct context *c);
[[noreturn]] void trap_fatal(struct context *c);

uint64_t arch_image_address(uint64_t pc)
{
	return pc;
}

[[noreturn]] void trap_handle(struct context *c) NO_THREAD_SAFETY
{
	struct cpu *cpu = c->cpu;
	struct record *r = cpu->current;

	if (c->kind == KIND_VIOLATION)
		trap_gate_violation(cpu, r, c);
	if (c->kind > KIND_INTERRUPT)
		panic(c, "%s, syndrome 0x%lx", c->kind == KIND_ERROR ? "SError" : "FIQ", c->syndrome);
	if (c->kind == KIND_SYNCHRONOUS && trap_in_nucleus(c, r))
		panic(c, "exception in the nucleus, syndrome 0x%lx, address 0x%lx", c->syndrome, c->fault);
	trap_enter(cpu, r, c);
	if (c->kind == KIND_INTERRUPT)
		trap_interrupt(cpu, r, c);
	if (c->is_process && fault_was_first_touch(cpu, r, c)) {
		arch_enter(cpu, true);
		account_resume(c);
	}
	if (!c->is_process && fault_was_stale_walk(c))
		account_resume(c);
	if (c->is_process && features_answered(c))
		account_resume(c);
	trap_exception(cpu, r, c);
}

[[noreturn]] void trap_fatal(struct context *c)
{
	panic(c, "exception in the nucleus, syndrome 0x%lx, address 0x%lx", c->syndrome, c->fault);
}

void arch_panic_prepare(void)
{
	view_load(view_empty_ttbr0, kernel_root_phys, true);
	gic_stop_others();
}

static_assert(offsetof(struct context, pstate) / 8 == REPORT_PSTATE);
void arch_report_registers(const struct context *c, uint64_t *out)
{
	memcpy(out, c, REPORT_ESR * sizeof(*out));
	out[REPORT_ESR] = c->syndrome;
	out[REPORT_FAR] = c->fault;
	out[REPORT_TTBR0] = sysreg_read(ttbr0_el1);
	out[REPORT_TTBR1] = sysreg_read(ttbr1_el1);
}
