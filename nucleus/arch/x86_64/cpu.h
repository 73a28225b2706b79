/* SPDX-License-Identifier: MIT */
/*
 * What a CPU is to the nucleus on x86_64: its data page, beside its copy of the entry code (gate/entry in entry.S), and
 * the saved context of a thread. Lives in the pool, so it is present in every view and ring 3 never sees it.
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include "cpu_offsets.h"
#include "sched/cpu_area.h"
#include <nucleus/layout.h>
#include <nucleus/thread_page.h>
#include <stddef.h>
#include <stdint.h>

struct record;
struct cpu;

struct context {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector;
	uint64_t error; /* system calls: the number, for restarts */
	uint64_t rip, cs, rflags, rsp, ss;
	struct cpu *cpu;     /* on which the thread runs */
	uint64_t is_process; /* 1: process context; 0: kernel context */
	struct record *record;
	uint64_t reserved;
};
static_assert(offsetof(struct context, ss) + 8 == CONTEXT_TOP && sizeof(struct context) == CONTEXT_SIZE &&
	      CONTEXT_TOP % 16 == 0);

/* What shared code wants to know of a context. */
static inline uint64_t context_pc(const struct context *c)
{
	return c->rip;
}
static inline uint64_t context_frame(const struct context *c)
{
	return c->rbp;
}
static inline bool context_privileged(const struct context *c)
{
	return !(c->cs & 3);
}
static inline void context_set_result(struct context *c, uint64_t result)
{
	c->rax = result;
}

/* Thread pointers of a process context. */
struct tls_bases {
	uint64_t fs_base, gs_base;
};

/* Task state segment (Intel SDM vol. 3, 8.7): only the interrupt stacks are used. */
struct [[gnu::packed]] tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_bitmap;
};
static_assert(sizeof(struct tss) == 104);

enum interrupt_stack : uint8_t { IST_RECORD = 1, IST_DEBUG, IST_NMI, IST_DOUBLE_FAULT, IST_MACHINE_CHECK };

#define PCID_SLOTS 8

struct cpu {
	struct cpu *self;
	uint64_t scratch;
	uint32_t may_elevate;
	uint32_t home_elevated;
	struct record *current;
	uint64_t process_top, kernel_top; /* CONTEXT_TOP of current's two contexts */
	uint64_t stack_top;
	uint64_t kernel_cr3, process_cr3;
	uint64_t upcall_stack;
	uint32_t exit_work;
	uint32_t online;
	struct account_component *component;
	uint64_t stamp; /* accounting: counter at the last transition */
	struct account_cpu counts;
	uint64_t padding[6];
	struct tss tss;
	_Alignas(16) uint64_t gdt[9];
	/* C only from here */
	uint32_t id;
	uint32_t apic_id;
	uint32_t reschedule;	  /* wanted at the next possibility */
	bool accounting;	  /* which entry code is in use */
	uint32_t flush_wanted;	  /* shoot-down mailbox (mmu/shootdown.c) */
	struct record *fpu_owner; /* whose FPU state the registers hold */
	struct record *idle;
	uint64_t tick_at; /* when the timer was last armed for */
	int64_t idle_ns;  /* see gate/account.c */
	struct {
		uint32_t space; /* index, 0: unused */
		uint32_t birth;
		uint64_t generation;
	} pcid[PCID_SLOTS];
	uint32_t pcid_next;
};

static_assert(sizeof(struct cpu) <= 0x2000);

#define OFFSET(name, structure, field, offset) static_assert(offsetof(struct structure, field) == (offset));
#include "offsets.def"
#undef OFFSET

/* Whether arch_flush_local reaches all CPUs; whether code of the nucleus runs in the CPUs' areas. */
enum { CPU_FLUSHES_ALL = 0, CPU_AREAS_HAVE_TEXT = 1 };

/* The nucleus runs on its CPU's stack, inside the CPU's area: the stack pointer tells which. */
static inline struct cpu *cpu_this(void)
{
	uint64_t sp;

	__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
	return (struct cpu *)((sp & ~(uint64_t)(CPU_AREA_STRIDE - 1)) + CPU_DATA_OFFSET);
}

struct cpu_features {
	bool pcid, fsgsbase, smep, smap, umip, xsave, tsc_deadline, rdtscp, rdrand;
	uint32_t fpu_bytes, mxcsr_mask;
	uint64_t xcr0;
};
extern struct cpu_features cpu_features;

#endif
