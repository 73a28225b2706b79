/* SPDX-License-Identifier: MIT */
/*
 * What the compiler has each function call first (strike.c). Most of the time that is a
 * look at one word. Who is struck leaves by a jump, with the caller's address in the link register: the report names the
 * caller. Hint 34 is BTI C: a call may land here.
 */
	.cfi_sections .debug_frame
	.text
	.globl __sanitizer_cov_trace_pc
	.type __sanitizer_cov_trace_pc, %function
__sanitizer_cov_trace_pc:
	.cfi_startproc
	hint #34
	adrp x9, strike_armed
	ldr w9, [x9, :lo12:strike_armed]
	cbnz w9, 1f
	ret
1:	stp x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov x29, sp
	mov x0, x30
	bl strike_due
	ldp x29, x30, [sp], #16
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	tbnz w0, #0, 2f
	ret
2:	adrp x9, strike_nowhere
	ldr x9, [x9, :lo12:strike_nowhere]
	br x9
	.cfi_endproc
	.size __sanitizer_cov_trace_pc, . - __sanitizer_cov_trace_pc

	.section .note.GNU-stack, "", %progbits
