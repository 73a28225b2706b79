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
#include "gate/lock.h"
#include "gic.h"
#include "iommu/iommu.h"
#include "irq/irq.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/report.h"
#include "sched/sched.h"
#include "switch.h"
#include "time/clock.h"
#include <lib/string.h>
#include <nucleus/upcall.h>

/* Called by entry.S. */
[[noreturn]] void trap_handle(struct context *c);
[[noreturn]] void trap_fatal(struct context *c);

uint64_t arch_image_address(uint64_t pc)
{
	return pc;
}

/* --- interrupts --- */

[[noreturn]] static void interrupt(struct cpu *cpu, struct record *r, struct context *c) NO_THREAD_SAFETY
{
	struct interrupt i = gic_acknowledge();

	switch (i.kind) {
	case INTERRUPT_NONE: account_resume(c);
	case INTERRUPT_STOP: gic_end(i); cpu_halt_forever();
	case INTERRUPT_SERVE:
		/* Whoever waits for it holds the lock. */
		cpu->counts.irq++;
		shootdown_serve();
		gic_end(i);
		account_resume(c);
	case INTERRUPT_TIMER:
		if (sched_quiet_tick(cpu, c->is_process)) {
			cpu->counts.irq++;
			gic_end(i);
			account_resume(c);
		}
		break;
	default: break;
	}
	nucleus_lock_acquire();
	cpu->counts.irq++;
	account_apply(cpu);
	if (i.kind == INTERRUPT_TIMER)
		sched_tick(cpu, c->is_process);
	else if (i.kind == INTERRUPT_DEVICE)
		irq_deliver(i.slot);
	else if (i.kind == INTERRUPT_IOMMU)
		iommu_interrupt();
	else if (i.kind == INTERRUPT_UNKNOWN)
		gic_silence(i);
	/* After a level-triggered line was masked, or it would come again at once. */
	gic_end(i);
	trap_interrupt_done(cpu, r, c);
}

/* --- everything --- */

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
		interrupt(cpu, r, c);
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
