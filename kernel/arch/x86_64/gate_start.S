/* SPDX-License-Identifier: MIT */
/* Where the nucleus enters lowered code for the first time; its place is fixed (nucleus/layout.h). */
/* Where the nucleus enters, nothing is above, which debuggers should know. */
.macro outermost
	.cfi_startproc
	.cfi_undefined %rip
.endm

	.cfi_sections .debug_frame
	.section .gates.start, "ax", @progbits
gate_start:
	outermost
	xorl %ebp, %ebp
	call kernel_main
	ud2
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
