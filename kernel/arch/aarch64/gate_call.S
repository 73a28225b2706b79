/* SPDX-License-Identifier: MIT */
/* The gate of nucleus calls, at its fixed place (nucleus/layout.h): its section begins where the instruction stands. */
	.cfi_sections .debug_frame
	.section .gates.call, "ax", @progbits

	/* long nucleus_call_gate: number in w8, arguments as in arch/nucleus_call.h */
	.globl nucleus_call_gate
	.type nucleus_call_gate, @function
nucleus_call_gate:
	.cfi_startproc
	svc #0
	ret
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
