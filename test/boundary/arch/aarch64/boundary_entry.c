/* SPDX-License-Identifier: MIT */
/*
 * Every way by which a process can leave EL0, tried with everything it can bring along: SVC with every immediate and
 * with every gate's number, breakpoints, privileged instructions and system registers, instructions at random, wild
 * stack and thread pointers, flags. Each ends in a signal or does nothing, and the kernel goes on.
 */
#include "boundary.h"

#include <nucleus/layout.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum : uint32_t { RET = 0xd65f03c0, BRK = 0xd4200000, SVC = 0xd4000001, HVC = 0xd4000002, SMC = 0xd4000003 };
enum { CODE_BYTES = 1 << 20 };

static uint32_t *code;

static void make_code(void)
{
	code = mmap(nullptr, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(code != MAP_FAILED);
}

/* Writes the instructions, each followed by a return. */
static void set_code(const uint32_t *words, size_t count)
{
	OK(mprotect(code, CODE_BYTES, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < count; i++) {
		code[2 * i] = words[i];
		code[2 * i + 1] = RET;
	}
	OK(mprotect(code, CODE_BYTES, PROT_READ | PROT_EXEC));
	__builtin___clear_cache((char *)code, (char *)(code + 2 * count));
}

static sigjmp_buf back;
static volatile int got_signal;
static volatile uint64_t got_pc;

static void come_back(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *frame = context;

	(void)info;
	got_signal = signal;
	got_pc = frame->uc_mcontext.pc;
	siglongjmp(back, 1);
}

static void catch_all(void)
{
	static char alternate[65536];
	struct sigaction action = {.sa_sigaction = come_back, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};

	OK(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof(alternate)}, nullptr));
	for (int i = 0; i < 5; i++)
		OK(sigaction((int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE}[i], &action, nullptr));
}

/* Runs the n-th instruction of the code with x0 = value and x8 = number. Returns the signal that ended it; *result: x0.
 */
static int run_code(size_t n, uint64_t value, uint64_t number, uint64_t *result)
{
	register uint64_t x0 asm("x0") = value;
	register uint64_t x8 asm("x8") = number;

	got_signal = 0;
	if (sigsetjmp(back, 0) == 0) {
		x0 = value;
		x8 = number;
		asm volatile("blr %2"
			     : "+r"(x0), "+r"(x8)
			     : "r"(code + 2 * n)
			     : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
			       "x16", "x17", "x18", "x30", "memory", "cc");
		if (result != nullptr)
			*result = x0;
	}
	return got_signal;
}

/* The immediate of SVC is nobody's: each makes the system call in x8. */
static void software_interrupts(void)
{
	static uint32_t words[65536];
	uint64_t self = (uint64_t)getpid();

	make_code();
	catch_all();
	for (uint32_t i = 0; i < 65536; i++)
		words[i] = SVC | i << 5;
	set_code(words, 65536);
	for (uint32_t i = 0; i < 65536; i++) {
		uint64_t result = 0;
		int signal = run_code(i, 0, SYS_getpid, &result);
		if (signal != 0 || result != self)
			ktap_fail(__FILE__, __LINE__, "svc #%u: signal %d, result %lu", i, signal,
				  (unsigned long)result);
	}
	still_works();
}

/* The numbers of nucleus calls, and everything near: a process's SVC is a system call, whatever the number. */
static void every_gates_number(void)
{
	make_code();
	catch_all();
	set_code((uint32_t[]){SVC}, 1);
	for (uint64_t number = 470; number < 5000; number++) {
		uint64_t result = 0;
		EQUAL(run_code(0, 1, number, &result), 0);
		EQUAL((long)result, -ENOSYS);
	}
	static const uint64_t far[] = {GATE_CALL_RETURN, GATE_EXIT_RETURN, GATE_RESUME_RETURN, ELEVATED_BASE, ~0ull,
				       1ull << 63,	 1ull << 32};
	for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++) {
		uint64_t result = 0;
		EQUAL(run_code(0, 1, far[i], &result), 0);
		EQUAL((long)result, -ENOSYS);
	}
	still_works();
}

static void other_trap_instructions(void)
{
	static uint32_t words[65536];

	make_code();
	catch_all();
	for (uint32_t i = 0; i < 65536; i++)
		words[i] = BRK | i << 5;
	set_code(words, 65536);
	for (uint32_t i = 0; i < 65536; i += 61) {
		EQUAL(run_code(i, 0, 0, nullptr), SIGTRAP);
		EQUAL(got_pc, (uint64_t)(code + 2 * i));
	}
	/* HLT, DCPS1 to 3, UDF, HVC, SMC, with some immediates. */
	static const uint32_t others[] = {0xd4400000,	     0xd4401e20, 0xd4a00001,	   0xd4a00002,
					  0xd4a00003,	     0x00000000, 0x0000ffff,	   HVC,
					  HVC | 0xffff << 5, SMC,	 SMC | 0xffff << 5};
	set_code(others, sizeof(others) / sizeof(*others));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		EQUAL(run_code(i, 0x84000008, 0, nullptr), SIGILL);
	still_works();
}

struct instruction {
	const char *name;
	uint32_t word; /* operands in x0 */
};

static void privileged_instructions(void)
{
	static const struct instruction forbidden[] = {
		{"msr daifset", 0xd5034fdf},
		{"msr daifclr", 0xd5034fff},
		{"msr daif", 0xd51b4220},
		{"mrs daif", 0xd53b4220},
		{"msr spsel", 0xd50041bf},
		{"msr pan", 0xd500419f},
		{"msr uao", 0xd500417f},
		{"eret", 0xd69f03e0},
		{"mrs currentel", 0xd5384240},
		{"mrs sp_el0", 0xd5384100},
		{"msr sp_el0", 0xd5184100},
		{"mrs ttbr0_el1", 0xd5382000},
		{"msr ttbr0_el1", 0xd5182000},
		{"mrs ttbr1_el1", 0xd5382020},
		{"msr ttbr1_el1", 0xd5182020},
		{"msr sctlr_el1", 0xd5181000},
		{"msr tcr_el1", 0xd5182040},
		{"msr mair_el1", 0xd518a200},
		{"msr vbar_el1", 0xd518c000},
		{"mrs vbar_el1", 0xd538c000},
		{"msr elr_el1", 0xd5184020},
		{"msr spsr_el1", 0xd5184000},
		{"mrs tpidr_el1", 0xd538d080},
		{"msr tpidr_el1", 0xd518d080},
		{"msr tpidrro_el0", 0xd51bd060},
		{"msr cntkctl_el1", 0xd518e100},
		{"msr cntv_ctl_el0", 0xd51be320},
		{"mrs cntv_ctl_el0", 0xd53be320},
		{"msr cntv_cval_el0", 0xd51be340},
		{"mrs cntp_ctl_el0", 0xd53be220},
		{"msr cpacr_el1", 0xd5181040},
		{"mrs esr_el1", 0xd5385200},
		{"mrs far_el1", 0xd5386000},
		{"mrs par_el1", 0xd5387400},
		{"msr mdscr_el1", 0xd5100240},
		{"msr contextidr_el1", 0xd518d020},
		{"mrs mpidr_el1 of el2", 0xd53c4000},
		{"tlbi vmalle1", 0xd508871f},
		{"tlbi vmalle1is", 0xd508831f},
		{"tlbi vae1is", 0xd5088320},
		{"tlbi aside1", 0xd5088740},
		{"ic iallu", 0xd508751f},
		{"ic ialluis", 0xd508711f},
		{"dc ivac", 0xd5087620},
		{"dc isw", 0xd5087640},
		{"dc csw", 0xd5087a40},
		{"dc cisw", 0xd5087e40},
		{"at s1e1r", 0xd5087800},
		{"at s1e1w", 0xd5087820},
		{"at s1e0r", 0xd5087840},
		{"icc_sre_el1", 0xd538cca0},
		{"icc_iar1_el1", 0xd538cc00},
		{"icc_eoir1_el1", 0xd518cc20},
		{"icc_sgi1r_el1", 0xd518cba0},
		{"pmcr_el0", 0xd53b9c00},
	};
	enum { COUNT = sizeof(forbidden) / sizeof(*forbidden) };
	uint32_t words[COUNT];

	make_code();
	catch_all();
	for (size_t i = 0; i < COUNT; i++)
		words[i] = forbidden[i].word;
	set_code(words, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		int signal = run_code(i, (uint64_t)code, 0, nullptr);
		if (signal != SIGILL || got_pc != (uint64_t)(code + 2 * i))
			ktap_fail(__FILE__, __LINE__, "%s ended in signal %d at %#lx", forbidden[i].name, signal,
				  (unsigned long)got_pc);
	}
	still_works();
}

/* MRS (read) or MSR of every system register there could be: op0 = 2 or 3, op1, CRn, CRm, op2. */
static uint32_t system_register(bool read, uint32_t op0, uint32_t op1, uint32_t rest)
{
	return 0xd5000000 | (read ? 1u << 21 : 0) | op0 << 19 | op1 << 16 | rest << 5;
}

/* The identification registers, which a kernel may let processes read as a service: op1 0, CRn 0. */
static bool identifies(uint32_t op0, uint32_t op1, uint32_t rest)
{
	return op0 == 3 && op1 == 0 && rest >> 7 == 0;
}

static void every_register_of_the_kernel(void)
{
	static uint32_t words[2048];

	make_code();
	catch_all();
	for (uint32_t op0 = 2; op0 <= 3; op0++) {
		for (uint32_t op1 = 0; op1 < 8; op1++) {
			/* EL0's own. Debug registers of op0 2: those that EL0 could reach are off. */
			if (op1 == 3)
				continue;
			for (int read = 0; read < 2; read++) {
				for (uint32_t rest = 0; rest < 2048; rest++)
					words[rest] = system_register(read, op0, op1, rest);
				set_code(words, 2048);
				for (uint32_t rest = 0; rest < 2048; rest++) {
					int signal = run_code(rest, 0, 0, nullptr);
					if (signal != SIGILL && !(read && identifies(op0, op1, rest)))
						ktap_fail(__FILE__, __LINE__, "%s of S%u_%u_C%u_C%u_%u: signal %d",
							  read ? "mrs" : "msr", op0, op1, rest >> 7, rest >> 3 & 15,
							  rest & 7, signal);
				}
			}
		}
	}
	still_works();
}

/* What of its own level EL0 may write is flags and the thread pointer. */
static bool may_be_written(uint32_t rest)
{
	enum : uint32_t { NZCV = 4 << 7 | 2 << 3, FPCR = 4 << 7 | 4 << 3, TPIDR = 13 << 7 | 0 << 3 | 2 };

	/* Beside NZCV: DIT, SSBS, TCO. Beside FPCR: FPSR. */
	return rest == NZCV || (rest >= (NZCV | 5) && rest <= (NZCV | 7)) || rest == FPCR || rest == (FPCR | 1) ||
	       rest == TPIDR;
}

static void few_registers_can_be_written(void)
{
	static uint32_t words[2048];

	make_code();
	catch_all();
	for (uint32_t op0 = 2; op0 <= 3; op0++) {
		for (uint32_t rest = 0; rest < 2048; rest++)
			words[rest] = system_register(false, op0, 3, rest);
		set_code(words, 2048);
		for (uint32_t rest = 0; rest < 2048; rest++) {
			if (op0 == 3 && may_be_written(rest))
				continue;
			int signal = run_code(rest, 0, 0, nullptr);
			if (signal != SIGILL)
				ktap_fail(__FILE__, __LINE__, "msr of S%u_3_C%u_C%u_%u: signal %d", op0, rest >> 7,
					  rest >> 3 & 15, rest & 7, signal);
		}
	}
	still_works();
}

/* None of those that EL0 may read shows an address of the kernel. */
static void readable_registers_tell_nothing(void)
{
	static uint32_t words[2048];
	static bool refused[2048];
	unsigned readable = 0;

	make_code();
	catch_all();
	for (uint32_t rest = 0; rest < 2048; rest++)
		words[rest] = system_register(true, 3, 3, rest);
	set_code(words, 2048);
	for (int round = 0; round < 3; round++) {
		for (uint32_t rest = 0; rest < 2048; rest++) {
			uint64_t value = 0;
			if (!refused[rest])
				refused[rest] = run_code(rest, 0, 0, &value) != 0;
			if (refused[rest])
				continue;
			readable++;
			if (value >> 47 == 0x1ffff)
				ktap_fail(__FILE__, __LINE__, "S3_3_C%u_C%u_%u is %#lx", rest >> 7, rest >> 3 & 15,
					  rest & 7, (unsigned long)value);
		}
		sched_yield();
	}
	/* At least the flags, FPCR, FPSR, the thread pointers, the counter, CTR and DCZID. */
	CHECK(readable >= 3 * 8);
	still_works();
}

static uint64_t thread_register(void)
{
	uint64_t value;

	asm volatile("mrs %0, tpidrro_el0" : "=r"(value)::"memory");
	return value;
}

static volatile uint64_t seen_in_handler;

static void look(int signal)
{
	(void)signal;
	seen_in_handler = thread_register();
}

static void *look_in_thread(void *)
{
	for (int i = 0; i < 2000; i++) {
		EQUAL(thread_register(), 0);
		if (i % 16 == 0)
			sched_yield();
	}
	return nullptr;
}

/* By it the kernel's code knows its thread: a process sees zero, whatever has just happened. */
static void the_kernels_thread_register_leaks_nothing(void)
{
	pthread_t threads[4];

	EQUAL(thread_register(), 0);
	for (int i = 0; i < 4; i++)
		EQUAL(pthread_create(&threads[i], nullptr, look_in_thread, nullptr), 0);
	look_in_thread(nullptr);
	for (int i = 0; i < 4; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	signal(SIGUSR1, look);
	seen_in_handler = 1;
	OK(kill(getpid(), SIGUSR1));
	EQUAL(seen_in_handler, 0);
	/* After a page fault, and in a fork. */
	char *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	*(volatile char *)page = 1;
	EQUAL(thread_register(), 0);
	EXITS(CHILD(EQUAL(thread_register(), 0)), 0);
}

static uint64_t random_state;

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(random_state >> 32);
}

/* Half of them system instructions, of which a process may do a few. */
static void random_body(uint64_t seed)
{
	uint32_t words[512];

	make_code();
	random_state = seed;
	for (size_t i = 0; i < 512; i++)
		words[i] = i % 2 ? 0xd5000000 | (next_random() & 0x003fffff) : next_random();
	set_code(words, 512);
	for (int i = 0; i < 5; i++)
		signal((int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE}[i], SIG_DFL);
	OK(setrlimit(RLIMIT_NPROC, &(struct rlimit){20, 20}));
	OK(setgid(65533));
	OK(setuid(65533));
	alarm(2);
	((void (*)(void))(code + 2 * (seed % 512)))();
}

static void random_instructions(void)
{
	for (uint64_t seed = 1; seed <= 500; seed++)
		(void)in_child(random_body, seed);
	still_works();
}

static const uint64_t wild[] = {
	0,
	8,
	0x1000,
	USER_END - 16,
	USER_END,
	0x0001000000000000,
	0x8000000000000000,
	0xfffeffffffffffff,
	0xffff800000000000,
	WINDOW_BASE,
	POOL_BASE,
	POOL_BASE + 0x40001000,
	IMAGE_BASE,
	GATES_BASE,
	~15ull,
	~0ull,
};
constexpr size_t WILD_COUNT = sizeof(wild) / sizeof(*wild);

/* With such a stack pointer: a call, time to be interrupted in, another CPU perhaps, then a fault. */
static void stack_attempt(uint64_t stack)
{
	asm volatile("mov sp, %0\n"
		     "mov x8, %1\n svc #0\n"
		     "movz x9, #12, lsl #16\n 1: subs x9, x9, #1\n b.ne 1b\n"
		     "mov x8, %2\n svc #0\n"
		     "mov x8, %1\n svc #0\n"
		     "brk #0\n" ::"r"(stack),
		     "i"(SYS_getpid), "i"(SYS_sched_yield)
		     : "x0", "x8", "x9", "memory", "cc");
	__builtin_unreachable();
}

static void wild_stack_pointers(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(stack_attempt, wild[i]), SIGTRAP, 0));
	still_works();
}

static void nothing(int signal)
{
	(void)signal;
}

static void handler_stack_attempt(uint64_t stack)
{
	signal(SIGTRAP, nothing);
	stack_attempt(stack);
}

/* No frame can be written there. */
static void handlers_on_wild_stacks(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(handler_stack_attempt, wild[i]), SIGSEGV, SIGBUS));
	still_works();
}

static void base_attempt(uint64_t base)
{
	/* Raw calls only: the C library's thread pointer is wrecked. */
	asm volatile("msr tpidr_el0, %0\n"
		     "mov x8, %1\n svc #0\n"
		     "movz x9, #12, lsl #16\n 1: subs x9, x9, #1\n b.ne 1b\n"
		     "mov x8, %2\n svc #0\n"
		     "mrs x9, tpidr_el0\n cmp x9, %0\n b.ne 2f\n"
		     "brk #0\n 2: udf #0\n" ::"r"(base),
		     "i"(SYS_getpid), "i"(SYS_sched_yield)
		     : "x0", "x8", "x9", "memory", "cc");
}

static void wild_thread_pointers(void)
{
	for (size_t i = 0; i < WILD_COUNT; i++)
		CHECK(died(in_child(base_attempt, wild[i]), SIGTRAP, 0));
	still_works();
}

static void flags_attempt(uint64_t flags)
{
	uint64_t after;

	asm volatile("msr fpcr, %1\n msr fpsr, %1\n msr nzcv, %1\n"
		     "mov x8, %2\n svc #0\n"
		     "movz x9, #12, lsl #16\n 1: sub x9, x9, #1\n cbnz x9, 1b\n"
		     "mov x8, %3\n svc #0\n"
		     "mrs %0, nzcv\n"
		     "msr fpcr, xzr\n"
		     : "=r"(after)
		     : "r"(flags), "i"(SYS_getpid), "i"(SYS_sched_yield)
		     : "x0", "x8", "x9", "memory", "cc");
	EQUAL(after, flags & 0xf0000000);
	asm volatile("msr daifset, #2");
}

/* Condition flags and floating-point control, taken into calls and interrupts. */
static void flags_on_entry(void)
{
	for (uint64_t flags = 0; flags < 16; flags++)
		CHECK(died(in_child(flags_attempt, flags << 28 | flags << 22), SIGILL, 0));
	CHECK(died(in_child(flags_attempt, ~0ull), SIGILL, SIGFPE));
	still_works();
}

KTAP_MAIN(CASE(software_interrupts), CASE(every_gates_number), CASE(other_trap_instructions),
	  CASE(privileged_instructions), CASE(every_register_of_the_kernel), CASE(few_registers_can_be_written),
	  CASE(readable_registers_tell_nothing), CASE(the_kernels_thread_register_leaks_nothing),
	  CASE(random_instructions), CASE(wild_stack_pointers), CASE(handlers_on_wild_stacks),
	  CASE(wild_thread_pointers), CASE(flags_on_entry))
