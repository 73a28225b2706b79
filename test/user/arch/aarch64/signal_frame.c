/* SPDX-License-Identifier: MIT */
/*
 * The arm64 half of signals: processor exceptions and the signals they become, the register frame a handler sees and
 * may change, its records, the state a handler starts with, the way back without a restorer.
 */
#include "ktap.h"

#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static siginfo_t last_info;

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
static void undefined(void)
{
	asm volatile("udf #0");
}
static void privileged(void)
{
	asm volatile("msr daifset, #2");
}
static void breakpoint(void)
{
	asm volatile("brk #0");
}
static void beyond_both_halves(void)
{
	*(volatile int *)0x0080000000000000 = 1;
}
static void do_abort(void)
{
	__builtin_trap();
}
static void misaligned_pc(void)
{
	asm volatile("adr x9, 1f\n add x9, x9, #2\n br x9\n 1:" ::: "x9");
}
static void misaligned_sp(void)
{
	asm volatile("sub x9, sp, #8\n mov sp, x9\n ldr x9, [sp]" ::: "x9", "memory");
}
static void misaligned_exclusive(void)
{
	alignas(16) static uint64_t words[4];

	/* Across 16 bytes: within them FEAT_LSE2 allows it. */
	asm volatile("ldxr x9, [%0]" ::"r"((char *)words + 12) : "x9", "memory");
}

static void exceptions_kill(void)
{
	death_by(SIGSEGV, null_write);
	death_by(SIGILL, undefined);
	death_by(SIGILL, privileged);
	death_by(SIGTRAP, breakpoint);
	death_by(SIGSEGV, beyond_both_halves);
	death_by(SIGTRAP, do_abort);
	death_by(SIGBUS, misaligned_pc);
	death_by(SIGBUS, misaligned_exclusive);
	/* QEMU's emulation lets any stack pointer be used. */
	int status = ktap_wait(CHILD(misaligned_sp()));
	CHECK(status == 0 || (status & 0x7f) == SIGBUS);
}

static volatile uint64_t seen_pc, seen_address, seen_esr;
static volatile bool seen_fpsimd;

/* Walks the records as a debugger would. */
static void note_records(const ucontext_t *frame)
{
	const char *at = (const char *)frame->uc_mcontext.__reserved;
	const char *end = at + sizeof(frame->uc_mcontext.__reserved);

	seen_fpsimd = false;
	seen_esr = 0;
	while (at < end) {
		const struct _aarch64_ctx *head = (const void *)at;
		if (head->magic == 0)
			break;
		if (head->magic == FPSIMD_MAGIC)
			seen_fpsimd = head->size == sizeof(struct fpsimd_context);
		else if (head->magic == ESR_MAGIC)
			seen_esr = ((const struct esr_context *)head)->esr;
		at += head->size;
	}
}

static void skip_instruction(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)signal;
	count++;
	last_info = *info;
	seen_pc = frame->uc_mcontext.pc;
	seen_address = frame->uc_mcontext.fault_address;
	note_records(frame);
	frame->uc_mcontext.pc += 4;
	frame->uc_mcontext.regs[0] = 0x1234;
}

static void catch (int signal)
{
	OK(sigaction(signal, &(struct sigaction){.sa_sigaction = skip_instruction, .sa_flags = SA_SIGINFO}, nullptr));
}

static void handlers_may_change_registers(void)
{
	register uint64_t x0 asm("x0") = 0;
	uint64_t at;

	catch (SIGILL);
	asm volatile("adr %0, 1f\n1: udf #0\n" : "=&r"(at), "+r"(x0)::"memory");
	uint64_t result = x0;
	EQUAL(count, 1);
	EQUAL(seen_pc, at);
	EQUAL(result, 0x1234);
	EQUAL(last_info.si_code, ILL_ILLOPC);
	EQUAL((uint64_t)last_info.si_addr, at);
	CHECK(seen_fpsimd);

	catch (SIGSEGV);
	asm volatile("adr %0, 1f\n1: str wzr, [%1]\n" : "=&r"(at) : "r"(0x30ul) : "x0", "memory");
	EQUAL(count, 2);
	EQUAL(seen_address, 0x30);
	EQUAL(seen_pc, at);
	/* A data abort of EL0, by a write, at a translation that is not there. */
	EQUAL(seen_esr >> 26, 0x24);
	EQUAL(seen_esr & 0x40, 0x40);
	EQUAL(seen_esr & 0x3c, 4);
}

/* What is in the registers after the handler; named for the assembler. */
[[gnu::used]] static uint64_t after_handler[33] asm("registers_after_handler");

/* Every general register and the flags survive a handler that arrives at a bad moment. */
static void registers_survive_handlers(void)
{
	catch (SIGTRAP);
	asm volatile("mov x0, #0x90000000\n msr nzcv, x0\n" /* N and V */
		     ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,30\n"
		     "mov x\\n, #0x1100 + \\n\n"
		     ".endr\n"
		     "brk #0\n"
		     "adrp x0, registers_after_handler\n add x0, x0, :lo12:registers_after_handler\n"
		     "stp x1, x2, [x0, #8]\n stp x3, x4, [x0, #24]\n stp x5, x6, [x0, #40]\n stp x7, x8, [x0, #56]\n"
		     "stp x9, x10, [x0, #72]\n stp x11, x12, [x0, #88]\n stp x13, x14, [x0, #104]\n"
		     "stp x15, x16, [x0, #120]\n stp x17, x18, [x0, #136]\n stp x19, x20, [x0, #152]\n"
		     "stp x21, x22, [x0, #168]\n stp x23, x24, [x0, #184]\n stp x25, x26, [x0, #200]\n"
		     "stp x27, x28, [x0, #216]\n str x30, [x0, #240]\n"
		     "mrs x1, nzcv\n str x1, [x0, #256]\n" ::
			     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
			       "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25",
			       "x26", "x27", "x28", "x30", "memory", "cc");
	EQUAL(count, 1);
	for (uint64_t i = 1; i <= 30; i++)
		if (i != 29)
			EQUAL(after_handler[i], 0x1100 + i);
	EQUAL(after_handler[32], 0x90000000);
}

static volatile uint64_t handler_stack, handler_link, link_register;

/* The stack is aligned, and x29 leads to a record of the interrupted function's x29 and x30. */
static void note_entry(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;
	uint64_t *fp = __builtin_frame_address(0);

	(void)signal;
	(void)info;
	count++;
	handler_stack = (uint64_t)fp;
	handler_link = *fp;
	link_register = frame->uc_mcontext.regs[30];
	frame->uc_mcontext.pc += 4;
}

static void handlers_start_clean(void)
{
	OK(sigaction(SIGTRAP, &(struct sigaction){.sa_sigaction = note_entry, .sa_flags = SA_SIGINFO}, nullptr));
	asm volatile("brk #0" ::: "memory");
	EQUAL(count, 1);
	EQUAL(handler_stack % 16, 0);
	EQUAL(((uint64_t *)handler_link)[1], link_register);
}

/* As the kernel takes it (rt_sigaction(2)). */
struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

/* Without a restorer the handler returns to the vDSO. */
static void handlers_return_without_a_restorer(void)
{
	struct kernel_action action = {.handler = skip_instruction, .flags = SA_SIGINFO};

	OK(syscall(SYS_rt_sigaction, SIGTRAP, &action, nullptr, 8));
	for (int i = 1; i <= 3; i++) {
		asm volatile("brk #7" ::: "x0", "memory");
		EQUAL(count, i);
	}
}

static uint64_t flag, timing_in_handler;

static uint64_t read_timing(void)
{
	uint64_t value;

	asm volatile("mrs %0, s3_3_c4_c2_5" : "=r"(value)::"memory");
	return value;
}

static void set_flag(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)signal;
	(void)info;
	count++;
	if (getauxval(AT_HWCAP) & HWCAP_DIT)
		timing_in_handler = read_timing();
	frame->uc_mcontext.pstate |= flag;
	frame->uc_mcontext.pc += 4;
}

/* Processor state that EL0 may set by an instruction of its own, so that frames have it: speculation (SSBS), timing
 * (DIT), tag checks (TCO: no feature bit tells that a processor has it). */
static void frames_may_have_the_process_s_own_flags(void)
{
	enum : uint64_t { SSBS = 1 << 12, DIT = 1 << 24, TCO = 1 << 25 };
	static const uint64_t flags[] = {SSBS, DIT, TCO, SSBS | DIT | TCO};
	uint64_t value;

	OK(sigaction(SIGTRAP, &(struct sigaction){.sa_sigaction = set_flag, .sa_flags = SA_SIGINFO}, nullptr));
	for (int i = 0; i < 4; i++) {
		flag = flags[i];
		asm volatile("brk #0" ::: "memory");
		EQUAL(count, i + 1);
	}
	/* The second frame had it, and no handler after that begins without. */
	if (getauxval(AT_HWCAP) & HWCAP_DIT) {
		EQUAL(read_timing(), DIT);
		EQUAL(timing_in_handler, DIT);
	}
	if (getauxval(AT_HWCAP) & HWCAP_SSBS) {
		asm volatile("mrs %0, s3_3_c4_c2_6" : "=r"(value)::"memory");
		EQUAL(value, SSBS);
	}
}

KTAP_MAIN(CASE(exceptions_kill), CASE(handlers_may_change_registers), CASE(registers_survive_handlers),
	  CASE(handlers_start_clean), CASE(handlers_return_without_a_restorer),
	  CASE(frames_may_have_the_process_s_own_flags))
