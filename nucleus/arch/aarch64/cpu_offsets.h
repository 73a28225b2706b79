/* SPDX-License-Identifier: MIT */
/* Sizes and numbers that assembly and C share. */
#ifndef ARCH_CPU_OFFSETS_H
#define ARCH_CPU_OFFSETS_H

/* struct context, to which SP_EL1 points whenever the nucleus does not run */
#define CONTEXT_X(n) ((n) * 8)
#define CONTEXT_SIZE 0x160

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
