/* SPDX-License-Identifier: MIT */
/*
 * The gates page: the SVC instructions by which lowered code turns to the nucleus, and the places where the nucleus enters lowered code. The
 * nucleus tells the gates apart by the return address, so each stands at its fixed place (arch/layout.h); .org makes
 * the assembler refuse code that grew past it. No landing pads: nothing comes here by an indirect branch.
 */
#include <arch/layout.h>

#define AT(address) .org (address) - GATES_BASE, 0

	.section .gates, "ax", @progbits

	AT(GATE_START)
	bl kernel_main
	udf #0

	/* long nucleus_call_gate: number in w8, arguments as in arch/nucleus_call.h */
	AT(GATE_CALL_RETURN - 4)
	.globl nucleus_call_gate
	.type nucleus_call_gate, @function
nucleus_call_gate:
	svc #0
	ret

	/* [[noreturn]] void gate_exit(long result) */
	AT(GATE_EXIT_RETURN - 4)
	.globl gate_exit
	.type gate_exit, @function
gate_exit:
	svc #0
	udf #0

	/* [[noreturn]] void gate_resume(void) */
	AT(GATE_RESUME_RETURN - 4)
	.globl gate_resume
	.type gate_resume, @function
gate_resume:
	svc #0
	udf #0

	/* The process's registers are untouched: arguments in x0 to x5, the number in x8. The seventh of syscall_dispatch is the number. */
	AT(UPCALL_SYSCALL)
	.globl upcall_syscall
upcall_syscall:
	mov x6, x8
	bl syscall_dispatch
	b gate_exit

	AT(UPCALL_EVENT)
	.globl upcall_event
upcall_event:
	bl process_event
	b gate_resume

	AT(UPCALL_FAULT)
	.globl upcall_fault
upcall_fault:
	bl kernel_fault_landing
	udf #0

	.section .note.GNU-stack, "", @progbits
