/* SPDX-License-Identifier: MIT */
/*
 * What signals, exec and clone need of the architecture: the registers of a process context seen by their meaning, and
 * the frame on the user stack that a handler returns through. Defined in arch/ARCH/process_regs.c and signal_frame.c.
 */
#ifndef KERNEL_USER_CONTEXT_H
#define KERNEL_USER_CONTEXT_H

#include <kernel/process/signal.h>
#include <nucleus/upcall.h>

struct arch_signal_delivery {
	int signo;
	struct signal_action action;
	struct signal_info info;
	uint64_t mask_to_restore;
};

/* Builds the frame and points regs at the handler. -EFAULT: the stack cannot take it. May sleep. */
[[nodiscard]] int arch_signal_frame(struct user_regs *regs, const struct arch_signal_delivery *d);

/* A system call that ended but has not yet returned: its result, else 0. */
bool arch_regs_in_syscall(const struct user_regs *regs);
long arch_regs_result(const struct user_regs *regs);
uint32_t arch_regs_syscall(const struct user_regs *regs); /* its number */
void arch_regs_set_result(struct user_regs *regs, long result);
/* Makes the call again: the same one, or restart_syscall. */
void arch_regs_restart(struct user_regs *regs);
void arch_regs_restart_block(struct user_regs *regs);
/* No system call to restart any more. */
void arch_regs_leave_syscall(struct user_regs *regs);

/* Whether a thread may be given this thread pointer. */
bool arch_tls_allowed(uint64_t tls);
/* A forked thread: result 0, its stack pointer if not 0, its thread pointer if set_tls. */
void arch_regs_fork(struct user_regs *regs, uint64_t stack, bool set_tls, uint64_t tls);
/* A fresh program. */
void arch_regs_exec(struct user_regs *regs, uint64_t entry, uint64_t stack);
uint64_t arch_regs_pc(const struct user_regs *regs);
uint64_t arch_regs_stack(const struct user_regs *regs);

/* Bytes that a signal frame may take (AT_MINSIGSTKSZ). */
uint64_t arch_signal_frame_bytes(void);

/* Bytes of the FPU state that a core file has in a note of its own besides the old one (NT_X86_XSTATE); 0: none. An
 * image, as the nucleus gives it, is completed for that. */
size_t arch_core_xstate(unsigned char *image);

/* Signal for a fault of the process's own making: fills in info and the thread's trap number. */
void arch_fault_signal(uint32_t cause, uint64_t code, uint64_t address, uint64_t pc, struct signal_info *info,
		       uint32_t *trap_number);

#endif
