/* SPDX-License-Identifier: MIT */
/* Faults of x86_64: wild stack pointer, wild thread register, undefined and privileged instructions, division,
 * breakpoints. */
#include "faults.h"

#include <cpuid.h>
#include <kernel/thread/thread.h>

static long wild_stack(void *)
{
	__asm__ volatile("movq $0x1230, %%rsp\n\tpushq $1" : : : "memory");
	__builtin_unreachable();
}

static long stack_not_canonical(void *)
{
	__asm__ volatile("movabsq $0x1230000000000000, %%rax\n\tmovq %%rax, %%rsp\n\tpushq $1" : : : "rax", "memory");
	__builtin_unreachable();
}

/* The null selector's base is zero; landing finds the thread all the same. */
static long ktest_wild_thread_register(void *)
{
	uint64_t value;

	__asm__ volatile("movw %w1, %%gs\n\tmovq %%gs:0, %0" : "=&r"(value) : "r"(0) : "memory");
	return (long)value;
}

static long undefined(void *)
{
	__asm__ volatile("ud2" : : : "memory");
	return 0;
}

static long divide(void *)
{
	uint32_t quotient;

	__asm__ volatile("xorl %%edx, %%edx\n\tmovl $1, %%eax\n\tdivl %%edx"
			 : "=a"(quotient)
			 :
			 : "rdx", "cc", "memory");
	return quotient;
}

static long breakpoint(void *)
{
	__asm__ volatile("int3" : : : "memory");
	return 0;
}

static long ktest_software_interrupt(void *)
{
	/* The vector of page faults, which nobody but the processor and ring 0 may raise. */
	if (thread_page_current()->home_elevated)
		__builtin_trap();
	__asm__ volatile("int $14" : : : "memory");
	return 0;
}

static long ktest_read_port(void *)
{
	uint8_t value;

	if (thread_page_current()->home_elevated)
		__builtin_trap();
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint8_t)0x80) : "memory");
	return value;
}

/* Where the descriptor tables are ring 3 is not told, if the processor can keep it back. */
static long ktest_table_address(void *)
{
	struct [[gnu::packed]] {
		uint16_t limit;
		uint64_t base;
	} table;
	uint32_t a, b, c = 0, d;

	(void)__get_cpuid_count(7, 0, &a, &b, &c, &d);
	if (thread_page_current()->home_elevated || !(c >> 2 & 1))
		__builtin_trap();
	__asm__ volatile("sgdt %0" : "=m"(table));
	return (long)table.base;
}

static long ktest_elevate_unlisted(void *)
{
	/* elevate() is made of this, but stands elsewhere. Where the thread is privileged at home there is nothing to
	 * gain. */
	if (thread_page_current()->home_elevated)
		__builtin_trap();
	__asm__ volatile("syscall" : : : "rax", "rcx", "rdx", "r11", "memory");
	return 0;
}

long (*const arch_faults[])(void *arg) = {
	wild_stack, stack_not_canonical,      ktest_wild_thread_register, undefined,	       divide,
	breakpoint, ktest_software_interrupt, ktest_elevate_unlisted,	  ktest_table_address, ktest_read_port,
};
const unsigned arch_fault_count = sizeof(arch_faults) / sizeof(arch_faults[0]);
