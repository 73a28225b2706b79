/* SPDX-License-Identifier: MIT */
/* Offsets and numbers that assembly and C share; cpu.h asserts that they agree with the structures. */
#ifndef ARCH_CPU_OFFSETS_H
#define ARCH_CPU_OFFSETS_H

#include "gate/account_offsets.h"

/* struct cpu */
#define CPU_KERNEL_CONTEXT  0x00 /* loaded in pairs: the order matters */
#define CPU_UPCALL_STACK    0x08
#define CPU_KERNEL_TTBR0    0x10
#define CPU_KERNEL_TTBR1    0x18
#define CPU_PROCESS_TTBR1   0x20
#define CPU_PROCESS_TTBR0   0x28
#define CPU_PROCESS_CONTEXT 0x30
#define CPU_STACK_TOP	    0x38
#define CPU_THREAD_PAGE	    0x40
#define CPU_UPCALL_PSTATE   0x48
#define CPU_EXIT_WORK	    0x50
#define CPU_COMPONENT	    0x58
#define CPU_STAMP	    0x60
#define CPU_COUNTS	    0x68
#define CPU_SCRATCH	    0xd0
#define CPU_FATAL	    0x100

/* struct context, to which SP_EL1 points whenever the nucleus does not run */
#define CONTEXT_X(n)	    ((n) * 8)
#define CONTEXT_SP	    0x0f8
#define CONTEXT_PC	    0x100
#define CONTEXT_PSTATE	    0x108
#define CONTEXT_ORIG_X0	    0x110
#define CONTEXT_SYSCALL	    0x118
#define CONTEXT_CPU	    0x120
#define CONTEXT_IS_PROCESS  0x128
#define CONTEXT_RECORD	    0x130
#define CONTEXT_MAY_ELEVATE 0x138
#define CONTEXT_KIND	    0x140
#define CONTEXT_SYNDROME    0x148
#define CONTEXT_FAULT	    0x150
#define CONTEXT_SIZE	    0x160

/* What brought the CPU into the nucleus (struct context, kind) */
#define KIND_SYNCHRONOUS 0
#define KIND_INTERRUPT	 1
#define KIND_FAST	 2 /* FIQ: nothing is routed there */
#define KIND_ERROR	 3 /* SError */
#define KIND_VIOLATION	 4 /* SVC from an address that is no gate */

/* PSTATE (DDI 0487, C5.2.19 SPSR_EL1) */
#define PSTATE_EL0  0x0
#define PSTATE_EL1T 0x4

/* A CPU's area in the pool: struct cpu and stacks, with unmapped pages between. */
#define CPU_AREA_STRIDE	    0x10000
#define CPU_DATA_OFFSET	    0x1000 /* two pages */
#define CPU_STACK_END	    0x8000 /* 16 KiB below */
#define CPU_FATAL_STACK_END 0xc000 /* 8 KiB below */

/* exit_work: why the way back to the process is not the short one */
#define WORK_KICK	  1
#define WORK_RESCHEDULE	  2
#define WORK_FULL_RESTORE 4

#endif
