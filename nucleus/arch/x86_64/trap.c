/* SPDX-License-Identifier: MIT */
/*
 * Interrupts, exceptions and violations on x86_64: who was interrupted, and what becomes of it.
 *
 * A process's exception becomes an upcall; a lowered kernel exception becomes a report and containment; one in the
 * nucleus, a bracket included, is the end. Provenance is the saved CPL and which context the hardware wrote into, never
 * the program counter alone.
 */
#include "trap/trap.h"
#include "apic.h"
#include "debug/debug.h"
#include "fault.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/report.h"
#include "sched/sched.h"
#include <lib/string.h>
#include <nucleus/upcall.h>

extern const char entry_template[];

/* Called by entry.S. */
[[noreturn]] void gate_violation(void);
[[noreturn]] void trap_handle(struct context *c);
[[noreturn]] void trap_fatal(struct context *c);

uint64_t arch_image_address(uint64_t pc)
{
	uint64_t entry = cpu_area(cpu_this()->id);

	return pc >= entry && pc < entry + PAGE_SIZE ? pc - entry + (uint64_t)entry_template : pc;
}

[[noreturn]] void gate_violation(void)
{
	struct cpu *cpu = cpu_this();

	trap_gate_violation(cpu, cpu->current, &cpu->current->kernel);
}

[[noreturn]] void trap_handle(struct context *c) NO_THREAD_SAFETY
{
	struct cpu *cpu = c->cpu;
	struct record *r = cpu->current;

	debug_look(c);
	if (trap_in_nucleus(c, r) && !trap_in_idle(c))
		panic(c, "exception %lu in the nucleus, error 0x%lx, address 0x%lx", c->vector, c->error, cr2_read());
	trap_enter(cpu, r, c);
	if (c->vector >= VECTOR_FIRST_INTERRUPT)
		trap_interrupt(cpu, r, c);
	trap_exception(cpu, r, c);
}

static bool stopping;

[[noreturn]] void trap_fatal(struct context *c)
{
	/* Another CPU powers the machine off, or has the panic. */
	if (c->vector == VECTOR_STOP && __atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
		cpu_halt_forever();
	panic(c, "exception %lu, error 0x%lx", c->vector, c->error);
}

void arch_panic_prepare(void)
{
	cr3_write(kernel_root_phys);
	__atomic_store_n(&stopping, true, __ATOMIC_SEQ_CST);
	debug_on() ? debug_panic_begins() : apic_stop_others();
}

static_assert(offsetof(struct context, rdi) / 8 == REPORT_RDI && offsetof(struct context, rsp) / 8 == REPORT_RSP);
void arch_report_registers(const struct context *c, uint64_t *out)
{
	memcpy(out, c, REPORT_CR3 * sizeof(*out));
	out[REPORT_CR3] = cr3_read();
}
