/* SPDX-License-Identifier: MIT */
/* Faults of arm64: wild stack pointer, the thread register, undefined and privileged instructions,
 * breakpoints, misaligned branches, atomic accesses out of line. */
#include "faults.h"

#include <kernel/thread/thread.h>

static long wild_stack(void *)
{
	__asm__ volatile("mov x9, #0x1230\n\tmov sp, x9\n\tstr x9, [sp, #-16]!" : : : "x9", "memory");
	__builtin_unreachable();
}

static long stack_not_canonical(void *)
{
	__asm__ volatile("mov x9, #0x1230000000000000\n\tmov sp, x9\n\tstr x9, [sp, #-16]!" : : : "x9", "memory");
	__builtin_unreachable();
}

/* The register by which lowered code knows its thread can be read here, not written. */
static long ktest_wild_thread_register(void *)
{
	if (thread_page_current()->home_elevated)
		__builtin_trap();
	__asm__ volatile("msr tpidrro_el0, xzr" : : : "memory");
	return 0;
}

static long undefined(void *)
{
	__asm__ volatile("udf #0" : : : "memory");
	return 0;
}

static long breakpoint(void *)
{
	__asm__ volatile("brk #0" : : : "memory");
	return 0;
}

static long misaligned_branch(void *)
{
	void *target;

	__asm__ volatile("adr %0, 1f\n\tadd %0, %0, #2\n\tbr %0\n1:" : "=r"(target) : : "memory");
	return 0;
}

/* Exclusives must be aligned whatever SCTLR_EL1.A says; with FEAT_LSE2 only across 16 bytes (DDI 0487, B2.2.1.1). */
static long misaligned_exclusive(void *)
{
	_Alignas(16) uint64_t words[4] = {};
	uint64_t value;

	__asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"((uint64_t)words + 12) : "memory");
	return (long)value;
}

static long ktest_elevate_unlisted(void *)
{
	/* elevate() is made of this, but stands elsewhere. Where the thread is privileged at home there is nothing to
	 * gain. */
	if (thread_page_current()->home_elevated)
		__builtin_trap();
	__asm__ volatile("svc #0" : : : "x14", "x15", "x16", "x17", "memory", "cc");
	return 0;
}

long (*const arch_faults[])(void *arg) = {
	wild_stack, stack_not_canonical, ktest_wild_thread_register, undefined,
	breakpoint, misaligned_branch,	 misaligned_exclusive,	     ktest_elevate_unlisted,
};
const unsigned arch_fault_count = sizeof(arch_faults) / sizeof(arch_faults[0]);
