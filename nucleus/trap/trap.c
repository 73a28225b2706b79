/* SPDX-License-Identifier: MIT */
/*
 * Events of processes and containment, for every architecture: a process's exception becomes an upcall, a fault of the
 * lowered kernel a report and an upcall that unwinds it. Lock: the nucleus lock, as trap.h says.
 */
#include "trap/trap.h"
#include "boot/image.h"
#include "debug/debug.h"
#include "fault.h"
#include "gate/account.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "iommu/iommu.h"
#include "irq/irq.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include "report/report.h"
#include "report/trace.h"
#include "sched/sched.h"
#include <nucleus/upcall.h>

extern const char idle_loop[], idle_loop_end[]; /* entry.S */

bool trap_in_idle(const struct context *c)
{
	return context_privileged(c) && context_pc(c) >= (uint64_t)idle_loop && context_pc(c) < (uint64_t)idle_loop_end;
}

static bool in_bracket(const struct context *c)
{
	return context_privileged(c) && context_pc(c) >= ELEVATED_BASE && context_pc(c) < ELEVATED_END;
}

/* Privileged code outside brackets is the nucleus's, unless the thread is privileged at home: then only the nucleus's
 * own text is. */
bool trap_in_nucleus(const struct context *c, const struct record *r)
{
	if (!context_privileged(c) || in_bracket(c))
		return false;
	return !r->home_elevated || c->is_process || image_range_has(image_header()->nucleus_text, context_pc(c)) ||
	       (CPU_AREAS_HAVE_TEXT && context_pc(c) >= CPU_AREAS_BASE && context_pc(c) < CPU_DEVICES_BASE);
}

void trap_enter(struct cpu *cpu, struct record *r, const struct context *c)
{
	account_enter(cpu, c->is_process     ? FROM_PROCESS
			   : trap_in_idle(c) ? FROM_IDLE
			   : in_bracket(c)   ? FROM_BRACKET
					     : FROM_LOWERED);
	r->in_process = c->is_process;
}

static void prepare_event(struct cpu *cpu, struct record *r, uint32_t event, uint64_t code, uint64_t address)
{
	uint64_t pc = context_pc(&r->process);

	trace_add(cpu, TRACE_UPCALL, pc, event);
	r->in_process = false;
	r->full_restore = true;
	arch_set_upcall(r, UPCALL_EVENT, r->stack, event, code, address, pc);
}

void trap_set_pending_event(struct record *r)
{
	prepare_event(cpu_this(), r, EVENT_PENDING, 0, 0);
}

[[noreturn]] void trap_upcall_event(struct cpu *cpu, struct record *r, uint32_t event, uint64_t code, uint64_t address)
{
	prepare_event(cpu, r, event, code, address);
	__atomic_or_fetch(&cpu->exit_work, WORK_FULL_RESTORE, __ATOMIC_RELAXED);
	arch_enter(cpu, r->in_process);
	account_resume(&r->kernel);
}

/* No exception; the context is behind the instruction. */
static struct offence offence_of(const struct context *c, enum report_kind kind)
{
	return (struct offence){.kind = kind, .pc = context_pc(c) - 1};
}

[[noreturn]] void trap_contain(struct cpu *cpu, struct record *r, struct context *c, struct offence *o) NO_THREAD_SAFETY
{
	uint64_t page = WINDOW_BASE + (r->page_pfn << PAGE_SHIFT);

	debug_fault(c);
	nucleus_lock_acquire();
	cpu->counts.fault++;
	policy_account(r->component)->fault++;
	/* What the lowered kernel is told must be right: the landing begins with it. */
	o->page_broken = !thread_page_write(r);
	report_offence(r, c, o);
	r->in_process = false;
	bool storm = ++r->fault_depth > FAULT_DEPTH_MAX;
	if (r->fault_depth > FAULT_DEPTH_END) {
		log_printf("thread %s[%u] faults even while it ends: it is stopped for good\n", r->name, r->id);
		sched_end_current();
		sched_resume();
	}
	uint32_t event = storm ? EVENT_STORM : fault_event(c);

	trace_add(cpu, TRACE_UPCALL, o->pc, event);
	/* The stack may be what broke: landing starts on the thread page's call area. */
	arch_set_upcall(r, UPCALL_FAULT, page + PAGE_SIZE, event, o->code, o->address, o->pc);
	arch_switch_to(cpu, r); /* it may have changed its thread pointer */
	arch_enter(cpu, r->in_process);
	/* Back to its process it goes the long way, which notes that the containment has come to its end. */
	r->full_restore = true;
	__atomic_or_fetch(&cpu->exit_work, WORK_FULL_RESTORE, __ATOMIC_RELAXED);
	nucleus_lock_release();
	account_resume(&r->kernel);
}

/* The way back to the process when there is something to do first. Interrupts are off, the nucleus stack is fresh. */
[[noreturn]] static void exit_slow(struct cpu *cpu, struct record *r, struct context *c) NO_THREAD_SAFETY
{
	if (!r->space) {
		struct offence o = offence_of(c, REPORT_NO_PROCESS);

		trap_contain(cpu, r, c, &o);
	}
	account_enter(cpu, FROM_LOWERED);
	if (cpu->accounting)
		cpu->counts.exit++;
	nucleus_lock_acquire();
	r->in_process = true;
	if (r->kicked || context_pc(&r->process) >= USER_END) {
		nucleus_lock_release();
		trap_upcall_event(cpu, r, r->kicked ? EVENT_PENDING : EVENT_PROTECTION, 0, 0);
	}
	r->full_restore = false;
	r->fault_depth = 0;
	__atomic_and_fetch(&cpu->exit_work, ~(WORK_FULL_RESTORE | WORK_KICK), __ATOMIC_RELAXED);
	if (cpu->reschedule) {
		sched_account(r, false);
		sched_requeue_current();
		sched_resume();
	}
	__atomic_and_fetch(&cpu->exit_work, ~WORK_RESCHEDULE, __ATOMIC_RELAXED);
	arch_enter(cpu, r->in_process);
	nucleus_lock_release();
	account_resume(&r->process);
}

[[noreturn]] void trap_gate_violation(struct cpu *cpu, struct record *r, struct context *c)
{
	uint64_t pc = context_pc(c);
	bool listed = pc >= ELEVATED_BASE && pc < ELEVATED_END;
	struct offence o = offence_of(c, listed ? REPORT_ELEVATE_DENIED : REPORT_ELEVATE_UNLISTED);

	if (pc == GATE_EXIT_RETURN || pc == GATE_RESUME_RETURN)
		exit_slow(cpu, r, c);
	account_enter(cpu, FROM_LOWERED);
	trace_add(cpu, TRACE_VIOLATION, pc, 0);
	trap_contain(cpu, r, c, &o);
}

[[noreturn]] void trap_exception(struct cpu *cpu, struct record *r, struct context *c)
{
	struct offence o = {
		.pc = context_pc(c), .fault = fault_number(c), .code = fault_detail(c), .address = fault_address(c)};

	trace_add(cpu, TRACE_FAULT, o.pc, o.fault);
	if (c->is_process)
		trap_upcall_event(cpu, r, fault_event(c), fault_code(c), o.address);
	if (in_bracket(c))
		panic(c, "exception %u in a bracket, code 0x%lx, address 0x%lx", o.fault, o.code, o.address);
	trap_contain(cpu, r, c, &o);
}

/* Releases the nucleus lock. */
[[noreturn]] static void interrupt_done(struct cpu *cpu, struct record *r, struct context *c) NO_THREAD_SAFETY
{
	bool overdue = false;
	bool may_leave = c->is_process || trap_in_idle(c) ||
			 (!in_bracket(c) && r != cpu->idle && sched_preemptible(cpu, &overdue));

	if (overdue) {
		struct offence o = offence_of(c, REPORT_PREEMPTION);

		o.pc++; /* interrupted, not behind it */
		fault_none(c);
		nucleus_lock_release();
		trap_contain(cpu, r, c, &o);
	}
	if (cpu->reschedule && may_leave) {
		trace_add(cpu, TRACE_SWITCH, context_pc(c), r->id);
		sched_requeue_current();
		sched_resume();
	}
	nucleus_lock_release();
	/* x86_64: IRET to an address that is none would fault at ring 0: it is the process's fault. */
	if (c->is_process && (r->kicked || context_pc(c) >= USER_END))
		trap_upcall_event(cpu, r, context_pc(c) >= USER_END ? EVENT_PROTECTION : EVENT_PENDING, 0, 0);
	account_resume(c);
}

[[noreturn]] void trap_interrupt(struct cpu *cpu, struct record *r, struct context *c) NO_THREAD_SAFETY
{
	struct interrupt i = arch_interrupt_take(c);

	if (i.kind == INTERRUPT_NONE)
		account_resume(c);
	cpu->counts.irq++;
	/* Without the lock: whoever waits for it to be done holds that. */
	if (i.kind == INTERRUPT_SERVE)
		shootdown_serve();
	if (i.kind == INTERRUPT_SERVE || (i.kind == INTERRUPT_TIMER && sched_quiet_tick(cpu, c->is_process))) {
		arch_interrupt_end(i);
		account_resume(c);
	}
	nucleus_lock_acquire();
	account_apply(cpu);
	if (i.kind == INTERRUPT_TIMER)
		sched_tick(cpu, c->is_process);
	else if (i.kind == INTERRUPT_DEVICE)
		irq_deliver(i.slot);
	else if (i.kind == INTERRUPT_IOMMU)
		iommu_interrupt();
	/* After a level-triggered line was masked, or it would come again at once. */
	arch_interrupt_end(i);
	interrupt_done(cpu, r, c);
}
