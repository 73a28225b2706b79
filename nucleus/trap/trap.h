/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a thread that was interrupted, once the architecture has found out what happened: an event for the
 * kernel of its process, or containment. Its trap.c calls these; its fault.h says what the exception was. Interrupts
 * off.
 */
#ifndef NUCLEUS_TRAP_H
#define NUCLEUS_TRAP_H

#include <stdint.h>

struct context;
struct cpu;
struct offence;
struct record;

enum interrupt_kind : uint32_t {
	INTERRUPT_NONE, /* spurious: nothing to do and nothing to end */
	INTERRUPT_RESCHEDULE,
	INTERRUPT_SERVE, /* look at the mailbox (shootdown_serve) */
	INTERRUPT_STOP,	 /* for good; an NMI on x86_64 */
	INTERRUPT_TIMER,
	INTERRUPT_DEVICE,  /* irq_deliver(slot) */
	INTERRUPT_IOMMU,   /* one has noted a fault */
	INTERRUPT_UNKNOWN, /* nobody's, of aarch64's line `slot` */
};
struct interrupt {
	enum interrupt_kind kind;
	uint32_t slot;
	uint32_t token; /* the controller's */
};
/* The architecture's: which one it is, acknowledged, any view; its end, with the nucleus lock but for INTERRUPT_SERVE
 * and INTERRUPT_TIMER, and not for INTERRUPT_NONE; INTERRUPT_RESCHEDULE or INTERRUPT_SERVE for another CPU. */
struct interrupt arch_interrupt_take(const struct context *c);
void arch_interrupt_end(struct interrupt i);
void arch_interrupt_send(const struct cpu *cpu, enum interrupt_kind kind);

/* A record that would go on in its process tells the lowered kernel of pending work instead. */
void trap_set_pending_event(struct record *r);
/* Turns to the lowered kernel on behalf of the process. Without the nucleus lock. */
[[noreturn]] void trap_upcall_event(struct cpu *cpu, struct record *r, uint32_t event, uint64_t code, uint64_t address);
/* Reports what lowered code did and lets its thread go on where the kernel contains faults. Takes the nucleus lock. */
[[noreturn]] void trap_contain(struct cpu *cpu, struct record *r, struct context *c, struct offence *o);
/* A gate's instruction that is not served at once; `c` is behind it: the way back to a process that has something to do
 * first, or a violation. */
[[noreturn]] void trap_gate_violation(struct cpu *cpu, struct record *r, struct context *c);
/* An interrupt of `c`; then on where it came from, or elsewhere. */
[[noreturn]] void trap_interrupt(struct cpu *cpu, struct record *r, struct context *c);
/* What no one expected: an event for the kernel of its process, containment, or in a bracket the end. */
[[noreturn]] void trap_exception(struct cpu *cpu, struct record *r, struct context *c);

/* Who was interrupted, by the hardware's word. */
bool trap_in_idle(const struct context *c);
bool trap_in_nucleus(const struct context *c, const struct record *r);
/* The first step of all that is no short way in. */
void trap_enter(struct cpu *cpu, struct record *r, const struct context *c);

#endif
