/* SPDX-License-Identifier: MIT */
/*
 * Register state that the kernel keeps for each thread on x86_64: SSE, AVX where the processor has
 * it, x87 and control words across switches, signals and fork; the FS and GS bases.
 */
#include "ktap.h"

#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORKERS = 6,
	ROUNDS = 300,
	ARCH_SET_GS = 0x1001,
	ARCH_SET_FS = 0x1002,
	ARCH_GET_FS = 0x1003,
	ARCH_GET_GS = 0x1004
};

static bool have_avx(void)
{
	unsigned int a, b, c, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (bit_OSXSAVE | bit_AVX)) != (bit_OSXSAVE | bit_AVX))
		return false;
	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & 6) == 6;
}

/* Loads all 16 SSE registers from `in`, yields through a system call, stores them to `out`. */
static void sse_through_yield(const uint64_t in[32], uint64_t out[32])
{
	long number = SYS_sched_yield;

	asm volatile("movdqu 0(%[in]), %%xmm0\n movdqu 16(%[in]), %%xmm1\n movdqu 32(%[in]), %%xmm2\n"
		     "movdqu 48(%[in]), %%xmm3\n movdqu 64(%[in]), %%xmm4\n movdqu 80(%[in]), %%xmm5\n"
		     "movdqu 96(%[in]), %%xmm6\n movdqu 112(%[in]), %%xmm7\n movdqu 128(%[in]), %%xmm8\n"
		     "movdqu 144(%[in]), %%xmm9\n movdqu 160(%[in]), %%xmm10\n movdqu 176(%[in]), %%xmm11\n"
		     "movdqu 192(%[in]), %%xmm12\n movdqu 208(%[in]), %%xmm13\n movdqu 224(%[in]), %%xmm14\n"
		     "movdqu 240(%[in]), %%xmm15\n"
		     "syscall\n"
		     "movdqu %%xmm0, 0(%[out])\n movdqu %%xmm1, 16(%[out])\n movdqu %%xmm2, 32(%[out])\n"
		     "movdqu %%xmm3, 48(%[out])\n movdqu %%xmm4, 64(%[out])\n movdqu %%xmm5, 80(%[out])\n"
		     "movdqu %%xmm6, 96(%[out])\n movdqu %%xmm7, 112(%[out])\n movdqu %%xmm8, 128(%[out])\n"
		     "movdqu %%xmm9, 144(%[out])\n movdqu %%xmm10, 160(%[out])\n movdqu %%xmm11, 176(%[out])\n"
		     "movdqu %%xmm12, 192(%[out])\n movdqu %%xmm13, 208(%[out])\n movdqu %%xmm14, 224(%[out])\n"
		     "movdqu %%xmm15, 240(%[out])\n"
		     : "+a"(number)
		     : [in] "r"(in), [out] "r"(out)
		     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
		       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

[[gnu::target("avx"), gnu::noinline]] static void avx_through_yield(const uint64_t in[16], uint64_t out[16])
{
	long number = SYS_sched_yield;

	asm volatile("vmovdqu 0(%[in]), %%ymm0\n vmovdqu 32(%[in]), %%ymm7\n"
		     "vmovdqu 64(%[in]), %%ymm8\n vmovdqu 96(%[in]), %%ymm15\n"
		     "syscall\n"
		     "vmovdqu %%ymm0, 0(%[out])\n vmovdqu %%ymm7, 32(%[out])\n"
		     "vmovdqu %%ymm8, 64(%[out])\n vmovdqu %%ymm15, 96(%[out])\n vzeroupper\n"
		     : "+a"(number)
		     : [in] "r"(in), [out] "r"(out)
		     : "rcx", "r11", "memory", "xmm0", "xmm7", "xmm8", "xmm15");
}

/* Spins on register contents, without any call, long enough to be preempted. */
static void sse_through_spin(uint64_t seed)
{
	uint64_t in[2] = {seed, ~seed}, out[2], turns = 200'000;

	asm volatile("movdqu (%[in]), %%xmm6\n movdqa %%xmm6, %%xmm12\n"
		     "1: dec %[turns]\n jnz 1b\n"
		     "pxor %%xmm12, %%xmm6\n pxor (%[zero]), %%xmm6\n movdqu %%xmm6, (%[out])\n"
		     "movdqu (%[in]), %%xmm6\n pcmpeqd %%xmm12, %%xmm6\n movmskps %%xmm6, %k[turns]\n"
		     : [turns] "+r"(turns)
		     : [in] "r"(in), [out] "r"(out), [zero] "r"(&(const __int128){})
		     : "memory", "xmm6", "xmm12");
	EQUAL(out[0], 0);
	EQUAL(out[1], 0);
	EQUAL(turns, 15);
}

static void sse_survives_switches(void)
{
	for (int worker = 0; worker < WORKERS; worker++) {
		CHILD({
			uint64_t in[32], out[32];
			for (int round = 0; round < ROUNDS; round++) {
				for (int i = 0; i < 32; i++)
					in[i] = (uint64_t)(worker * 1000003 + round * 101 + i) * 0x9e3779b97f4a7c15;
				sse_through_yield(in, out);
				CHECK(memcmp(in, out, sizeof(in)) == 0);
			}
			for (int round = 0; round < 20; round++)
				sse_through_spin((uint64_t)(worker * 77 + round));
		});
	}
	for (int worker = 0; worker < WORKERS; worker++)
		EQUAL(ktap_wait(-1), 0);
}

static void avx_survives_switches(void)
{
	if (!have_avx())
		ktap_skip("the processor has no AVX");
	for (int worker = 0; worker < WORKERS; worker++) {
		CHILD({
			uint64_t in[16], out[16];
			for (int round = 0; round < ROUNDS; round++) {
				for (int i = 0; i < 16; i++)
					in[i] = (uint64_t)(worker * 1000003 + round * 101 + i) * 0x9e3779b97f4a7c15;
				avx_through_yield(in, out);
				CHECK(memcmp(in, out, sizeof(in)) == 0);
			}
		});
	}
	for (int worker = 0; worker < WORKERS; worker++)
		EQUAL(ktap_wait(-1), 0);
}

static void control_words_survive(void)
{
	for (int worker = 0; worker < 4; worker++) {
		CHILD({
			uint32_t mxcsr = 0x1f80 | (uint32_t)worker << 13, mxcsr_now;
			uint16_t control = (uint16_t)(0x037f | worker << 10), control_now;
			double result, expected;
			asm volatile("ldmxcsr %0; fldcw %1" ::"m"(mxcsr), "m"(control));
			asm volatile("fldpi; fldl2e; faddp; fstpl %0" : "=m"(expected));
			for (int round = 0; round < ROUNDS; round++) {
				sched_yield();
				asm volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr_now), "=m"(control_now));
				EQUAL(mxcsr_now & 0xffc0, mxcsr);
				EQUAL(control_now, control);
				asm volatile("fldpi; fldl2e; faddp; fstpl %0" : "=m"(result));
				CHECK(result == expected);
			}
		});
	}
	for (int worker = 0; worker < 4; worker++)
		EQUAL(ktap_wait(-1), 0);
}

static void the_x87_stack_survives(void)
{
	double a, b;

	asm volatile("fldpi; fld1" ::: "memory");
	for (int i = 0; i < 50; i++)
		syscall(SYS_sched_yield);
	asm volatile("fstpl %0; fstpl %1" : "=m"(a), "=m"(b));
	CHECK(a == 1.0);
	CHECK(b > 3.14159 && b < 3.1416);
}

static volatile sig_atomic_t signals;

static void wreck_registers(int signal)
{
	(void)signal;
	signals++;
	asm volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm6, %%xmm6; pcmpeqd %%xmm12, %%xmm12\n"
		     "pcmpeqd %%xmm15, %%xmm15; fninit; ldmxcsr %0" ::"m"((uint32_t){0x1fc0})
		     : "xmm0", "xmm6", "xmm12", "xmm15");
}

static void sse_survives_signals(void)
{
	uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[8];
	uint32_t mxcsr;

	signal(SIGTRAP, wreck_registers);
	asm volatile(
		"movdqu (%[in]), %%xmm0\n movdqu (%[in]), %%xmm6\n movdqu (%[in]), %%xmm12\n movdqu (%[in]), %%xmm15\n"
		"int3\n"
		"movdqu %%xmm0, 0(%[out])\n movdqu %%xmm6, 16(%[out])\n movdqu %%xmm12, 32(%[out])\n"
		"movdqu %%xmm15, 48(%[out])\n" ::[in] "r"(in),
		[out] "r"(out)
		: "memory", "xmm0", "xmm6", "xmm12", "xmm15");
	EQUAL(signals, 1);
	for (int i = 0; i < 8; i++)
		EQUAL(out[i], in[i % 2]);
	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	EQUAL(mxcsr & 0xffc0, 0x1f80);
}

[[gnu::target("avx")]] static void wreck_avx(int signal)
{
	(void)signal;
	signals++;
	asm volatile("vzeroall" ::
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
			       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

[[gnu::target("avx"), gnu::noinline]] static void avx_through_signal(void)
{
	uint64_t in[4] = {1, 2, 3, 0x99aabbccddeeff00}, out[4];

	signal(SIGTRAP, wreck_avx);
	asm volatile(
		"vmovdqu (%[in]), %%ymm9\n int3\n vmovdqu %%ymm9, (%[out])\n vzeroupper" ::[in] "r"(in), [out] "r"(out)
		: "memory", "xmm9");
	EQUAL(signals, 1);
	for (int i = 0; i < 4; i++)
		EQUAL(out[i], in[i]);
}

static void avx_survives_signals(void)
{
	if (!have_avx())
		ktap_skip("the processor has no AVX");
	avx_through_signal();
}

static void handlers_get_clean_control_words_back(void)
{
	uint32_t mxcsr = 0x7f80, now;

	signal(SIGTRAP, wreck_registers);
	asm volatile("ldmxcsr %0; int3; stmxcsr %1" ::"m"(mxcsr), "m"(now) : "memory");
	EQUAL(now & 0xffc0, mxcsr);
}

static void fork_copies_registers(void)
{
	uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2];
	long value = SYS_fork;

	asm volatile("movdqu (%[in]), %%xmm9\n syscall\n movdqu %%xmm9, (%[out])"
		     : "+a"(value)
		     : [in] "r"(in), [out] "r"(out)
		     : "rcx", "r11", "memory", "xmm9");
	CHECK(value >= 0);
	bool same = out[0] == in[0] && out[1] == in[1];
	if (value == 0)
		_exit(same ? 0 : 1);
	CHECK(same);
	EXITS((pid_t)value, 0);
}

/* A new program begins with the registers empty, whatever ran before. */
static void exec_clears_registers(void)
{
	pid_t child = CHILD({
		asm volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm13, %%xmm13" ::: "xmm0", "xmm13");
		execve("/proc/self/exe", (char *[]){"registers", "@clean", nullptr}, (char *[]){nullptr});
		_exit(2);
	});
	EXITS(child, 0);
}

/* Caught before main's own code can touch them: xmm13 is used by no start-up code. */
static int clean(void)
{
	uint64_t value[2];

	asm volatile("movdqu %%xmm13, (%0)" ::"r"(value) : "memory");
	return value[0] == 0 && value[1] == 0 ? 0 : 1;
}

static void system_calls_keep_registers(void)
{
	uint64_t values[8], number = SYS_getpid;

	asm volatile(
		"mov $11, %%ebx\n mov $22, %%r12d\n mov $33, %%r13d\n mov $44, %%r14d\n mov $55, %%r15d\n"
		"mov $66, %%edi\n mov $77, %%esi\n mov $88, %%edx\n mov $99, %%r8d\n mov $111, %%r9d\n mov $122, %%r10d\n"
		"syscall\n"
		"mov %%rbx, 0(%[out])\n add %%r12, 0(%[out])\n mov %%r13, 8(%[out])\n mov %%r14, 16(%[out])\n"
		"mov %%r15, 24(%[out])\n mov %%rdi, 32(%[out])\n mov %%rsi, 40(%[out])\n mov %%rdx, 48(%[out])\n"
		"add %%r8, %%r9\n add %%r10, %%r9\n mov %%r9, 56(%[out])\n"
		: "+a"(number)
		: [out] "r"(values + 0)
		: "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
	EQUAL(number, getpid());
	static const uint64_t wanted[8] = {33, 33, 44, 55, 66, 77, 88, 332};
	for (int i = 0; i < 8; i++)
		EQUAL(values[i], wanted[i]);
}

static void segment_bases(void)
{
	uint64_t base = 0, thread_base = 0;
	char *memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &thread_base));
	asm volatile("mov %%fs:0, %0" : "=r"(base));
	EQUAL(base, thread_base);
	*(uint64_t *)(memory + 16) = 0xabcdef;
	OK(syscall(SYS_arch_prctl, ARCH_SET_GS, memory));
	for (int i = 0; i < 100; i++) {
		sched_yield();
		asm volatile("mov %%gs:16, %0" : "=r"(base));
		EQUAL(base, 0xabcdef);
	}
	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	EQUAL(base, (uintptr_t)memory);
	pid_t child = CHILD({
		uint64_t inherited;
		asm volatile("mov %%gs:16, %0" : "=r"(inherited));
		EQUAL(inherited, 0xabcdef);
	});
	EXITS(child, 0);
	FAILS(EPERM, syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000));
	FAILS(EPERM, syscall(SYS_arch_prctl, ARCH_SET_FS, 0x0100000000000000));
	FAILS(EINVAL, syscall(SYS_arch_prctl, 0x7777, 0));
}

static void *own_base(void *argument)
{
	uint64_t *slot = argument;

	for (int i = 0; i < 300; i++) {
		uint64_t base, self;
		asm volatile("mov %%fs:0, %0" : "=r"(base));
		self = (uint64_t)(uintptr_t)pthread_self();
		EQUAL(base, self);
		sched_yield();
	}
	*slot = (uint64_t)(uintptr_t)pthread_self();
	return nullptr;
}

static void each_thread_has_its_base(void)
{
	pthread_t threads[WORKERS];
	uint64_t bases[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		EQUAL(pthread_create(&threads[i], nullptr, own_base, &bases[i]), 0);
	for (int i = 0; i < WORKERS; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	for (int i = 1; i < WORKERS; i++)
		CHECK(bases[i] != bases[0]);
}

static const struct ktap_case cases[] = {
	CASE(sse_survives_switches),
	CASE(avx_survives_switches),
	CASE(control_words_survive),
	CASE(the_x87_stack_survives),
	CASE(sse_survives_signals),
	CASE(avx_survives_signals),
	CASE(handlers_get_clean_control_words_back),
	CASE(fork_copies_registers),
	CASE(exec_clears_registers),
	CASE(system_calls_keep_registers),
	CASE(segment_bases),
	CASE(each_thread_has_its_base),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@clean") == 0)
		return clean();
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
