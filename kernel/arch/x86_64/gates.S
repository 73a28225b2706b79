/* SPDX-License-Identifier: MIT */
/*
 * The gates page: the SYSCALL instructions by which lowered code turns to the nucleus, and the places where the nucleus enters lowered code. The
 * nucleus tells the gates apart by the return address, so each stands at its fixed place (arch/layout.h); .org makes
 * the assembler refuse code that grew past it.
 */
#include <arch/layout.h>

#define AT(address) .org (address) - GATES_BASE, 0xcc

	.section .gates, "ax", @progbits

	AT(GATE_START)
	xorl %ebp, %ebp
	call kernel_main
	ud2

	/* long nucleus_call_gate: number in %eax, arguments as in arch/nucleus_call.h */
	AT(GATE_CALL_RETURN - 2)
	.globl nucleus_call_gate
	.type nucleus_call_gate, @function
nucleus_call_gate:
	syscall
	ret

	/* [[noreturn]] void gate_exit(long result) */
	AT(GATE_EXIT_RETURN - 5)
	.globl gate_exit
	.type gate_exit, @function
gate_exit:
	movq %rdi, %rax
.Lexit:
	syscall
	ud2

	/* [[noreturn]] void gate_resume(void) */
	AT(GATE_RESUME_RETURN - 2)
	.globl gate_resume
	.type gate_resume, @function
gate_resume:
	syscall
	ud2

	/* The process's registers are untouched: number in %rax, the fourth argument in %r10. The seventh of syscall_dispatch is the number. */
	AT(UPCALL_SYSCALL)
	.globl upcall_syscall
upcall_syscall:
	pushq %rax
	pushq %rax
	movq %r10, %rcx
	call syscall_dispatch
	jmp .Lexit

	AT(UPCALL_EVENT)
	.globl upcall_event
upcall_event:
	call process_event
	jmp gate_resume

	AT(UPCALL_FAULT)
	.globl upcall_fault
upcall_fault:
	call kernel_fault_landing
	ud2

	.section .note.GNU-stack, "", @progbits
