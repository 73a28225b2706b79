/* SPDX-License-Identifier: MIT */
/* A system call without arguments and without a C library around it, so that the row shows the kernel. */
#ifndef BENCH_CALL_H
#define BENCH_CALL_H

static inline long call0(long number)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0");

	/* Number in x8, result in x0; nothing else changes (arm64's Linux ABI, syscall(2)). */
	__asm__ volatile("svc #0" : "=r"(x0) : "r"(x8) : "memory");
	return x0;
}

#endif
