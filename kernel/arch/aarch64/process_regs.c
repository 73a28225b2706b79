/* SPDX-License-Identifier: MIT */
/*
 * Registers of an arm64 process context by their meaning, and which signal a fault becomes.
 *
 * A system call has its number in x8, which stays, and its result in x0, whose first value the nucleus keeps beside it
 * (arch/user_regs.h); SVC is four bytes long, so the call is made again by moving the program counter back by four.
 * si_codes: asm-generic/siginfo.h of linux-libc-dev; exceptions: Arm ARM (DDI 0487), D1.4 and the ESR_ELx encodings.
 */
#include <arch/signal.h>
#include <kernel/base/syscall.h>
#include <nucleus/layout.h>

enum : uint64_t { SYSCALL_BYTES = 4, NO_SYSCALL = UINT64_MAX };
/* Exception classes (ESR_EL1.EC), which a frame's ESR record shows. */
enum : uint32_t {
	CLASS_UNKNOWN = 0x00,
	CLASS_PC_ALIGNMENT = 0x22,
	CLASS_DATA_ABORT = 0x24,
	CLASS_FPU = 0x2c,
	CLASS_STEP = 0x32,
	CLASS_BREAKPOINT = 0x3c
};
/* Bits of ESR_EL1.ISS for a trapped floating-point exception. */
enum : uint64_t { FPU_INVALID = 1, FPU_DIVISION = 2, FPU_OVERFLOW = 4, FPU_UNDERFLOW = 8, FPU_DENORMAL = 128 };

bool arch_regs_in_syscall(const struct user_regs *regs)
{
	return regs->orig_syscall != NO_SYSCALL;
}

uint32_t arch_regs_syscall(const struct user_regs *regs)
{
	return (uint32_t)regs->orig_syscall;
}

long arch_regs_result(const struct user_regs *regs)
{
	return (long)regs->x[0];
}

void arch_regs_set_result(struct user_regs *regs, long result)
{
	regs->x[0] = (uint64_t)result;
}

void arch_regs_restart(struct user_regs *regs)
{
	regs->x[0] = regs->orig_x0;
	regs->x[8] = regs->orig_syscall;
	regs->pc -= SYSCALL_BYTES;
}

void arch_regs_restart_block(struct user_regs *regs)
{
	regs->x[8] = NR_restart_syscall;
	regs->pc -= SYSCALL_BYTES;
}

void arch_regs_leave_syscall(struct user_regs *regs)
{
	regs->orig_syscall = NO_SYSCALL;
}

/* The register is the program's own and may hold anything. */
bool arch_tls_allowed(uint64_t)
{
	return true;
}

void arch_regs_fork(struct user_regs *regs, uint64_t stack, bool set_tls, uint64_t tls)
{
	regs->x[0] = 0;
	regs->orig_syscall = NO_SYSCALL;
	if (stack != 0)
		regs->sp = stack;
	if (set_tls)
		regs->tpidr = tls;
}

void arch_regs_exec(struct user_regs *regs, uint64_t entry, uint64_t stack)
{
	*regs = (struct user_regs){.pc = entry, .sp = stack, .orig_syscall = NO_SYSCALL};
}

uint64_t arch_regs_pc(const struct user_regs *regs)
{
	return regs->pc;
}

uint64_t arch_regs_stack(const struct user_regs *regs)
{
	return regs->sp;
}

static int32_t float_code(uint64_t bits)
{
	if (bits & FPU_INVALID)
		return FPE_FLTINV;
	if (bits & FPU_DIVISION)
		return FPE_FLTDIV;
	if (bits & FPU_OVERFLOW)
		return FPE_FLTOVF;
	if (bits & (FPU_UNDERFLOW | FPU_DENORMAL))
		return FPE_FLTUND;
	return FPE_FLTRES;
}

void arch_fault_signal(uint32_t cause, uint64_t code, uint64_t address, uint64_t pc, struct signal_info *info,
		       uint32_t *trap_number)
{
	*info = (struct signal_info){.signo = SIGSEGV, .code = SI_KERNEL};
	*trap_number = CLASS_UNKNOWN;
	switch (cause) {
	case EVENT_PAGE_FAULT:
		*trap_number = CLASS_DATA_ABORT;
		info->fault.address = address;
		break;
	case EVENT_ILLEGAL:
		*info = (struct signal_info){.signo = SIGILL, .code = ILL_ILLOPC, .fault.address = pc};
		break;
	case EVENT_BREAKPOINT:
		*trap_number = CLASS_BREAKPOINT;
		*info = (struct signal_info){.signo = SIGTRAP, .code = TRAP_BRKPT, .fault.address = pc};
		break;
	case EVENT_STEP:
		*trap_number = CLASS_STEP;
		*info = (struct signal_info){.signo = SIGTRAP, .code = TRAP_TRACE, .fault.address = pc};
		break;
	case EVENT_FPU:
		*trap_number = CLASS_FPU;
		*info = (struct signal_info){.signo = SIGFPE, .code = float_code(code), .fault.address = pc};
		break;
	case EVENT_ALIGNMENT:
		*trap_number = CLASS_PC_ALIGNMENT;
		*info = (struct signal_info){.signo = SIGBUS, .code = BUS_ADRALN, .fault.address = address};
		break;
	default: break;
	}
}
