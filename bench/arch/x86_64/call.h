/* SPDX-License-Identifier: MIT */
/* A system call without arguments and without a C library around it, so that the row shows the kernel. */
#ifndef BENCH_CALL_H
#define BENCH_CALL_H

static inline long call0(long number)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
	return result;
}

#endif
