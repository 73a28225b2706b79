/* SPDX-License-Identifier: MIT */
/*
 * The non-local exit under guards (kernel/thread/guard.c). What the calling convention lets a function change is not
 * saved (System V ABI for x86-64, 3.2.1). The lowered kernel has no FPU state.
 */

/* int guard_save(uint64_t *context): 0 now, 1 after guard_leave */
	.cfi_sections .debug_frame
	.text
	.globl guard_save
	.type guard_save, @function
guard_save:
	.cfi_startproc
	movq %rbx, 0(%rdi)
	movq %rbp, 8(%rdi)
	movq %r12, 16(%rdi)
	movq %r13, 24(%rdi)
	movq %r14, 32(%rdi)
	movq %r15, 40(%rdi)
	leaq 8(%rsp), %rax
	movq %rax, 48(%rdi)
	movq (%rsp), %rax
	movq %rax, 56(%rdi)
	xorl %eax, %eax
	retq
	.cfi_endproc
	.size guard_save, . - guard_save

/* void guard_leave(const uint64_t *context): guard_save returns again */
	.globl guard_leave
	.type guard_leave, @function
guard_leave:
	.cfi_startproc
	movq 0(%rdi), %rbx
	movq 8(%rdi), %rbp
	movq 16(%rdi), %r12
	movq 24(%rdi), %r13
	movq 32(%rdi), %r14
	movq 40(%rdi), %r15
	movl $1, %eax
	movq 48(%rdi), %rsp
	jmpq *56(%rdi)
	.cfi_endproc
	.size guard_leave, . - guard_leave

/* void call_on_stack(uint64_t top, void (*fn)(void)) */
	.globl call_on_stack
	.type call_on_stack, @function
call_on_stack:
	.cfi_startproc
	movq %rdi, %rsp
	andq $-16, %rsp
	/* No frame above: a backtrace ends here. */
	.cfi_undefined %rip
	xorl %ebp, %ebp
	callq *%rsi
	ud2
	.cfi_endproc
	.size call_on_stack, . - call_on_stack
