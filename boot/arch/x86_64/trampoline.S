/* SPDX-License-Identifier: MIT */
/*
 * trampoline.S - the way of every CPU into the state at entry.
 *
 * Position-independent: copied to a page below 1 MiB, which the new tables map at its own address
 * and, as all memory, in the HHDM. Other CPUs begin in real mode at its start (start-up IPI), the
 * first CPU in 64-bit mode at trampoline_first_cpu. Both meet in 32-bit mode with paging off, where
 * paging of any kind can be set up, then 64-bit code in the HHDM sheds what is left of the way: the
 * first CPU removes the identity mapping. EBX/RBX is the page's physical address all the way.
 *
 * Specification: PROTOCOL.md, "Machine state at entry"; Intel SDM 3A 10.8.5 (mode switching).
 */
#include "x86_64.h"

#define OFFSET(label) (label - trampoline_start)
#define DATA(field) (TRAMPOLINE_DATA + field)

	.text
	.globl trampoline_start, trampoline_end, trampoline_first_cpu, trampoline_32, trampoline_64
	.p2align 4
trampoline_start:
	.code16
	cli
	cld
	xorl	%ebx, %ebx
	movw	%cs, %bx
	movw	%bx, %ds
	shll	$4, %ebx
	lgdtl	DATA(TD_GDTR)
	movl	$(CR0_PE | CR0_ET), %eax
	movl	%eax, %cr0
	ljmpl	*DATA(TD_FAR_32)

	/* RCX: the page. Interrupts are off. */
	.code64
	.p2align 4
trampoline_first_cpu:
	movq	%rcx, %rbx
	/* Paging cannot be switched off with PCIDs on, nor WP with CET. */
	movq	%cr4, %rax
	andq	$~(CR4_PCIDE | CR4_CET), %rax
	movq	%rax, %cr4
	/* 64-bit LGDT takes a 64-bit base: what is behind the 32-bit one is zero. */
	lgdtq	DATA(TD_GDTR)(%rbx)
	leaq	TRAMPOLINE_DATA(%rbx), %rsp
	pushq	$GDT_CODE_32
	movl	DATA(TD_FAR_32)(%rbx), %eax
	pushq	%rax
	lretq

	.code32
	.p2align 4
trampoline_32:
	movl	$(CR0_PE | CR0_ET), %eax /* paging off, for the first CPU */
	movl	%eax, %cr0
	movw	$GDT_DATA_32, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	DATA(TD_CR3)(%ebx), %eax
	movl	%eax, %cr3
	/* Written whole: this also clears what the firmware enabled. */
	movl	$MSR_EFER, %ecx
	movl	DATA(TD_EFER)(%ebx), %eax
	xorl	%edx, %edx
	wrmsr
	movl	$MSR_PAT, %ecx
	movl	$PAT_LOW, %eax
	movl	$PAT_HIGH, %edx
	wrmsr
	movl	$(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
	movl	%eax, %cr0
	ljmpl	*DATA(TD_FAR_64)(%ebx)

	.code64
	.p2align 4
trampoline_64:
	movq	DATA(TD_HHDM)(%rbx), %rbx
	leaq	OFFSET(in_hhdm)(%rbx), %rax
	jmpq	*%rax
in_hhdm:
	lgdtq	DATA(TD_GDTR_HHDM)(%rbx)
	movl	$GDT_DATA_64, %eax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movq	DATA(TD_STACK)(%rbx), %rsp
	/* A far return, so that CS too comes from the table in the HHDM. */
	pushq	$GDT_CODE_64
	leaq	OFFSET(in_place)(%rbx), %rax
	pushq	%rax
	lretq
in_place:
	movq	DATA(TD_TARGET)(%rbx), %rsi
	testq	%rsi, %rsi
	jnz	first_leaves

	movl	$0x1b, %ecx /* IA32_APIC_BASE: x2APIC, if so decided */
	rdmsr
	orl	DATA(TD_APIC_BASE)(%rbx), %eax
	wrmsr
	movq	DATA(TD_INFO)(%rbx), %rdi
	/* From here on the page's parameters may change for the next CPU. */
	movq	$1, DATA(TD_READY)(%rbx)
park:
	movq	16(%rdi), %rsi /* goto_address */
	testq	%rsi, %rsi
	jnz	leave
	pause
	jmp	park

first_leaves:
	xorl	%edi, %edi
	movq	DATA(TD_PML4)(%rbx), %rax
	movq	$0, (%rax) /* the identity mapping */
leave:
	movq	%cr3, %rax /* forgets the identity mapping's translations */
	movq	%rax, %cr3
	pushq	$0 /* "an invalid return address of 0" */
	pushq	%rsi
	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%ebp, %ebp
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	cld
	retq
trampoline_end:
