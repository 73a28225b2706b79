/* SPDX-License-Identifier: MIT */
/* The vDSO of arm64 (vdso(7)): the names that C libraries look for, around kernel/vm/vdso_clock.h. */
#include <arch/syscall_numbers.h>
#include <kernel/vm/vdso_clock.h>

int __kernel_clock_gettime(int clock, struct timespec *out);
int __kernel_clock_getres(int clock, struct timespec *out);
int __kernel_gettimeofday(struct timeval *out, struct timezone *zone);

static long system_call(long number, long a, long b)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;

	/* Number in x8, result in x0; nothing else changes (syscall(2)). */
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
	return x0;
}

int __kernel_clock_gettime(int clock, struct timespec *out)
{
	return vdso_clock_gettime(clock, out) ? 0 : (int)system_call(NR_clock_gettime, clock, (long)out);
}

int __kernel_clock_getres(int clock, struct timespec *out)
{
	return (int)system_call(NR_clock_getres, clock, (long)out);
}

int __kernel_gettimeofday(struct timeval *out, struct timezone *zone)
{
	vdso_gettimeofday(out, zone);
	return 0;
}

/* Where handlers return to that have no restorer of their own. Unwinders know the two instructions by sight. The no-
 * operation before them: an unwinder looks up the address before the return address. */
__asm__("	.pushsection .sigreturn, \"ax\", %progbits\n"
	"	nop\n"
	"	.globl __kernel_rt_sigreturn\n"
	"	.type __kernel_rt_sigreturn, %function\n"
	"__kernel_rt_sigreturn:\n"
	"	mov x8, #139\n"
	"	svc #0\n"
	"	.size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn\n"
	"	.popsection");
static_assert(NR_rt_sigreturn == 139);
