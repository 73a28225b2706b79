/* SPDX-License-Identifier: MIT */
/*
 * Interrupts, exceptions and violations on x86_64: who was interrupted, and what becomes of it.
 *
 * A process's exception becomes an upcall; a lowered kernel exception becomes a report and containment; one in the
 * nucleus, a bracket included, is the end. Provenance is the saved CPL and which context the hardware wrote into, never
 * the program counter alone.
 */
#include "apic.h"
#include "boot/image.h"
#include "cpu.h"
#include "frame/frames.h"
#include "gate/account.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "irq/irq.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"
#include "report/trace.h"
#include "sched/sched.h"
#include "switch.h"
#include "time/clock.h"
#include <nucleus/upcall.h>

extern const char idle_loop[], idle_loop_end[];

/* Called by entry.S. */
[[noreturn]] void gate_violation(void);
[[noreturn]] void trap_handle(struct context *c);
[[noreturn]] void trap_fatal(struct context *c);
[[noreturn]] void gate_exit_slow(void);

enum { VECTOR_PAGE_FAULT = 14 };

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

static const char *exception_name(uint64_t vector)
{
	static const char *const names[32] = {
		"divide error",
		"debug exception",
		"NMI",
		"breakpoint",
		"overflow",
		"bound exceeded",
		"undefined instruction",
		"FPU access",
		"double fault",
		"coprocessor overrun",
		"invalid TSS",
		"absent segment",
		"stack segment fault",
		"general protection",
		"page fault",
		"exception 15",
		"x87 error",
		"misaligned access",
		"machine check",
		"SIMD error",
		"virtualisation exception",
		"control protection",
	};

	return vector < 32 && names[vector] ? names[vector] : "exception";
}

/* Exceptions as events for the lowered kernel. */
static uint32_t event_of(uint64_t vector)
{
	switch (vector) {
	case 0: return EVENT_DIVIDE;
	case 1: return EVENT_STEP;
	case 3: return EVENT_BREAKPOINT;
	case 4: return EVENT_OVERFLOW;
	case 6: return EVENT_ILLEGAL;
	case 14: return EVENT_PAGE_FAULT;
	case 16:
	case 19: return EVENT_FPU;
	case 17: return EVENT_ALIGNMENT;
	default: return EVENT_PROTECTION;
	}
}

/* What the event's receiver wants to know more. FPU exceptions: the unmasked ones of the status word or MXCSR, whose
 * low six bits have the same meaning (Intel SDM vol. 1, 8.1.3 and 10.2.3). The process's FPU state is still in the
 * registers. */
static uint64_t event_code(const struct context *c)
{
	uint16_t status, control;
	uint32_t mxcsr;

	switch (c->vector) {
	case VECTOR_PAGE_FAULT: return c->error & 0x1f;
	case 16:
		__asm__ volatile("fnstsw %0" : "=m"(status));
		__asm__ volatile("fnstcw %0" : "=m"(control));
		return status & ~control & 0x3f;
	case 19: __asm__ volatile("stmxcsr %0" : "=m"(mxcsr)); return mxcsr & ~(mxcsr >> 7) & 0x3f;
	default: return c->error;
	}
}

static void prepare_event(struct cpu *cpu, struct record *r, uint32_t event, uint64_t code, uint64_t address)
{
	trace_add(cpu, TRACE_UPCALL, r->process.rip, event);
	r->in_process = false;
	r->full_restore = true;
	arch_set_upcall(r, UPCALL_EVENT, r->stack, event, code, address, r->process.rip);
}

void arch_set_pending_event(struct record *r)
{
	prepare_event(cpu_this(), r, EVENT_PENDING, 0, 0);
}

/* Turns to the lowered kernel on behalf of the process. Does not return. */
[[noreturn]] static void upcall_event(struct cpu *cpu, struct record *r, uint32_t event, uint64_t code,
				      uint64_t address)
{
	prepare_event(cpu, r, event, code, address);
	__atomic_or_fetch(&cpu->exit_work, WORK_FULL_RESTORE, __ATOMIC_RELAXED);
	arch_enter(cpu, r);
	account_resume(&r->kernel);
}

/* --- lowered faults --- */

/* Bytes at pc, to name a privileged instruction. */
static bool instruction_byte(uint64_t pc, unsigned i, uint8_t *out)
{
	uint64_t phys;

	if (!lowered_translate(pc + i, &phys))
		return false;
	*out = *(uint8_t *)direct_map(phys);
	return true;
}

static const char *privileged_instruction(uint64_t pc)
{
	uint8_t a = 0, b = 0;

	if (!instruction_byte(pc, 0, &a))
		return "general protection";
	(void)instruction_byte(pc, 1, &b);
	if (a == 0x66 || (a & 0xf0) == 0x40) {
		a = b;
		(void)instruction_byte(pc, 2, &b);
	}
	switch (a) {
	case 0xfa: return "privileged instruction cli";
	case 0xfb: return "privileged instruction sti";
	case 0xf4: return "privileged instruction hlt";
	case 0xe4:
	case 0xe5:
	case 0xec:
	case 0xed: return "privileged instruction in";
	case 0xe6:
	case 0xe7:
	case 0xee:
	case 0xef: return "privileged instruction out";
	case 0x0f:
		switch (b) {
		case 0x30: return "privileged instruction wrmsr";
		case 0x32: return "privileged instruction rdmsr";
		case 0x20:
		case 0x22: return "privileged instruction mov to or from a control register";
		case 0x21:
		case 0x23: return "privileged instruction mov to or from a debug register";
		case 0x01: return "privileged system instruction";
		default: return "general protection";
		}
	default: return "general protection";
	}
}

static void describe(const struct context *c, struct offence *o)
{
	*o = (struct offence){
		.pc = c->rip, .sp = c->rsp, .frame = c->rbp, .code = c->error, .what = exception_name(c->vector)};
	if (c->vector == VECTOR_PAGE_FAULT) {
		o->has_address = true;
		o->address = cr2_read();
		o->what = c->error & FAULT_EXEC ? "jump" : c->error & FAULT_WRITE ? "write" : "read";
	} else if (c->vector == 13) {
		o->what = privileged_instruction(c->rip);
	}
}

/* A jump out of the lowered text says nothing about who jumped: the caller does, if there is a return address. */
static void find_culprit(const struct context *c, struct offence *o)
{
	uint64_t phys;

	if (image_range_has(image_header()->lowered_text, c->rip))
		return;
	if (!(c->rsp & 7) && lowered_translate(c->rsp, &phys)) {
		uint64_t ret = *(uint64_t *)direct_map(phys);

		if (image_range_has(image_header()->lowered_text, ret))
			o->pc = ret - 1;
	}
}

[[noreturn]] static void contain(struct cpu *cpu, struct record *r, struct context *c, struct offence *o)
	NO_THREAD_SAFETY
{
	uint64_t page = WINDOW_BASE + (r->page_pfn << PAGE_SHIFT);

	nucleus_lock_acquire();
	cpu->counts.fault++;
	policy_account(r->component)->fault++;
	find_culprit(c, o);
	report_offence(r, c, o);
	r->in_process = false;
	bool storm = ++r->fault_depth > FAULT_DEPTH_MAX;
	if (r->fault_depth > FAULT_DEPTH_END) {
		log_printf("thread %s[%u] faults even while it ends: it is stopped for good\n", r->name, r->id);
		sched_end_current();
		sched_resume();
	}
	uint32_t event = storm ? EVENT_STORM : event_of(c->vector);

	trace_add(cpu, TRACE_UPCALL, o->pc, event);
	/* The stack may be what broke: landing starts on the thread page's call area. */
	arch_set_upcall(r, UPCALL_FAULT, page + PAGE_SIZE, event, o->code, o->address, o->pc);
	msr_write(MSR_GS_BASE, page);
	arch_enter(cpu, r);
	/* Back to its process it goes the long way, which notes that the containment has come to its end. */
	r->full_restore = true;
	__atomic_or_fetch(&cpu->exit_work, WORK_FULL_RESTORE, __ATOMIC_RELAXED);
	nucleus_lock_release();
	account_resume(&r->kernel);
}

[[noreturn]] void gate_violation(void)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;
	struct context *c = &r->kernel;
	struct offence o = {.pc = c->rip - 1, .sp = c->rsp, .frame = c->rbp};

	account_enter(cpu, FROM_LOWERED);
	trace_add(cpu, TRACE_VIOLATION, c->rip, 0);
	if (c->rip >= ELEVATED_BASE && c->rip < ELEVATED_END)
		o.what = "elevation without the right";
	else
		o.what = "elevation from an unlisted address";
	contain(cpu, r, c, &o);
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
	else if (c->vector >= VECTOR_DEVICE && c->vector < VECTOR_DEVICE + IRQS_MAX)
		irq_deliver((uint32_t)c->vector - VECTOR_DEVICE);
	/* After a level-triggered line was masked, or it would come again at once. */
	apic_eoi();
}

/* After an interrupt: go on where it came from, or elsewhere. */
[[noreturn]] static void interrupt_done(struct cpu *cpu, struct record *r, struct context *c) NO_THREAD_SAFETY
{
	if (cpu->reschedule &&
	    (c->is_process || in_idle(c) || (!in_bracket(c) && r != cpu->idle && sched_preemptible(cpu)))) {
		trace_add(cpu, TRACE_SWITCH, c->rip, r->id);
		sched_requeue_current();
		sched_resume();
	}
	if (c->is_process && (r->kicked || c->rip >= USER_END)) {
		nucleus_lock_release();
		/* IRET to an address that is none would fault at ring 0: it is the process's fault. */
		upcall_event(cpu, r, c->rip >= USER_END ? EVENT_PROTECTION : EVENT_PENDING, 0, 0);
	}
	nucleus_lock_release();
	account_resume(c);
}

[[noreturn]] void trap_handle(struct context *c) NO_THREAD_SAFETY
{
	struct cpu *cpu = c->cpu;
	struct record *r = cpu->current;
	struct offence o;

	if (in_nucleus(c, r) && !in_idle(c))
		panic(c, "%s in the nucleus, error 0x%lx, address 0x%lx", exception_name(c->vector), c->error,
		      cr2_read());
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
		interrupt_done(cpu, r, c);
	}
	trace_add(cpu, TRACE_FAULT, c->rip, (uint32_t)c->vector);
	if (c->is_process) {
		/*
		 * An access that the processor made for the process with its own rights (a descriptor table; under
		 * emulation also IRET's stack, which SMAP then forbids) cannot be mended by mapping a page: trying
		 * would go on for ever.
		 */
		bool implicit = c->vector == VECTOR_PAGE_FAULT && !(c->error & FAULT_USER);

		upcall_event(cpu, r, implicit ? EVENT_PROTECTION : event_of(c->vector), event_code(c),
			     c->vector == VECTOR_PAGE_FAULT ? cr2_read() : 0);
	}
	if (in_bracket(c))
		panic(c, "%s in a bracket, error 0x%lx, address 0x%lx", exception_name(c->vector), c->error,
		      cr2_read());
	describe(c, &o);
	contain(cpu, r, c, &o);
}

static bool stopping;

[[noreturn]] void trap_fatal(struct context *c)
{
	/* Another CPU powers the machine off, or has the panic. */
	if (c->vector == VECTOR_STOP && __atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
		cpu_halt_forever();
	panic(c, "%s, error 0x%lx", exception_name(c->vector), c->error);
}

/* The way back to the process when there is something to do first. Interrupts are off, the nucleus stack is fresh. */
[[noreturn]] void gate_exit_slow(void) NO_THREAD_SAFETY
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	if (!r->space) {
		struct offence o = {.what = "return to a process from a thread that has none", .pc = UPCALL_SYSCALL};

		contain(cpu, r, &r->kernel, &o);
	}
	account_enter(cpu, FROM_LOWERED);
	if (cpu->accounting)
		cpu->counts.exit++;
	nucleus_lock_acquire();
	r->in_process = true;
	if (r->kicked || r->process.rip >= USER_END) {
		nucleus_lock_release();
		upcall_event(cpu, r, r->kicked ? EVENT_PENDING : EVENT_PROTECTION, 0, 0);
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
	arch_enter(cpu, r);
	nucleus_lock_release();
	account_resume(&r->process);
}

void arch_panic_prepare(void)
{
	cr3_write(kernel_root_phys);
	__atomic_store_n(&stopping, true, __ATOMIC_SEQ_CST);
	apic_stop_others();
}

void arch_report_registers(const struct context *c)
{
	log_printf("  registers: rip %016lx cs %04lx rflags %08lx rsp %016lx cr3 %lx\n", c->rip, c->cs, c->rflags,
		   c->rsp, cr3_read());
	log_printf("    rax %016lx rbx %016lx rcx %016lx rdx %016lx\n    rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n",
		   c->rax, c->rbx, c->rcx, c->rdx, c->rsi, c->rdi, c->rbp, c->r8);
	log_printf("    r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n    r13 %016lx r14 %016lx r15 %016lx\n", c->r9,
		   c->r10, c->r11, c->r12, c->r13, c->r14, c->r15);
}
