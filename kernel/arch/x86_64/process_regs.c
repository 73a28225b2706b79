/* SPDX-License-Identifier: MIT */
/*
 * Registers of an x86_64 process context by their meaning, and which signal a fault becomes.
 *
 * A system call leaves its number in orig_rax and its result in rax; the SYSCALL instruction is two
 * bytes long, so the call is made again by moving rip back by two (AMD64 Architecture Programmer's
 * Manual 3, SYSCALL). si_codes: Linux signal numbers of asm-generic/siginfo.h; exceptions: AMD64
 * APM 2, 8.2.
 */
#include <arch/signal.h>
#include <kernel/base/syscall.h>
#include <nucleus/layout.h>

enum : uint64_t { NO_SYSCALL = UINT64_MAX, SYSCALL_BYTES = 2, RFLAGS_FIXED = 0x202 };
enum : uint32_t {
	TRAP_DE = 0,
	TRAP_DB = 1,
	TRAP_BP = 3,
	TRAP_OF = 4,
	TRAP_UD = 6,
	TRAP_GP = 13,
	TRAP_PF = 14,
	TRAP_AC = 17,
	TRAP_XM = 19
};

bool arch_regs_in_syscall(const struct user_regs *regs)
{
	return regs->orig_rax != NO_SYSCALL;
}

uint32_t arch_regs_syscall(const struct user_regs *regs)
{
	return (uint32_t)regs->orig_rax;
}

long arch_regs_result(const struct user_regs *regs)
{
	return (long)regs->rax;
}

void arch_regs_set_result(struct user_regs *regs, long result)
{
	regs->rax = (uint64_t)result;
}

void arch_regs_restart(struct user_regs *regs)
{
	regs->rax = regs->orig_rax;
	regs->rip -= SYSCALL_BYTES;
}

void arch_regs_restart_block(struct user_regs *regs)
{
	regs->rax = NR_restart_syscall;
	regs->rip -= SYSCALL_BYTES;
}

void arch_regs_leave_syscall(struct user_regs *regs)
{
	regs->orig_rax = NO_SYSCALL;
}

/* As arch_prctl allows; what is not canonical could not be loaded. */
bool arch_tls_allowed(uint64_t tls)
{
	return tls < USER_END;
}

void arch_regs_fork(struct user_regs *regs, uint64_t stack, bool set_tls, uint64_t tls)
{
	regs->rax = 0;
	regs->orig_rax = NO_SYSCALL;
	if (stack != 0)
		regs->rsp = stack;
	if (set_tls)
		regs->fs_base = tls;
}

void arch_regs_exec(struct user_regs *regs, uint64_t entry, uint64_t stack)
{
	uint64_t cs = regs->cs, ss = regs->ss;

	*regs = (struct user_regs){
		.rip = entry, .rsp = stack, .cs = cs, .ss = ss, .rflags = RFLAGS_FIXED, .orig_rax = NO_SYSCALL};
}

uint64_t arch_regs_pc(const struct user_regs *regs)
{
	return regs->rip;
}

uint64_t arch_regs_stack(const struct user_regs *regs)
{
	return regs->rsp;
}

/* Exception flags of the x87 status word and of MXCSR have the same order. */
static int32_t float_code(uint64_t bits)
{
	if (bits & 0x01)
		return FPE_FLTINV;
	if (bits & 0x04)
		return FPE_FLTDIV;
	if (bits & 0x08)
		return FPE_FLTOVF;
	if (bits & 0x12)
		return FPE_FLTUND;
	return FPE_FLTRES;
}

void arch_fault_signal(uint32_t cause, uint64_t code, uint64_t address, uint64_t pc, struct signal_info *info,
		       uint32_t *trap_number)
{
	*info = (struct signal_info){.signo = SIGSEGV, .code = SI_KERNEL};
	*trap_number = TRAP_GP;
	switch (cause) {
	case EVENT_PAGE_FAULT:
		*trap_number = TRAP_PF;
		info->fault.address = address;
		break;
	case EVENT_ILLEGAL:
		*trap_number = TRAP_UD;
		*info = (struct signal_info){.signo = SIGILL, .code = ILL_ILLOPN, .fault.address = pc};
		break;
	case EVENT_BREAKPOINT:
		*trap_number = TRAP_BP;
		info->signo = SIGTRAP;
		break;
	case EVENT_STEP:
		*trap_number = TRAP_DB;
		*info = (struct signal_info){.signo = SIGTRAP, .code = TRAP_TRACE, .fault.address = pc};
		break;
	case EVENT_DIVIDE:
		*trap_number = TRAP_DE;
		*info = (struct signal_info){.signo = SIGFPE, .code = FPE_INTDIV, .fault.address = pc};
		break;
	case EVENT_OVERFLOW: *trap_number = TRAP_OF; break;
	case EVENT_FPU:
		*trap_number = TRAP_XM;
		*info = (struct signal_info){.signo = SIGFPE, .code = float_code(code), .fault.address = pc};
		break;
	case EVENT_ALIGNMENT:
		*trap_number = TRAP_AC;
		*info = (struct signal_info){.signo = SIGBUS, .code = BUS_ADRALN};
		break;
	default: break;
	}
}
