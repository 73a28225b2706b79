/* SPDX-License-Identifier: MIT */
/*
 * The gates page, from UPCALL_SYSCALL on: the places where the nucleus enters lowered code for a process, and the gate that ends a system call. The
 * nucleus tells the gates apart by the return address, so each stands at its fixed place (nucleus/layout.h); .org makes
 * the assembler refuse code that grew past it. No landing pads: nothing comes here by an indirect branch.
 */
#include <abi/errno_limits.h>
#include <nucleus/layout.h>

#define AT(address) .org (address) - UPCALL_SYSCALL, 0

/* Where the nucleus enters, nothing is above, which debuggers should know. */
.macro outermost
	.cfi_startproc
	.cfi_undefined x30
.endm

	.cfi_sections .debug_frame
	.section .gates.upcall, "ax", @progbits

	/*
	 * The process's registers are untouched: arguments in x0 to x5, the number in x8. The seventh of syscall_dispatch is the number. The exit
	 * gate follows at once. An error takes a second look on its way: the kernel's own codes are no results.
	 */
	AT(UPCALL_SYSCALL)
	.globl upcall_syscall
upcall_syscall:
	outermost
	mov x6, x8
	bl syscall_dispatch
	cmn x0, #ERRNO_LAST		/* carries if x0 is -ERRNO_LAST or above */
	b.hs 1f
	AT(GATE_EXIT_RETURN - 4)
	.globl gate_exit
gate_exit:
	svc #0
	udf #0
1:	cmn x0, #(ERRNO_OWN - 1)
	b.hs gate_exit
	bl syscall_own_code
	b gate_exit
	.cfi_endproc

	AT(UPCALL_EVENT)
	.globl upcall_event
upcall_event:
	outermost
	bl process_event
	b gate_resume
	.cfi_endproc

	AT(UPCALL_FAULT)
	.globl upcall_fault
upcall_fault:
	outermost
	bl kernel_fault_landing
	udf #0
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
