/* SPDX-License-Identifier: MIT */
/*
 * Forged signal frames: what a handler or a direct rt_sigreturn puts into the saved registers is
 * never believed further than ring 3 may go. Flags are cleaned, selectors are the process's own or
 * kill it, addresses that are none raise SIGSEGV, a damaged FPU area is refused.
 */
#include "boundary.h"

#include <nucleus/layout.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <ucontext.h>

enum {
	FLAG_NT = 0x4000,
	FLAG_IOPL = 0x3000,
	FLAG_AC = 0x40000,
	FLAG_TF = 0x100,
	FLAG_IF = 0x200,
	FLAG_VM = 0x20000,
	FLAG_RF = 0x10000,
	FLAG_VIF = 0x80000,
	FLAG_VIP = 0x100000,
	FLAG_DF = 0x400
};

static uint64_t forged;
static void (*forge)(ucontext_t *);

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	forge(context);
}

/* Raises a signal whose handler forges its frame with `value`; then calls, computes and tries cli.
 */
static void return_through(void (*how)(ucontext_t *), uint64_t value)
{
	uint64_t flags;

	forge = how;
	forged = value;
	OK(sigaction(SIGUSR1, &(struct sigaction){.sa_sigaction = handler, .sa_flags = SA_SIGINFO}, nullptr));
	pid_t self = getpid();
	asm volatile("syscall\n pushfq\n pop %0\n push $0x202\n popfq\n"
		     : "=r"(flags)
		     : "a"(SYS_kill), "D"(self), "S"(SIGUSR1)
		     : "rcx", "r11", "memory", "cc");
	EQUAL(flags & (FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_VIP), 0);
	CHECK(flags & FLAG_IF);
	for (volatile int i = 0; i < 20'000; i++)
		;
	sched_yield();
	asm volatile("cli");
}

static void set_flags(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_EFL] = (greg_t)forged;
}

static void flags_body(uint64_t value)
{
	return_through(set_flags, value);
}

static void flags_are_cleaned(void)
{
	static const uint64_t flags[] = {
		FLAG_IF | FLAG_NT,
		FLAG_IF | FLAG_IOPL,
		FLAG_IF | FLAG_AC,
		FLAG_IF | FLAG_VM,
		FLAG_IF | FLAG_RF,
		FLAG_IF | FLAG_VIF | FLAG_VIP,
		FLAG_IF | FLAG_DF,
		0,
		2,
		FLAG_NT | FLAG_IOPL | FLAG_AC,
		~(uint64_t)FLAG_TF,
		0xffffffff00000202,
		FLAG_IF | FLAG_NT | FLAG_AC | FLAG_IOPL | FLAG_RF,
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		CHECK(died(in_child(flags_body, flags[i]), SIGSEGV, 0));
	for (uint64_t bit = 0; bit < 64; bit++)
		CHECK(died(in_child(flags_body, FLAG_IF | 2 | 1ull << bit), SIGSEGV, bit == 8 ? SIGTRAP : 0));
	still_works();
}

static void set_selectors(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_CSGSFS] = (greg_t)forged;
}

static void selectors_body(uint64_t value)
{
	return_through(set_selectors, value);
}

static void selectors_are_checked(void)
{
	uint64_t real_cs, real_ss;

	asm volatile("mov %%cs, %0; mov %%ss, %1" : "=r"(real_cs), "=r"(real_ss));
	for (uint64_t selector = 0; selector < 0x100; selector++) {
		/* CS with a good SS, and SS with a good CS. */
		CHECK(died(in_child(selectors_body, selector | real_ss << 48), SIGSEGV, SIGBUS) ||
		      died(in_child(selectors_body, selector | real_ss << 48), SIGILL, SIGTRAP));
		CHECK(died(in_child(selectors_body, real_cs | selector << 48), SIGSEGV, SIGBUS));
	}
	CHECK(died(in_child(selectors_body, ~0ull), SIGSEGV, SIGBUS));
	still_works();
}

static const uint64_t wild[] = {
	0,
	8,
	USER_END,
	USER_END - 2,
	0x0000800000000000,
	0x0100000000000000,
	0x8000000000000000,
	0xfffeffffffffffff,
	0xffff800000000000,
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

static void set_ip(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RIP] = (greg_t)forged;
}
static void set_sp(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RSP] = (greg_t)forged;
}
static void ip_body(uint64_t value)
{
	return_through(set_ip, value);
}
static void sp_body(uint64_t value)
{
	return_through(set_sp, value);
}

static void addresses_are_contained(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++) {
		CHECK(died(in_child(ip_body, wild[i]), SIGSEGV, SIGBUS));
		CHECK(died(in_child(sp_body, wild[i]), SIGSEGV, SIGBUS));
	}
	still_works();
}

/* The return address of a call at the very end of user space would be non-canonical. */
static void a_call_at_the_end_of_user_space(void)
{
	int status = ktap_wait(CHILD({
		unsigned char *at = mmap((void *)(USER_END - 4096), 4096, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (at == MAP_FAILED)
			_exit(0);
		at[4094] = 0x0f;
		at[4095] = 0x05;
		OK(mprotect(at, 4096, PROT_READ | PROT_EXEC));
		asm volatile("jmp *%0" ::"r"(at + 4094), "a"(SYS_getpid) : "memory");
	}));
	CHECK(status == 0 || died(status, SIGSEGV, SIGBUS));
	still_works();
}

static void set_fpu_pointer(ucontext_t *frame)
{
	frame->uc_mcontext.fpregs = (fpregset_t)forged;
}
static void fpu_pointer_body(uint64_t value)
{
	return_through(set_fpu_pointer, value);
}

/* Each 8-byte word of the FPU area in turn, and all of it, is overwritten. */
static void wreck_fpu(ucontext_t *frame)
{
	uint64_t *area = (uint64_t *)(void *)frame->uc_mcontext.fpregs;

	if (forged == 1000)
		memset(area, 0xff, 512);
	else if (area != nullptr)
		area[forged] = ~0ull;
}

static void fpu_body(uint64_t value)
{
	return_through(wreck_fpu, value);
}

/* Beyond the first 512 bytes: the header of the extended area, and one bit of it at a time. */
static void wreck_extended(ucontext_t *frame)
{
	uint64_t *area = (uint64_t *)(void *)frame->uc_mcontext.fpregs;
	uint32_t magic = area == nullptr ? 0 : ((uint32_t *)area)[116];

	if (magic == 0x46505853)
		area[64 + forged / 64] ^= 1ull << forged % 64;
}

static void extended_body(uint64_t value)
{
	return_through(wreck_extended, value);
}

static void fpu_state_is_checked(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(fpu_pointer_body, wild[i]), SIGSEGV, SIGBUS));
	for (uint64_t word = 0; word < 64; word++)
		CHECK(died(in_child(fpu_body, word), SIGSEGV, SIGFPE));
	CHECK(died(in_child(fpu_body, 1000), SIGSEGV, SIGFPE));
	for (uint64_t bit = 0; bit < 8 * 64; bit += 7)
		CHECK(died(in_child(extended_body, bit), SIGSEGV, SIGFPE));
	still_works();
}

static void direct_body(uint64_t stack)
{
	asm volatile("mov %0, %%rsp\n syscall\n int3" ::"r"(stack), "a"(SYS_rt_sigreturn) : "memory");
	__builtin_unreachable();
}

static char garbage[8192];

/* rt_sigreturn without any frame: wild stack pointers, zeroes, random bytes. */
static void returns_without_a_frame(void)
{
	uint64_t random = 12345;

	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(direct_body, wild[i]), SIGSEGV, SIGBUS));
	CHECK(WIFSIGNALED(in_child(direct_body, (uint64_t)garbage)));
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(garbage); i += 8) {
			random = random * 6364136223846793005 + 1442695040888963407;
			*(uint64_t *)(void *)(garbage + i) = round % 2 ? random : wild[random >> 33 & 15];
		}
		CHECK(WIFSIGNALED(in_child(direct_body, (uint64_t)garbage + 64)));
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
	for (uint64_t word = 0; word < sizeof(ucontext_t) / 8 - 16 && word < 40; word++) {
		for (uint64_t value = 0; value < WILD_COUNT; value += 3) {
			int status = in_child(word_body, word | value << 8);
			CHECK(WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL);
		}
	}
	still_works();
}

KTAP_MAIN(CASE(flags_are_cleaned), CASE(selectors_are_checked), CASE(addresses_are_contained),
	  CASE(a_call_at_the_end_of_user_space), CASE(fpu_state_is_checked), CASE(returns_without_a_frame),
	  CASE(each_word_of_a_frame))
