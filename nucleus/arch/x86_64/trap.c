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
#include "boot/image.h"
#include "cpu.h"
#include "fault.h"
#include "gate/account.h"
#include "gate/lock.h"
#include "irq/irq.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/report.h"
#include "report/trace.h"
#include "sched/sched.h"
#include "time/clock.h"
#include <lib/string.h>
#include <nucleus/upcall.h>

extern const char entry_template[], idle_loop[], idle_loop_end[];

/* Called by entry.S. */
[[noreturn]] void gate_violation(void);
[[noreturn]] void trap_handle(struct context *c);
[[noreturn]] void trap_fatal(struct context *c);

static bool in_idle(const struct context *c)
{
	return c->rip >= (uint64_t)idle_loop && c->rip < (uint64_t)idle_loop_end;
}
static bool in_bracket(const struct context *c)
{
	return !(c->cs & 3) && c->rip >= ELEVATED_BASE && c->rip < ELEVATED_END;
}
/* Privileged code outside brackets is the nucleus's, unless the thread is privileged at home: then only the nucleus's
 * own text is. */
static bool in_nucleus(const struct context *c, const struct record *r)
{
	if (c->cs & 3 || in_bracket(c))
		return false;
	if (r->home_elevated && !c->is_process)
		return image_range_has(image_header()->nucleus_text, c->rip) ||
		       (c->rip >= CPU_AREAS_BASE && c->rip < CPU_DEVICES_BASE);
	return true;
}

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

/* --- interrupts --- */

static void handle_interrupt(struct cpu *cpu, struct context *c)
{
	cpu->counts.irq++;
	if (c->vector == VECTOR_SHOOTDOWN) {
		shootdown_serve();
		apic_eoi();
		return;
	}
	if (c->vector == VECTOR_SPURIOUS)
		return;
	account_apply(cpu);
	if (c->vector == VECTOR_TIMER)
		sched_tick(cpu, c->is_process);
	else if (c->vector >= VECTOR_DEVICE && c->vector < VECTOR_DEVICE + VECTORS_DEVICE)
		irq_deliver(apic_line(cpu->id, c->vector));
	/* After a level-triggered line was masked, or it would come again at once. */
	apic_eoi();
}

[[noreturn]] void trap_handle(struct context *c) NO_THREAD_SAFETY
{
	struct cpu *cpu = c->cpu;
	struct record *r = cpu->current;
	struct offence o;

	if (in_nucleus(c, r) && !in_idle(c))
		panic(c, "exception %lu in the nucleus, error 0x%lx, address 0x%lx", c->vector, c->error, cr2_read());
	account_enter(cpu, c->is_process   ? FROM_PROCESS
			   : in_idle(c)	   ? FROM_IDLE
			   : in_bracket(c) ? FROM_BRACKET
					   : FROM_LOWERED);
	r->in_process = c->is_process;
	if (c->vector >= VECTOR_FIRST_INTERRUPT) {
		if (c->vector == VECTOR_SHOOTDOWN) {
			/* Whoever waits for it holds the lock. */
			handle_interrupt(cpu, c);
			account_resume(c);
		}
		if (c->vector == VECTOR_TIMER && sched_quiet_tick(cpu, c->is_process)) {
			cpu->counts.irq++;
			apic_eoi();
			account_resume(c);
		}
		nucleus_lock_acquire();
		handle_interrupt(cpu, c);
		trap_interrupt_done(cpu, r, c, in_idle(c), in_bracket(c));
	}
	trace_add(cpu, TRACE_FAULT, c->rip, fault_number(c));
	if (c->is_process) {
		/*
		 * An access that the processor made for the process with its own rights (a descriptor table; under
		 * emulation also IRET's stack, which SMAP then forbids) cannot be mended by mapping a page: trying
		 * would go on for ever.
		 */
		bool implicit = c->vector == VECTOR_PAGE_FAULT && !(c->error & FAULT_USER);

		trap_upcall_event(cpu, r, implicit ? EVENT_PROTECTION : fault_event(c), fault_code(c),
				  fault_address(c));
	}
	if (in_bracket(c))
		panic(c, "exception %lu in a bracket, error 0x%lx, address 0x%lx", c->vector, c->error, cr2_read());
	o = (struct offence){.pc = c->rip, .fault = fault_number(c), .code = c->error, .address = fault_address(c)};
	trap_contain(cpu, r, c, &o);
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
	apic_stop_others();
}

static_assert(offsetof(struct context, rdi) / 8 == REPORT_RDI && offsetof(struct context, rsp) / 8 == REPORT_RSP);
void arch_report_registers(const struct context *c, uint64_t *out)
{
	memcpy(out, c, REPORT_CR3 * sizeof(*out));
	out[REPORT_CR3] = cr3_read();
}
