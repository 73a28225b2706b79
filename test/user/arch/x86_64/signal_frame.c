/* SPDX-License-Identifier: MIT */
/*
 * The x86_64 half of signals: processor exceptions and the signals they become, the register frame
 * a handler sees and may change, the state a handler starts with, the red zone.
 */
#include "ktap.h"

#include <signal.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static siginfo_t last_info;

static void count_signal(int signal)
{
	(void)signal;
	count++;
}

static void handle(int signal, void (*handler)(int))
{
	OK(sigaction(signal, &(struct sigaction){.sa_handler = handler}, nullptr));
}

static void death_by(int signal, void (*body)(void))
{
	pid_t child = CHILD({
		setrlimit(RLIMIT_CORE, &(struct rlimit){});
		body();
	});
	DIES(child, signal);
}

static void null_write(void)
{
	*(volatile int *)8 = 1;
}
static void divide(void)
{
	asm volatile("xor %%ecx, %%ecx; idivl %%ecx" ::: "eax", "ecx", "edx");
}
static void undefined(void)
{
	asm volatile("ud2");
}
static void privileged(void)
{
	asm volatile("hlt");
}
static void breakpoint(void)
{
	asm volatile("int3");
}
static void noncanonical(void)
{
	*(volatile int *)0x8000000000000000 = 1;
}
static void do_abort(void)
{
	__builtin_trap();
}

static void exceptions_kill(void)
{
	death_by(SIGSEGV, null_write);
	death_by(SIGFPE, divide);
	death_by(SIGILL, undefined);
	death_by(SIGSEGV, privileged);
	death_by(SIGTRAP, breakpoint);
	death_by(SIGSEGV, noncanonical);
	death_by(SIGILL, do_abort);
}

static volatile greg_t seen_rip, seen_trapno, seen_cr2;

static void skip_instruction(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)signal;
	count++;
	last_info = *info;
	seen_rip = frame->uc_mcontext.gregs[REG_RIP];
	seen_trapno = frame->uc_mcontext.gregs[REG_TRAPNO];
	seen_cr2 = frame->uc_mcontext.gregs[REG_CR2];
	frame->uc_mcontext.gregs[REG_RIP] += 2;
	frame->uc_mcontext.gregs[REG_RAX] = 0x1234;
}

static void handlers_may_change_registers(void)
{
	uintptr_t at, rax = 0;

	OK(sigaction(SIGILL, &(struct sigaction){.sa_sigaction = skip_instruction, .sa_flags = SA_SIGINFO}, nullptr));
	asm volatile("lea 1f(%%rip), %0\n1: ud2\n" : "=&r"(at), "+a"(rax));
	EQUAL(count, 1);
	EQUAL((uintptr_t)seen_rip, at);
	EQUAL(seen_trapno, 6);
	EQUAL(rax, 0x1234);
	EQUAL(last_info.si_code, ILL_ILLOPN);
	EQUAL((uintptr_t)last_info.si_addr, at);

	/* The store below is two bytes long, as ud2 is. */
	OK(sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = skip_instruction, .sa_flags = SA_SIGINFO}, nullptr));
	asm volatile("lea 1f(%%rip), %0\n1: movl %%eax, (%%rdx)\n" : "=&r"(at), "+a"(rax) : "d"(0x30) : "memory");
	EQUAL(count, 2);
	EQUAL(seen_trapno, 14);
	EQUAL(seen_cr2, 0x30);
	EQUAL((uintptr_t)seen_rip, at);
}

/* Every general register and the flags survive a handler that arrives at a bad moment. */
static void registers_survive_handlers(void)
{
	uint64_t in[12], out[12], flags;

	handle(SIGTRAP, count_signal);
	for (size_t i = 0; i < 12; i++)
		in[i] = 0x0101010101010101u * (i + 3);
	asm volatile("push %%rbp\n push %%rbx\n"
		     "mov %[in], %%rsi\n mov %[out], %%rdi\n"
		     "mov 0(%%rsi), %%rax\n mov 8(%%rsi), %%rbx\n mov 16(%%rsi), %%rcx\n mov 24(%%rsi), %%rdx\n"
		     "mov 32(%%rsi), %%rbp\n mov 40(%%rsi), %%r8\n mov 48(%%rsi), %%r9\n mov 56(%%rsi), %%r10\n"
		     "mov 64(%%rsi), %%r12\n mov 72(%%rsi), %%r13\n mov 80(%%rsi), %%r14\n mov 88(%%rsi), %%r15\n"
		     "stc\n std\n int3\n pushfq\n cld\n pop %%r11\n"
		     "mov %%rax, 0(%%rdi)\n mov %%rbx, 8(%%rdi)\n mov %%rcx, 16(%%rdi)\n mov %%rdx, 24(%%rdi)\n"
		     "mov %%rbp, 32(%%rdi)\n mov %%r8, 40(%%rdi)\n mov %%r9, 48(%%rdi)\n mov %%r10, 56(%%rdi)\n"
		     "mov %%r12, 64(%%rdi)\n mov %%r13, 72(%%rdi)\n mov %%r14, 80(%%rdi)\n mov %%r15, 88(%%rdi)\n"
		     "mov %%r11, %%rsi\n pop %%rbx\n pop %%rbp\n"
		     : "=S"(flags)
		     : [in] "S"(in), [out] "D"(out)
		     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	EQUAL(count, 1);
	for (size_t i = 0; i < 12; i++)
		EQUAL(out[i], in[i]);
	EQUAL(flags & 0x401, 0x401);
}

/* A handler's own frame begins with the direction flag clear and an aligned stack. */
static volatile uint64_t handler_flags, handler_stack;

static void note_entry(int signal)
{
	uint64_t flags;

	(void)signal;
	asm volatile("pushfq; pop %0" : "=r"(flags));
	handler_flags = flags;
	handler_stack = (uint64_t)__builtin_frame_address(0);
}

static void handlers_start_clean(void)
{
	handle(SIGTRAP, note_entry);
	asm volatile("std; int3; cld" ::: "memory");
	EQUAL(handler_flags & 0x400, 0);
	EQUAL(handler_stack % 16, 0);
}

/* The 128 bytes below the stack pointer belong to the interrupted function. */
static void the_red_zone_survives(void)
{
	uint64_t value;

	handle(SIGTRAP, count_signal);
	asm volatile("movabs $0x1122334455667788, %%rax\n"
		     "mov %%rax, -8(%%rsp)\n mov %%rax, -128(%%rsp)\n"
		     "int3\n"
		     "mov -8(%%rsp), %0\n xor -128(%%rsp), %0\n"
		     "xor %%rax, %0\n"
		     : "=&r"(value)::"rax", "memory");
	EQUAL(value, 0x1122334455667788);
}

KTAP_MAIN(CASE(exceptions_kill), CASE(handlers_may_change_registers), CASE(registers_survive_handlers),
	  CASE(handlers_start_clean), CASE(the_red_zone_survives))
