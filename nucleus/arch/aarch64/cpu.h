/* SPDX-License-Identifier: MIT */
/*
 * What a CPU is to the nucleus on aarch64: its data page, to which TPIDR_EL1 points, and the saved context of a thread,
 * to which SP_EL1 points. Lives in the pool, so it is present in every view and EL0 never sees it.
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include "cpu_offsets.h"
#include "sched/cpu_area.h"
#include <lib/arm_features.h>
#include <nucleus/layout.h>
#include <nucleus/thread_page.h>
#include <stddef.h>
#include <stdint.h>

struct record;
struct cpu;

struct context {
	uint64_t x[31];
	uint64_t sp; /* SP_EL0 */
	uint64_t pc, pstate;
	uint64_t orig_x0, syscall; /* process context: see struct user_regs */
	struct cpu *cpu;	   /* on which the thread runs */
	uint64_t is_process;	   /* 1: process context; 0: kernel context */
	struct record *record;
	uint32_t may_elevate; /* kernel context: the nucleus's word on elevate() */
	uint32_t reserved;
	uint64_t kind;		  /* KIND_*: of the last entry that saved everything */
	uint64_t syndrome, fault; /* ESR_EL1, FAR_EL1 then */
	uint64_t padding;
};
static_assert(sizeof(struct context) == CONTEXT_SIZE && CONTEXT_SIZE % 16 == 0);

/* What shared code wants to know of a context. */
static inline uint64_t context_pc(const struct context *c)
{
	return c->pc;
}
static inline uint64_t context_frame(const struct context *c)
{
	return c->x[29];
}
static inline bool context_privileged(const struct context *c)
{
	enum : uint64_t { PSTATE_MODE = 0x1f };

	return (c->pstate & PSTATE_MODE) != PSTATE_EL0;
}
static inline void context_set_result(struct context *c, uint64_t result)
{
	c->x[0] = result;
}

/* Thread pointer of a process context. */
struct tls_bases {
	uint64_t tpidr;
};

struct cpu {
	struct context *kernel_context;
	uint64_t upcall_stack;
	uint64_t kernel_ttbr0, kernel_ttbr1;
	uint64_t process_ttbr1, process_ttbr0;
	struct context *process_context;
	uint64_t stack_top;
	uint64_t thread_page;	/* TPIDRRO_EL0 of lowered code */
	uint64_t upcall_pstate; /* EL0, or EL1t where the thread is privileged at home */
	uint32_t exit_work;
	uint32_t online;
	struct account_component *component;
	uint64_t stamp; /* accounting: counter at the last transition */
	struct account_cpu counts;
	uint64_t scratch[6];
	struct context fatal; /* of an exception in the nucleus itself */
	/* C only from here */
	struct record *current;
	uint32_t id;
	uint32_t reschedule;	  /* wanted at the next possibility */
	bool accounting;	  /* which vectors are in use */
	uint32_t flush_wanted;	  /* mailbox (mmu/shootdown.c) */
	struct record *fpu_owner; /* whose FPU state the registers hold */
	struct record *idle;
	uint64_t tick_at; /* when the timer was last armed for */
	int64_t idle_ns;  /* see gate/account.c */
};
static_assert(sizeof(struct cpu) <= 0x2000);

#define OFFSET(name, structure, field, offset) static_assert(offsetof(struct structure, field) == (offset));
#include "offsets.def"
#undef OFFSET

/* Whether arch_flush_local reaches all CPUs; whether code of the nucleus runs in the CPUs' areas. */
enum { CPU_FLUSHES_ALL = 1, CPU_AREAS_HAVE_TEXT = 0 };

static inline struct cpu *cpu_this(void)
{
	struct cpu *cpu;

	/* Not volatile: the nucleus does not move between CPUs. */
	__asm__("mrs %0, tpidr_el1" : "=r"(cpu));
	return cpu;
}

/* What is in use of what the CPUs can do (features.h). */
extern struct arm_features cpu_features;

#endif
