/* SPDX-License-Identifier: MIT */
/*
 * Forged signal frames: what a handler or a direct rt_sigreturn puts into the saved registers is never believed further
 * than EL0 may go. Processor state that is not a process's own is refused, addresses that are none raise SIGSEGV,
 * records that are damaged, foreign or there twice are refused.
 */
#include "boundary.h"

#include <nucleus/layout.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum : uint64_t { FLAGS = 0xf0000000, MODE_EL1H = 5, MODE_EL1T = 4, MODE_32BIT = 0x10, MASKS = 0x3c0, STEP = 1 << 21 };
enum : uint64_t { ILLEGAL = 1 << 20, PAN = 1 << 22, UAO = 1 << 23 };

static uint64_t forged;
static void (*forge)(ucontext_t *);

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	forge(context);
}

/* Raises a signal whose handler forges its frame with `value`; then calls, computes and tries to mask interrupts. */
static void return_through(void (*how)(ucontext_t *), uint64_t value)
{
	forge = how;
	forged = value;
	OK(sigaction(SIGUSR1, &(struct sigaction){.sa_sigaction = handler, .sa_flags = SA_SIGINFO}, nullptr));
	OK(kill(getpid(), SIGUSR1));
	for (volatile int i = 0; i < 20'000; i++)
		;
	sched_yield();
	asm volatile("msr daifset, #2");
}

static void set_pstate(ucontext_t *frame)
{
	frame->uc_mcontext.pstate = forged;
}

static void flags_body(uint64_t value)
{
	return_through(set_pstate, value);
}

static void flags_are_cleaned(void)
{
	static const uint64_t states[] = {
		MODE_EL1H,
		MODE_EL1T,
		MODE_EL1H | MASKS,
		MODE_32BIT,
		MODE_32BIT | 0x13,
		MASKS,
		STEP,
		ILLEGAL,
		PAN,
		UAO,
		8,
		9,
		12,
		13,
		FLAGS | MASKS,
		~0ull,
		0x1f,
		0x1f | STEP,
	};

	/* Refused at once, or made harmless: then the last instruction is refused. */
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		CHECK(died(in_child(flags_body, states[i]), SIGSEGV, SIGILL));
	for (uint64_t bit = 0; bit < 64; bit++)
		CHECK(died(in_child(flags_body, 1ull << bit), SIGSEGV, SIGILL));
	for (uint64_t flags = 0; flags < 16; flags++)
		CHECK(died(in_child(flags_body, flags << 28), SIGILL, 0));
	still_works();
}

static const uint64_t wild[] = {
	0,
	8,
	USER_END,
	USER_END - 4,
	USER_END + 4096,
	0x0001000000000000,
	0x0100000000000000,
	0x8000000000000000,
	0xfffeffffffffffff,
	0xffff000000000000,
	WINDOW_BASE,
	POOL_BASE,
	IMAGE_BASE,
	GATES_BASE,
	GATE_CALL_RETURN,
	GATE_EXIT_RETURN,
	GATE_RESUME_RETURN,
	ELEVATED_BASE,
	UPCALL_SYSCALL,
	~0ull,
};
constexpr size_t WILD_COUNT = sizeof(wild) / sizeof(*wild);

static void set_pc(ucontext_t *frame)
{
	frame->uc_mcontext.pc = forged;
}
static void set_sp(ucontext_t *frame)
{
	frame->uc_mcontext.sp = forged;
}
static void pc_body(uint64_t value)
{
	return_through(set_pc, value);
}
static void sp_body(uint64_t value)
{
	return_through(set_sp, value);
}

static void addresses_are_contained(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++) {
		CHECK(died(in_child(pc_body, wild[i]), SIGSEGV, SIGBUS));
		CHECK(died(in_child(sp_body, wild[i]), SIGSEGV, SIGBUS));
	}
	CHECK(died(in_child(pc_body, (uint64_t)handler + 1), SIGSEGV, SIGBUS));
	still_works();
}

/* The return address of a call at the very end of user space would be outside. */
static void a_call_at_the_end_of_user_space(void)
{
	int status = ktap_wait(CHILD({
		uint32_t *at = mmap((void *)(USER_END - 4096), 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (at == MAP_FAILED)
			_exit(0);
		at[1023] = 0xd4000001; /* svc #0 */
		OK(mprotect(at, 4096, PROT_READ | PROT_EXEC));
		__builtin___clear_cache((char *)at, (char *)at + 4096);
		asm volatile("mov x8, %1\n br %0" ::"r"(at + 1023), "i"(SYS_getpid) : "x8", "memory");
	}));
	CHECK(status == 0 || died(status, SIGSEGV, SIGBUS));
	still_works();
}

static uint32_t *records(ucontext_t *frame)
{
	return (uint32_t *)(void *)frame->uc_mcontext.__reserved;
}

/* The n-th word of the floating-point record and of what follows it becomes ones. */
static void wreck_record(ucontext_t *frame)
{
	records(frame)[forged] = ~0u;
}
static void record_body(uint64_t value)
{
	return_through(wreck_record, value);
}

enum forgery : uint64_t {
	FORGE_NO_RECORD,
	FORGE_TWICE,
	FORGE_FOREIGN,
	FORGE_EXTRA,
	FORGE_NO_END,
	FORGE_SMALL,
	FORGE_ODD,
	FORGE_SIZED_END,
	FORGE_HUGE,
	FORGE_COUNT
};

static void forge_records(ucontext_t *frame)
{
	uint32_t *at = records(frame);
	enum { FPSIMD_WORDS = 528 / 4, WORDS = 4096 / 4 };

	switch (forged) {
	case FORGE_NO_RECORD: at[0] = at[1] = 0; break;
	case FORGE_TWICE:
		memcpy(at + FPSIMD_WORDS, at, 528);
		at[2 * FPSIMD_WORDS] = at[2 * FPSIMD_WORDS + 1] = 0;
		break;
	case FORGE_FOREIGN:
		at[FPSIMD_WORDS] = 0x53564501;
		at[FPSIMD_WORDS + 1] = 16;
		at[FPSIMD_WORDS + 4] = at[FPSIMD_WORDS + 5] = 0;
		break;
	case FORGE_EXTRA:
		at[FPSIMD_WORDS] = EXTRA_MAGIC;
		at[FPSIMD_WORDS + 1] = 32;
		at[FPSIMD_WORDS + 2] = (uint32_t)POOL_BASE;
		at[FPSIMD_WORDS + 3] = POOL_BASE >> 32;
		at[FPSIMD_WORDS + 4] = 4096;
		break;
	case FORGE_NO_END:
		for (int i = FPSIMD_WORDS; i < WORDS; i += 4) {
			at[i] = ESR_MAGIC;
			at[i + 1] = 16;
		}
		break;
	case FORGE_SMALL: at[1] = 4; break;
	case FORGE_ODD: at[1] = 520; break;
	case FORGE_SIZED_END: at[FPSIMD_WORDS + 1] = 16; break;
	default: at[1] = 0xfffffff0; break;
	}
}
static void forgery_body(uint64_t value)
{
	return_through(forge_records, value);
}

static void fpu_state_is_checked(void)
{
	/* Heads are believed only as they were, FPSR and FPCR have reserved bits; every vector is a possible one. */
	for (uint64_t word = 0; word < 528 / 4 + 2; word++) {
		bool refused = word < 4 || word >= 528 / 4;
		CHECK(died(in_child(record_body, word), refused ? SIGSEGV : SIGILL, 0));
	}
	for (uint64_t what = 0; what < FORGE_COUNT; what++)
		CHECK(died(in_child(forgery_body, what), SIGSEGV, 0));
	still_works();
}

static void direct_body(uint64_t stack)
{
	asm volatile("mov sp, %0\n mov x8, %1\n svc #0\n brk #0" ::"r"(stack), "i"(SYS_rt_sigreturn) : "x8", "memory");
	__builtin_unreachable();
}

static char garbage[16384];

/* rt_sigreturn without any frame: wild stack pointers, zeroes, random bytes. */
static void returns_without_a_frame(void)
{
	uint64_t random = 12345;

	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(direct_body, wild[i]), SIGSEGV, SIGBUS));
	CHECK(WIFSIGNALED(in_child(direct_body, (uint64_t)garbage)));
	CHECK(died(in_child(direct_body, (uint64_t)garbage + 8), SIGSEGV, SIGBUS));
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(garbage); i += 8) {
			random = random * 6364136223846793005 + 1442695040888963407;
			*(uint64_t *)(void *)(garbage + i) = round % 2 ? random : wild[random >> 33 & 15];
		}
		CHECK(WIFSIGNALED(in_child(direct_body, ((uint64_t)garbage + 64) & ~15ull)));
	}
	still_works();
}

/* Each word of a true frame in turn is replaced by each wild value. */
static void replace_word(ucontext_t *frame)
{
	((uint64_t *)(void *)frame)[forged & 0xff] = wild[forged >> 8];
}

static void word_body(uint64_t value)
{
	alarm(5);
	return_through(replace_word, value);
}

static void each_word_of_a_frame(void)
{
	size_t words = (offsetof(ucontext_t, uc_mcontext) + offsetof(mcontext_t, __reserved)) / 8 + 4;

	for (uint64_t word = 0; word < words; word++) {
		for (uint64_t value = 0; value < WILD_COUNT; value += 3) {
			int status = in_child(word_body, word | value << 8);
			CHECK(WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL);
		}
	}
	still_works();
}

KTAP_MAIN(CASE(flags_are_cleaned), CASE(addresses_are_contained), CASE(a_call_at_the_end_of_user_space),
	  CASE(fpu_state_is_checked), CASE(returns_without_a_frame), CASE(each_word_of_a_frame))
