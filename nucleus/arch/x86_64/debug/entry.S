/* SPDX-License-Identifier: MIT */
/*
 * What #DB, #BP and NMI lead to while the debugger's stub is on (arch_debug_init): their frames are on stacks of their
 * own, so that no thread's context is touched. What is not the stub's goes the way that it goes without it. The layout
 * of the frame is struct context's.
 */
#include "cpu_offsets.h"
#include "registers.def"

#define CONTEXT_CS_OFFSET 0x90

	.cfi_sections .debug_frame
	.section .text.debug_entry, "ax", @progbits
	.cfi_startproc
	.cfi_undefined %rip
	.globl debug_entry_step, debug_entry_break, debug_entry_nmi
debug_entry_step:
	pushq $0
	pushq $1
	jmp 1f
debug_entry_break:
	pushq $0
	pushq $3
1:	push_registers
	cld
	movq %rsp, %rdi
	xorl %ebp, %ebp
	call arch_debug_exception
	testb %al, %al
	jnz 2f
	pop_registers
	jmp trap_debug
debug_entry_nmi:
	pushq $0
	pushq $2
	push_registers
	cld
	movq %rsp, %rdi
	xorl %ebp, %ebp
	call arch_debug_nmi
	testb %al, %al
	jnz 2f
	movq %rsp, %rdi
	call trap_fatal
	ud2
2:	pop_registers
	addq $16, %rsp
	iretq
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
