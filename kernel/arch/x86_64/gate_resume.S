/* SPDX-License-Identifier: MIT */
/* The gate by which a thread goes on in its process as its record says, at its fixed place (nucleus/layout.h): its section
 * begins where the instruction stands. */
	.cfi_sections .debug_frame
	.section .gates.resume, "ax", @progbits

	/* [[noreturn]] void gate_resume(void) */
	.globl gate_resume
	.type gate_resume, @function
gate_resume:
	.cfi_startproc
	syscall
	ud2
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
