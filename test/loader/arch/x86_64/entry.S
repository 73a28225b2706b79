/* SPDX-License-Identifier: MIT */
/*
 * entry.S - records the state in which the loader enters the kernel, and each other CPU.
 *
 * The record is struct entry_state of kernel.c: 16 general registers, flags, CR0, CR3, CR4, EFER,
 * PAT, and the selectors. record: RDI is saved first, then points to the record.
 */
	.section .text
	.globl entry, other_entry

	.macro record
	movq	%rax, 0(%rdi)
	movq	%rbx, 8(%rdi)
	movq	%rcx, 16(%rdi)
	movq	%rdx, 24(%rdi)
	movq	%rsi, 32(%rdi)
	movq	%rbp, 48(%rdi)
	movq	%rsp, 56(%rdi)
	movq	%r8, 64(%rdi)
	movq	%r9, 72(%rdi)
	movq	%r10, 80(%rdi)
	movq	%r11, 88(%rdi)
	movq	%r12, 96(%rdi)
	movq	%r13, 104(%rdi)
	movq	%r14, 112(%rdi)
	movq	%r15, 120(%rdi)
	pushfq
	popq	128(%rdi)
	movq	%cr0, %rax
	movq	%rax, 136(%rdi)
	movq	%cr3, %rax
	movq	%rax, 144(%rdi)
	movq	%cr4, %rax
	movq	%rax, 152(%rdi)
	movl	$0xc0000080, %ecx
	rdmsr
	movl	%eax, 160(%rdi)
	movl	%edx, 164(%rdi)
	movl	$0x277, %ecx
	rdmsr
	movl	%eax, 168(%rdi)
	movl	%edx, 172(%rdi)
	movw	%cs, 176(%rdi)
	movw	%ds, 178(%rdi)
	movw	%es, 180(%rdi)
	movw	%fs, 182(%rdi)
	movw	%gs, 184(%rdi)
	movw	%ss, 186(%rdi)
	sgdt	188(%rdi)
	/* The stack: the word at its top is the return address 0. */
	movq	(%rsp), %rax
	movq	%rax, 200(%rdi)
	.endm

entry:
	movq	%rdi, entry_rdi(%rip)
	leaq	first_state(%rip), %rdi
	record
	movq	entry_rdi(%rip), %rax
	movq	%rax, 40(%rdi)
	xorl	%ebp, %ebp
	call	test_main
1:	cli
	hlt
	jmp	1b

/* RDI: the CPU's info, whose extra_argument (offset 24) points to a record. */
other_entry:
	movq	%rdi, %r9
	movq	24(%rdi), %rdi
	movq	%r9, 40(%rdi)
	xorl	%r9d, %r9d
	record
	movq	$1, 208(%rdi)
2:	cli
	hlt
	jmp	2b

	.section .bss
entry_rdi:
	.quad	0
	.section .note.GNU-stack,"",@progbits
