/* SPDX-License-Identifier: MIT */
/*
 * Thread records and the scheduler.
 *
 * All of it is guarded by the nucleus lock and runs with interrupts off. Nothing here returns to an old
 * stack: who wants to switch changes the records and calls sched_resume(), which goes on in whatever context the chosen
 * thread was saved in. Normal threads share the CPUs by lib/fair.h; interrupt threads go first, in order of arrival.
 */
#ifndef NUCLEUS_SCHED_H
#define NUCLEUS_SCHED_H

#include "cpu.h"
#include "gate/lock.h"
#include <lib/fair.h>
#include <lib/list.h>
#include <lib/pairing_heap.h>
#include <nucleus/thread_page.h>
#include <stdint.h>

struct space;
struct user_regs;

enum thread_state : uint8_t { THREAD_FREE, THREAD_PARKED, THREAD_READY, THREAD_RUNNING, THREAD_DEAD };

struct record {
	struct context process, kernel; /* the saved registers of its two contexts */
	uint32_t index, generation;
	enum thread_state state;
	bool in_process; /* which context goes on */
	bool started;
	bool permit;
	bool kicked;
	bool interruptible; /* parked so that a kick ends it */
	bool full_restore;  /* the process context was changed: no short way back */
	bool home_elevated;
	struct cpu *fpu_cpu; /* where its FPU state was loaded last */
	uint8_t component;
	uint8_t fault_depth; /* contained faults since it last parked or returned to its process */
	bool reporting;	     /* it faulted, and the record of that waits for it */
	bool interrupt_thread;
	uint16_t interrupts; /* whose handler it is */
	uint32_t id;	     /* given by the kernel, for reports */
	char name[16];
	struct space *space;
	uint64_t page_pfn; /* its thread page */
	uint64_t stack;	   /* top of its kernel stack (lowered address) */
	struct cpu *cpu;   /* runs, or ran last, there */
	uint32_t page_cpu; /* what the thread page says */
	uint64_t affinity;
	struct list ready_link;	     /* interrupt threads */
	struct heap_node ready_node; /* others, by virtual time */
	struct fair_thread fair;
	struct heap_node timer_node; /* parked with a deadline */
	bool timer_armed;
	uint64_t since_ns; /* accounted up to here */
	uint64_t user_ns, kernel_ns, start_ns;
	uint32_t left, preempted; /* times it stopped running by itself, and not */
	uint64_t slice_start_ns;
	uint64_t preempt_held_since_ns; /* preemption is held back since then; 0: it is not */
	uint32_t preempt_held_looks;
	struct tls_bases tls; /* of the process context */
	_Alignas(64) unsigned char fpu[];
};

/* Boot. */
void sched_init(void);

/* Contained faults without a pause between them: after the first number the kernel is told to end the thread, after the
 * second it is stopped, whatever it holds. */
enum : uint8_t { FAULT_DEPTH_MAX = 3, FAULT_DEPTH_END = 64 };

/* Records. nullptr when memory or numbers have run out. */
struct record *record_create(void);
void record_free(struct record *r);
struct record *record_from_handle(uint64_t handle); /* nullptr: stale or never given */
uint32_t record_handle(const struct record *r);
/* Writes what is the nucleus's in its thread page. Whether that was there. */
bool thread_page_write(const struct record *r);
struct record *record_at(uint32_t index); /* nullptr: past the last ever made */
uint64_t record_stride(void);
/* A name of a thread or a space as calls bring it: two words. */
void record_name(char name[16], uint64_t low, uint64_t high);

/* Makes a parked thread ready (or leaves a permit) and asks its CPU to look. */
void sched_wake(struct record *r, long result);
/* A wake-up, or the start of a thread that has never run. */
void sched_unpark(struct record *r);
/* The end of a call, with the nucleus lock held, that may have made a thread ready which is due before the caller: it
 * is switched to at once, or when the caller enables preemption. `result` is the call's. */
long sched_end_call(long result) RELEASE(nucleus_lock);
/* The current thread stops running; `state` is what it becomes. The caller then calls sched_resume(). */
void sched_block_current(enum thread_state state, uint64_t deadline_ns);
/* The current thread never runs again: it leaves its space, its interrupts and the FPU. Its record stays. */
void sched_end_current(void);
/* Puts the current, runnable thread back into the queue. */
void sched_requeue_current(void);
/* Chooses a thread if none is current, releases the nucleus lock and goes on in its saved context. */
[[noreturn]] void sched_resume(void);
/* Does a tick without the lock if nobody else is concerned; false: it has to be done with it. */
bool sched_quiet_tick(struct cpu *cpu, bool in_process);
/* Accounts time and takes expired deadlines; sets cpu->reschedule when the slice is over. Called at every interrupt. */
void sched_tick(struct cpu *cpu, bool in_process);
void sched_set_affinity(struct record *r, uint64_t mask);
/* The CPU goes on with that thread, which is its current one, in the context that in_process says. */
void sched_switch_to(struct cpu *cpu, struct record *r);
/* Whether kernel code lets itself be preempted (its thread page may ask for delay). *overdue, unless nullptr, becomes
 * true when it has asked for too long. Kernel view. */
bool sched_preemptible(struct cpu *cpu, bool *overdue);
void sched_account(struct record *r, bool in_process);

/* The architecture's part of a process context (arch/context_calls.c). Nothing that arch_regs_ok and arch_fpu_ok let
 * through, and arch_regs_set takes, harms the way out. */
void arch_regs_get(const struct record *r, struct user_regs *u);
bool arch_regs_ok(const struct user_regs *u);
void arch_regs_set(struct record *r, const struct user_regs *u);
bool arch_fpu_ok(const unsigned char *area);
/* FPU state between the registers and an area. */
void fpu_store(void *area);
void fpu_load(const void *area);
void fpu_reset(struct record *r);
static inline void fpu_take(struct cpu *cpu, struct record *r)
{
	fpu_load(r->fpu);
	cpu->fpu_owner = r;
	r->fpu_cpu = cpu;
}
/* Thread pointers of the current thread's process, between the registers and its record. */
void arch_tls_store(struct record *r);
void arch_tls_load(const struct record *r);

/* The architecture's part of a switch (arch/switch.c). */
void arch_thread_init(struct record *r);
void arch_switch_from(struct cpu *cpu, struct record *r);
/* What the gates use of a thread: contexts, views, rights, thread pointer. */
void arch_switch_to(struct cpu *cpu, struct record *r);
/* Loads the view of the current thread's process or kernel context, the one that goes on. */
void arch_enter(struct cpu *cpu, bool process);
/* Sets up the record's kernel context to run `entry` on `stack` with up to four arguments. */
void arch_set_upcall(struct record *r, uint64_t entry, uint64_t stack, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
[[noreturn]] void context_resume(struct context *c);
void arch_timer_set(uint64_t at_ns); /* 0: off */

#endif
