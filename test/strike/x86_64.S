/* SPDX-License-Identifier: MIT */
/*
 * What the compiler has each function call first (strike.c). Most of the time that is a
 * look at one word. Who is struck leaves by a jump, with the caller's address on the stack: the report names the caller.
 */
	.cfi_sections .debug_frame
	.text
	.globl __sanitizer_cov_trace_pc
	.type __sanitizer_cov_trace_pc, @function
__sanitizer_cov_trace_pc:
	.cfi_startproc
	cmpl $0, strike_armed(%rip)
	jne 1f
	retq
1:	movq (%rsp), %rdi
	/* Aligned again for the call. */
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	callq strike_due
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	testb %al, %al
	jne 2f
	retq
2:	jmpq *strike_nowhere(%rip)
	.cfi_endproc
	.size __sanitizer_cov_trace_pc, . - __sanitizer_cov_trace_pc

	.section .note.GNU-stack, "", @progbits
