/* SPDX-License-Identifier: MIT */
/* The vDSO of x86_64 (vdso(7)): the names that C libraries look for, around kernel/vm/vdso_clock.h. */
#include <arch/syscall_numbers.h>
#include <kernel/vm/vdso_clock.h>

int __vdso_clock_gettime(int clock, struct timespec *out);
int __vdso_clock_getres(int clock, struct timespec *out);
int __vdso_gettimeofday(struct timeval *out, struct timezone *zone);
int64_t __vdso_time(int64_t *out);

static long system_call(long number, long a, long b)
{
	long result;

	/* The system-call instruction destroys rcx and r11 (Intel SDM vol. 2, SYSCALL). */
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return result;
}

int __vdso_clock_gettime(int clock, struct timespec *out)
{
	return vdso_clock_gettime(clock, out) ? 0 : (int)system_call(NR_clock_gettime, clock, (long)out);
}

int __vdso_clock_getres(int clock, struct timespec *out)
{
	return (int)system_call(NR_clock_getres, clock, (long)out);
}

int __vdso_gettimeofday(struct timeval *out, struct timezone *zone)
{
	vdso_gettimeofday(out, zone);
	return 0;
}

int64_t __vdso_time(int64_t *out)
{
	int64_t now = (int64_t)(vdso_realtime_ns() / VDSO_NS);

	if (out)
		*out = now;
	return now;
}

#define ALIAS(name) __attribute__((weak, alias("__vdso_" #name)))
int clock_gettime(int clock, struct timespec *out) ALIAS(clock_gettime);
int clock_getres(int clock, struct timespec *out) ALIAS(clock_getres);
int gettimeofday(struct timeval *out, struct timezone *zone) ALIAS(gettimeofday);
int64_t time(int64_t *out) ALIAS(time);
