/* SPDX-License-Identifier: MIT */
/*
 * The gates page, from UPCALL_SYSCALL on: the places where the nucleus enters lowered code for a process, and the gate that ends a system call. The
 * nucleus tells the gates apart by the return address, so each stands at its fixed place (nucleus/layout.h); .org makes
 * the assembler refuse code that grew past it.
 */
#include <abi/errno_limits.h>
#include <nucleus/layout.h>

#define AT(address) .org (address) - UPCALL_SYSCALL, 0xcc

/* Where the nucleus enters, nothing is above, which debuggers should know. */
.macro outermost
	.cfi_startproc
	.cfi_undefined %rip
.endm

	.cfi_sections .debug_frame
	.section .gates.upcall, "ax", @progbits

	/*
	 * The process's registers are untouched: number in %rax, the fourth argument in %r10. The seventh of syscall_dispatch is the number. The
	 * exit gate follows at once. An error takes a second look on its way: the kernel's own codes are no results.
	 */
	AT(UPCALL_SYSCALL)
	.globl upcall_syscall
upcall_syscall:
	outermost
	pushq %rax
	pushq %rax
	movq %r10, %rcx
	call syscall_dispatch
	cmpq $-ERRNO_LAST, %rax
	jae 1f
	.org (GATE_EXIT_RETURN - 2) - UPCALL_SYSCALL, 0x90
	.globl gate_exit
gate_exit:
	syscall
	ud2
1:	cmpq $-ERRNO_OWN, %rax
	ja gate_exit
	movq %rax, %rdi
	call syscall_own_code
	jmp gate_exit
	.cfi_endproc

	AT(UPCALL_EVENT)
	.globl upcall_event
upcall_event:
	outermost
	call process_event
	jmp gate_resume
	.cfi_endproc

	AT(UPCALL_FAULT)
	.globl upcall_fault
upcall_fault:
	outermost
	call kernel_fault_landing
	ud2
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
