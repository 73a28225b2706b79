/* SPDX-License-Identifier: MIT */
/* Sizes and selectors that assembly and C share. */
#ifndef ARCH_CPU_OFFSETS_H
#define ARCH_CPU_OFFSETS_H

/* struct context; its hardware frame ends at CONTEXT_TOP, which is what IST1 holds. */
#define CONTEXT_TOP  0xb0
#define CONTEXT_SIZE 0xd0

#define VECTOR_SYSCALL 0x100 /* context entered by a system call */

/* The order that SYSCALL and SYSRET want (AMD APM vol. 2, 6.1.1); the numbers of CS and SS are those that programs
 * expect. */
#define SELECTOR_KERNEL_CODE 0x10
#define SELECTOR_KERNEL_DATA 0x18
#define SELECTOR_SYSRET	     0x23
#define SELECTOR_USER_DATA   0x2b
#define SELECTOR_USER_CODE   0x33
#define SELECTOR_TSS	     0x38

/* The stubs of entry.S, one for each vector */
#define TRAP_STUB_BYTES	       16
#define INTERRUPT_STUB_BYTES   8
#define VECTOR_FIRST_INTERRUPT 32 /* the first that is no exception */

/* A CPU's area in the pool: the entry code, struct cpu beside it, and stacks with unmapped pages between. */
#define CPU_AREA_STRIDE	  0x10000
#define CPU_DATA_OFFSET	  0x1000 /* two pages */
#define CPU_STACK_END	  0x8000 /* 16 KiB below */
#define CPU_DB_STACK_END  0xa000 /* 4 KiB below each */
#define CPU_NMI_STACK_END 0xc000
#define CPU_DF_STACK_END  0xe000
#define CPU_MC_STACK_END  0x10000

/* exit_work: why the way back to the process is not the short one */
#define WORK_KICK	  1
#define WORK_RESCHEDULE	  2
#define WORK_FULL_RESTORE 4

#endif
