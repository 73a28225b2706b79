/* SPDX-License-Identifier: MIT */
/*
 * Register state that the kernel keeps for each thread on arm64: the vector registers, FPCR and FPSR across switches,
 * signals and fork; general registers over system calls; the thread pointer.
 */
#include "ktap.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 6, ROUNDS = 300 };
enum : uint64_t { FPCR_ROUNDING = 3 << 22, FPSR_SATURATED = 1 << 27 };

#define ALL_VECTORS                                                                                                    \
	"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16",   \
		"v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",      \
		"v31"

/* Loads all 32 vector registers from `in`, makes a system call without arguments, stores them to `out`. Its result. */
[[gnu::noinline]] static long vectors_through(long number, const uint64_t in[64], uint64_t out[64])
{
	register long x8 asm("x8") = number;
	register long x0 asm("x0");

	asm volatile("mov x9, %[in]\n"
		     ".irp n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n"
		     "ldr q\\n, [x9], #16\n"
		     ".endr\n"
		     ".irp n, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31\n"
		     "ldr q\\n, [x9], #16\n"
		     ".endr\n"
		     "svc #0\n"
		     "mov x9, %[out]\n"
		     ".irp n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n"
		     "str q\\n, [x9], #16\n"
		     ".endr\n"
		     ".irp n, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31\n"
		     "str q\\n, [x9], #16\n"
		     ".endr\n"
		     : "=r"(x0)
		     : "r"(x8), [in] "r"(in), [out] "r"(out)
		     : "x9", "memory", ALL_VECTORS);
	return x0;
}

/* Spins on register contents, without any call, long enough to be preempted. */
static void vectors_through_spin(uint64_t seed)
{
	uint64_t a, b, turns = 200'000;

	asm volatile("dup v6.2d, %[seed]\n mvn v12.16b, v6.16b\n"
		     "1: subs %[turns], %[turns], #1\n b.ne 1b\n"
		     "mov %[a], v6.d[1]\n mov %[b], v12.d[0]\n"
		     : [turns] "+r"(turns), [a] "=r"(a), [b] "=r"(b)
		     : [seed] "r"(seed)
		     : "v6", "v12", "cc");
	EQUAL(a, seed);
	EQUAL(b, ~seed);
}

static void fill(uint64_t in[64], uint64_t seed)
{
	for (uint64_t i = 0; i < 64; i++)
		in[i] = (seed + i) * 0x9e3779b97f4a7c15;
}

static void vectors_survive_switches(void)
{
	for (int worker = 0; worker < WORKERS; worker++) {
		CHILD({
			uint64_t in[64], out[64];
			for (int round = 0; round < ROUNDS; round++) {
				fill(in, (uint64_t)(worker * 1000003 + round * 101));
				vectors_through(SYS_sched_yield, in, out);
				CHECK(memcmp(in, out, sizeof(in)) == 0);
			}
			for (int round = 0; round < 20; round++)
				vectors_through_spin((uint64_t)(worker * 77 + round));
		});
	}
	for (int worker = 0; worker < WORKERS; worker++)
		EQUAL(ktap_wait(-1), 0);
}

static void set_control(uint64_t fpcr, uint64_t fpsr)
{
	asm volatile("msr fpcr, %0\n msr fpsr, %1" ::"r"(fpcr), "r"(fpsr) : "memory");
}

static uint64_t get_fpcr(void)
{
	uint64_t value;

	asm volatile("mrs %0, fpcr" : "=r"(value)::"memory");
	return value;
}

static uint64_t get_fpsr(void)
{
	uint64_t value;

	asm volatile("mrs %0, fpsr" : "=r"(value)::"memory");
	return value;
}

static void control_words_survive(void)
{
	for (uint64_t worker = 0; worker < 4; worker++) {
		CHILD({
			set_control(worker << 22, (worker & 1) * FPSR_SATURATED);
			for (int round = 0; round < ROUNDS; round++) {
				sched_yield();
				EQUAL(get_fpcr(), worker << 22);
				EQUAL(get_fpsr() & FPSR_SATURATED, (worker & 1) * FPSR_SATURATED);
			}
		});
	}
	for (int worker = 0; worker < 4; worker++)
		EQUAL(ktap_wait(-1), 0);
}

static volatile sig_atomic_t signals;

static void skip_breakpoint(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)signal;
	(void)info;
	signals++;
	frame->uc_mcontext.pc += 4;
	asm volatile("movi v0.16b, #255\n movi v6.16b, #255\n movi v12.16b, #255\n movi v31.16b, #255\n" ::
			     : "v0", "v6", "v12", "v31");
	set_control(FPCR_ROUNDING, FPSR_SATURATED);
}

static void catch_breakpoints(void)
{
	OK(sigaction(SIGTRAP, &(struct sigaction){.sa_sigaction = skip_breakpoint, .sa_flags = SA_SIGINFO}, nullptr));
}

static void vectors_survive_signals(void)
{
	uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[8];

	catch_breakpoints();
	asm volatile("ldr q0, [%[in]]\n ldr q6, [%[in]]\n ldr q12, [%[in]]\n ldr q31, [%[in]]\n"
		     "brk #0\n"
		     "str q0, [%[out]]\n str q6, [%[out], #16]\n str q12, [%[out], #32]\n str q31, [%[out], #48]\n" ::
			     [in] "r"(in),
		     [out] "r"(out)
		     : "memory", "v0", "v6", "v12", "v31");
	EQUAL(signals, 1);
	for (int i = 0; i < 8; i++)
		EQUAL(out[i], in[i % 2]);
}

static void handlers_get_clean_control_words_back(void)
{
	catch_breakpoints();
	set_control(1 << 22, 0);
	asm volatile("brk #0" ::: "memory");
	EQUAL(signals, 1);
	EQUAL(get_fpcr(), 1 << 22);
	EQUAL(get_fpsr() & FPSR_SATURATED, 0);
}

static void fork_copies_registers(void)
{
	uint64_t in[64], out[64];
	register long x8 asm("x8") = SYS_clone;
	register long x0 asm("x0") = SIGCHLD;
	register long x1 asm("x1") = 0;

	fill(in, 4711);
	asm volatile("ldr q9, [%[in]]\n ldr q30, [%[in], #16]\n svc #0\n str q9, [%[out]]\n str q30, [%[out], #16]"
		     : "+r"(x0)
		     : "r"(x8), "r"(x1), [in] "r"(in), [out] "r"(out)
		     : "memory", "v9", "v30");
	CHECK(x0 >= 0);
	bool same = memcmp(in, out, 32) == 0;
	if (x0 == 0)
		_exit(same ? 0 : 1);
	CHECK(same);
	EXITS((pid_t)x0, 0);
}

/* A new program begins with the registers empty, whatever ran before. */
static void exec_clears_registers(void)
{
	pid_t child = CHILD({
		asm volatile("movi v0.16b, #255\n movi v29.16b, #255" ::: "v0", "v29");
		set_control(FPCR_ROUNDING, FPSR_SATURATED);
		execve("/proc/self/exe", (char *[]){"registers", "@clean", nullptr}, (char *[]){nullptr});
		_exit(2);
	});
	EXITS(child, 0);
}

/* Caught before main's own code can touch them: v29 is used by no start-up code. */
static int clean(void)
{
	uint64_t value[2];

	asm volatile("str q29, [%0]" ::"r"(value) : "memory");
	return value[0] == 0 && value[1] == 0 && get_fpcr() == 0 && (get_fpsr() & FPSR_SATURATED) == 0 ? 0 : 1;
}

/* What is in the registers after the call; named for the assembler. */
[[gnu::used]] static uint64_t after_call[32] asm("registers_after_call");

/* All but x0, the result. x8 has the number. */
static void system_calls_keep_registers(void)
{
	asm volatile(".irp n, 1,2,3,4,5,6,7,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,30\n"
		     "mov x\\n, #0x1100 + \\n\n"
		     ".endr\n"
		     "mov x8, %[number]\n"
		     "svc #0\n"
		     "stp x0, x1, [sp, #-16]!\n"
		     "adrp x0, registers_after_call\n add x0, x0, :lo12:registers_after_call\n"
		     "stp x1, x2, [x0, #8]\n stp x3, x4, [x0, #24]\n stp x5, x6, [x0, #40]\n stp x7, x8, [x0, #56]\n"
		     "stp x9, x10, [x0, #72]\n stp x11, x12, [x0, #88]\n stp x13, x14, [x0, #104]\n"
		     "stp x15, x16, [x0, #120]\n stp x17, x18, [x0, #136]\n stp x19, x20, [x0, #152]\n"
		     "stp x21, x22, [x0, #168]\n stp x23, x24, [x0, #184]\n stp x25, x26, [x0, #200]\n"
		     "stp x27, x28, [x0, #216]\n str x30, [x0, #240]\n"
		     "ldp x1, x2, [sp], #16\n str x1, [x0]\n" ::[number] "i"(SYS_getpid)
		     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
		       "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28",
		       "x30", "memory", "cc");
	EQUAL(after_call[0], getpid());
	for (uint64_t i = 1; i <= 30; i++)
		if (i != 29)
			EQUAL(after_call[i], i == 8 ? SYS_getpid : 0x1100 + i);
}

static uint64_t thread_pointer(void)
{
	uint64_t value;

	asm volatile("mrs %0, tpidr_el0" : "=r"(value));
	return value;
}

static void *own_pointer(void *argument)
{
	uint64_t *slot = argument, mine = thread_pointer();

	for (int i = 0; i < 300; i++) {
		EQUAL(thread_pointer(), mine);
		sched_yield();
	}
	*slot = mine;
	return nullptr;
}

static void each_thread_has_its_pointer(void)
{
	pthread_t threads[WORKERS];
	uint64_t pointers[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		EQUAL(pthread_create(&threads[i], nullptr, own_pointer, &pointers[i]), 0);
	for (int i = 0; i < WORKERS; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	for (int i = 0; i < WORKERS; i++)
		for (int other = 0; other < i; other++)
			CHECK(pointers[i] != pointers[other]);
}

/* The program may put anything into its thread pointer; a fork inherits it, and it comes back from handlers. */
static void the_thread_pointer_is_free(void)
{
	static const uint64_t wild[] = {0, 1, 0x1234567, 1ull << 47, 1ull << 55, 0xffff800000000000, ~0ull};
	uint64_t real = thread_pointer();

	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		register long x8 asm("x8") = SYS_sched_yield;
		register long x0 asm("x0");
		uint64_t seen;
		asm volatile("msr tpidr_el0, %[wild]\n svc #0\n movz x9, #2, lsl #16\n 1: subs x9, x9, #1\n b.ne 1b\n"
			     "mrs %[seen], tpidr_el0\n msr tpidr_el0, %[real]"
			     : "=r"(x0), [seen] "=&r"(seen)
			     : "r"(x8), [wild] "r"(wild[i]), [real] "r"(real)
			     : "x9", "memory", "cc");
		EQUAL(seen, wild[i]);
	}
	pid_t child = CHILD(EQUAL(thread_pointer(), real));
	EXITS(child, 0);
}

static const struct ktap_case cases[] = {
	CASE(vectors_survive_switches),	   CASE(control_words_survive),
	CASE(vectors_survive_signals),	   CASE(handlers_get_clean_control_words_back),
	CASE(fork_copies_registers),	   CASE(exec_clears_registers),
	CASE(system_calls_keep_registers), CASE(each_thread_has_its_pointer),
	CASE(the_thread_pointer_is_free),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@clean") == 0)
		return clean();
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
