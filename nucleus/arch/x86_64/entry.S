/* SPDX-License-Identifier: MIT */
/*
 * All ways into the nucleus on x86_64, and all ways out.
 *
 * SYSCALL arrives in a page of its own per CPU. The page is a copy of `entry_template`, with the CPU's data page directly behind it, so
 * the CPU's variables are reached RIP-relative: no register, GS or stack that ring 3 could have prepared is
 * believed. What tells the gates apart is %rcx, the return address that the instruction itself wrote:
 *
 *	in .elevated			elevate(): go on at ring 0, on the same stack, which is not touched
 *	GATE_CALL_RETURN		nucleus call
 *	GATE_EXIT_RETURN, GATE_RESUME_RETURN	back to the process
 *	lower half			a process's system call
 *	anything else			violation
 *
 * The template is made in four versions: threads that are privileged at home (dynpriv=drivers, off) need other code, and accounting
 * is "patched in" by pointing LSTAR to the version that counts. SYSCALL and SYSRET: AMD APM vol. 3.
 *
 * Interrupts and exceptions push their frame right into the current thread's context (IST1, see cpu.h), the stub adds the
 * other registers, and only then a stack is needed: the CPU's nucleus stack.
 */
#include "cpu_offsets.h"
#include "registers.def"
#include <nucleus/layout.h>

#define OFFSET(name, structure, field, offset) .set name, offset;
#include "offsets.def"
#undef OFFSET

#define DATA(field) (entry_template + CPU_DATA_OFFSET + (field))(%rip)
#define TOP(field) ((field) - CONTEXT_TOP)

/* Adds the counter's advance since the last transition to a total, and to the component's if named. Clobbers %rax, %rdx. */
.macro account_time total, component=0
	lfence
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, %rdx
	subq DATA(CPU_STAMP), %rdx
	addq %rdx, DATA(CPU_COUNTS + \total)
	movq %rax, DATA(CPU_STAMP)
.if \component
	movq DATA(CPU_COMPONENT), %rax
	addq %rdx, \component(%rax)
.endif
.endm

/* The same for kernel code outside brackets: elevated for threads that are privileged at home. */
.macro account_kernel_time privileged
.if \privileged
	cmpl $0, DATA(CPU_HOME_ELEVATED)
	je 3f
	account_time COUNT_ELEVATED, COMPONENT_ELEVATED
	jmp 4f
3:
.endif
	account_time COUNT_LOWERED, COMPONENT_LOWERED
4:
.endm

/* What an interrupt would have pushed: who came by SYSCALL has left its %rip in %rcx and its flags in %r11. */
.macro push_frame code, data
	pushq $\data
	pushq DATA(CPU_SCRATCH)
	pushq %r11
	pushq $\code
	pushq %rcx
.endm

.macro entry_code name, privileged, account
.globl entry_syscall_\name
entry_syscall_\name:
	cmpq $ELEVATED_BASE, %rcx
	jb .Lnot_bracket_\name
	cmpq $ELEVATED_END, %rcx
	jae .Lviolation_\name
	cmpl $0, DATA(CPU_MAY_ELEVATE)
	je .Lviolation_\name
.if \account
	/* %rax and %rdx are the bracket's to lose (see arch/privilege.h). */
	cmpq $BRACKETS_BASE, %rcx
	jb .Lbracket_ends_\name
	account_time COUNT_LOWERED, COMPONENT_LOWERED
	incq DATA(CPU_COUNTS + COUNT_ELEVATE)
	movq DATA(CPU_COMPONENT), %rax
	incq COMPONENT_ELEVATE(%rax)
.endif
	sti			/* takes effect after the jump: nothing can come between */
	jmpq *%rcx

.if \account
.Lbracket_ends_\name:
	/* lower() says that its bracket is over; it goes on at ring 0 to its SYSRET, or stays there if it is at home. */
	account_time COUNT_ELEVATED, COMPONENT_ELEVATED
	sti
	jmpq *%rcx
.endif

.Lnot_bracket_\name:
	testq %rcx, %rcx
	js .Lgate_\name

	/* A process. Its registers go into its context, in the order of struct context. */
	swapgs
	movq %rsp, DATA(CPU_SCRATCH)
	movq DATA(CPU_PROCESS_TOP), %rsp
	push_frame SELECTOR_USER_CODE, SELECTOR_USER_DATA
	pushq %rax		/* the number, kept for restarts */
	pushq $VECTOR_SYSCALL
	push_registers
.if \account
	movq %rdx, %rbx		/* saved above */
	movq %rax, %rbp
	account_time COUNT_USER
	incq DATA(CPU_COUNTS + COUNT_SYSCALL)
.if !\privileged
	incq DATA(CPU_COUNTS + COUNT_VIEW_SWITCH)
.endif
	movq %rbx, %rdx
	movq %rbp, %rax
.endif
	movq DATA(CPU_KERNEL_TOP), %rcx
	movq %rcx, DATA(CPU_IST1)
	movq DATA(CPU_UPCALL_STACK), %rsp
.if \privileged
	xorl %ebp, %ebp		/* ends backtraces */
	movq $UPCALL_SYSCALL, %rcx
	sti
	jmpq *%rcx
.else
	movq DATA(CPU_KERNEL_CR3), %rcx
	movq %rcx, %cr3
	xorl %ebp, %ebp
	movq $UPCALL_SYSCALL, %rcx
	movl $0x202, %r11d
	sysretq
.endif

.Lgate_\name:
	cmpq $GATE_CALL_RETURN, %rcx
	jne .Lexit_\name

	/* Nucleus call: all that the caller keeps goes into its kernel context, so that the call may switch threads. */
	movq %rsp, DATA(CPU_SCRATCH)
	movq DATA(CPU_KERNEL_TOP), %rsp
.if \privileged
	cmpl $0, DATA(CPU_HOME_ELEVATED)
	je 1f
	push_frame SELECTOR_KERNEL_CODE, SELECTOR_KERNEL_DATA
	jmp 2f
.endif
1:	push_frame SELECTOR_USER_CODE, SELECTOR_USER_DATA
2:
	movq %rbx, (CONTEXT_RBX - CONTEXT_RIP)(%rsp)
	movq %rbp, (CONTEXT_RBP - CONTEXT_RIP)(%rsp)
	movq %r12, (CONTEXT_R12 - CONTEXT_RIP)(%rsp)
	movq %r13, (CONTEXT_R13 - CONTEXT_RIP)(%rsp)
	movq %r14, (CONTEXT_R14 - CONTEXT_RIP)(%rsp)
	movq %r15, (CONTEXT_R15 - CONTEXT_RIP)(%rsp)
	movq DATA(CPU_STACK_TOP), %rsp
.if \account
	movq %rax, %rbx		/* the number: %rbx is saved */
	movq %rdx, %rbp
	account_kernel_time \privileged
	incq DATA(CPU_COUNTS + COUNT_NUCLEUS_CALL)
	movq DATA(CPU_COMPONENT), %rax
	incq COMPONENT_NUCLEUS_CALL(%rax)
	movq %rbx, %rax
	movq %rbp, %rdx
.endif
	movq %r10, %rcx
	cmpl $nucleus_call_count, %eax
	jae .Lbad_number_\name
	movl %eax, %eax		/* the upper half was the caller's */
	callq *nucleus_call_table(,%rax,8)
.Lcall_done_\name:
	movq DATA(CPU_KERNEL_TOP), %rdx
.if \account
	movq %rax, %r8
	movq %rdx, %r9
	account_time COUNT_NUCLEUS
	movq TOP(CONTEXT_RBX)(%r9), %rbx
	movq TOP(CONTEXT_RBP)(%r9), %rbp
	movq %r8, %rax
	movq %r9, %rdx
.endif
	movq TOP(CONTEXT_RIP)(%rdx), %rcx
	movq TOP(CONTEXT_RSP)(%rdx), %rsp
.if \privileged
	cmpl $0, DATA(CPU_HOME_ELEVATED)
	je 1f
	sti
	jmpq *%rcx
1:
.endif
	movq TOP(CONTEXT_RFLAGS)(%rdx), %r11
	sysretq
.Lbad_number_\name:
	movq $-38, %rax		/* ENOSYS */
	jmp .Lcall_done_\name

.Lexit_\name:
	cmpq $GATE_EXIT_RETURN, %rcx
	jne .Lviolation_\name	/* GATE_RESUME_RETURN too: C looks at it */
	movq DATA(CPU_PROCESS_TOP), %rdx
	movq %rax, TOP(CONTEXT_RAX)(%rdx)
	cmpl $0, DATA(CPU_EXIT_WORK)
	jne .Lviolation_\name
.if \account
	movq %rdx, %rsi
	account_kernel_time \privileged
	incq DATA(CPU_COUNTS + COUNT_EXIT)
.if !\privileged
	incq DATA(CPU_COUNTS + COUNT_VIEW_SWITCH)
.endif
	movq %rsi, %rdx
.endif
	movq %rdx, DATA(CPU_IST1)
.if !\privileged
	movq DATA(CPU_PROCESS_CR3), %rcx
	movq %rcx, %cr3
.endif
	leaq TOP(CONTEXT_R15)(%rdx), %rsp
	pop_registers
	/* SYSRET is safe here: the context was made by SYSCALL (else WORK_FULL_RESTORE is set), so its %rip is below USER_END. */
	movq (CONTEXT_RIP - CONTEXT_VECTOR)(%rsp), %rcx
	movq (CONTEXT_RFLAGS - CONTEXT_VECTOR)(%rsp), %r11
	movq (CONTEXT_RSP - CONTEXT_VECTOR)(%rsp), %rsp
	swapgs
	sysretq

.Lviolation_\name:
	/* The slow ways back, too. Save the caller like an interrupt would: a report and containment need all of it. */
	movq %rsp, DATA(CPU_SCRATCH)
	movq DATA(CPU_KERNEL_TOP), %rsp
	push_frame SELECTOR_USER_CODE, SELECTOR_USER_DATA
	pushq $0
	pushq $VECTOR_SYSCALL
	push_registers
	movq DATA(CPU_STACK_TOP), %rsp
	xorl %ebp, %ebp
	movq $gate_violation, %rax
	jmpq *%rax		/* does not return */
.endm

/*
 * For debuggers: nothing above the frames of these sections. Who was interrupted, or called, is in the contexts, not on a stack
 * (tools/gdb_stellux.py shows it).
 */
	.cfi_sections .debug_frame
	/* Among the constants: only its copies run. */
	.section .rodata.entry_template, "ax", @progbits
	.balign 4096
	.cfi_startproc
	.cfi_undefined %rip
	.globl entry_template
entry_template:
	entry_code full, 0, 0
	entry_code full_account, 0, 1
	entry_code privileged, 1, 0
	entry_code privileged_account, 1, 1
	.cfi_endproc
	.globl entry_template_end
entry_template_end:
	/* 32-bit SYSCALL cannot happen (no 32-bit code segment), but CSTAR must point somewhere harmless. */
	.balign 4096

	.text
	.cfi_startproc
	.cfi_undefined %rip
	.globl entry_compatibility
entry_compatibility:
	ud2

/* One stub for each vector, sixteen bytes each and for interrupts eight: make the frames alike, then go on in common. The exceptions that push an error code: Intel SDM vol. 3, 6.3. */
	.globl trap_stubs
	.balign TRAP_STUB_BYTES
trap_stubs:
vector = 0
.rept VECTOR_FIRST_INTERRUPT
	.balign TRAP_STUB_BYTES
.if !((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30))
	pushq $0
.endif
	pushq $vector
.if vector == 1
	jmp trap_debug
.elseif (vector == 2) || (vector == 8) || (vector == 18)
	jmp trap_fatal_stack
.else
	jmp trap_common
.endif
vector = vector + 1
.endr
	.globl interrupt_stubs
	.balign INTERRUPT_STUB_BYTES
interrupt_stubs:
.rept 256 - VECTOR_FIRST_INTERRUPT
	.balign INTERRUPT_STUB_BYTES
	pushq $(vector - 128)	/* the short form has a signed byte */
	jmp trap_interrupt
vector = vector + 1
.endr

/* What the stub pushed is where an error code would be. */
trap_interrupt:
	pushq (%rsp)
	subq $-128, (%rsp)
	movq $0, 8(%rsp)
/* The frame is in the context in use; %rsp becomes its address. */
trap_common:
	push_registers
	cld
	cmpb $0, CONTEXT_IS_PROCESS(%rsp)
	je 1f
	swapgs
1:	movq %rsp, %rdi
	movq CONTEXT_CPU(%rsp), %rax
	movq CPU_STACK_TOP(%rax), %rsp
	testb $3, CONTEXT_CS(%rdi)
	jz 3f
2:	xorl %ebp, %ebp
	call trap_handle	/* does not return */
	ud2
	/* What the nucleus was doing at an exception of its own is kept for the panic, unless little of the stack is left. */
3:	movq %rsp, %rcx
	subq CONTEXT_RSP(%rdi), %rcx
	cmpq $CPU_STACK_END / 4, %rcx
	ja 2b
	subq %rcx, %rsp
	andq $-16, %rsp
	jmp 2b

/*
 * #DB has a stack of its own, because it can come in the first instruction of a gate. From ring 3 the frame is moved to where IST1 would
 * have put it; from ring 0 it is ignored (nothing there arms it).
 */
	.globl trap_debug
trap_debug:
	testb $3, 24(%rsp)
	jz 1f
	pushq %rax
	pushq %rbx
	/* This stack is in the CPU's area, which leads to its data. */
	movq %rsp, %rax
	andq $-CPU_AREA_STRIDE, %rax
	movq (CPU_DATA_OFFSET + CPU_IST1)(%rax), %rax
	.irp field, 0, 8, 16, 24, 32, 40, 48	/* vector, error, rip, cs, rflags, rsp, ss */
	movq (16 + \field)(%rsp), %rbx
	movq %rbx, (TOP(CONTEXT_VECTOR) + \field)(%rax)
	.endr
	/* The interrupted %rax waits in its own place of the context while %rax is the way there. */
	movq 8(%rsp), %rbx
	movq %rbx, TOP(CONTEXT_RAX)(%rax)
	movq (%rsp), %rbx
	leaq TOP(CONTEXT_VECTOR)(%rax), %rsp
	movq (CONTEXT_RAX - CONTEXT_VECTOR)(%rsp), %rax
	jmp trap_common
1:	addq $16, %rsp
	iretq

/* NMI, double fault, machine check: always the end; they have stacks of their own in the CPU's area. */
trap_fatal_stack:
	push_registers
	cld
	movq %rsp, %rdi
	xorl %ebp, %ebp
	call trap_fatal
	ud2

/* [[noreturn]] void context_resume(struct context *): the only way out besides the short ones above. */
	.globl context_resume
context_resume:
	movq %rdi, %rsp
	cmpb $0, CONTEXT_IS_PROCESS(%rsp)
	je 1f
	swapgs
1:	pop_registers
	addq $16, %rsp
	iretq

/* Where an idle CPU is: at ring 0 with interrupts on, the one place in the nucleus where they are. */
	.globl idle_loop, idle_loop_end
idle_loop:
	sti
	hlt
	jmp idle_loop
idle_loop_end:

/* [[noreturn]] void view_and_stack_switch(uint64_t top, void (*entry)(void), uint64_t cr3): the old stack is not in the new view. */
	.globl view_and_stack_switch
view_and_stack_switch:
	movq %rdx, %cr3
	movq %rdi, %rsp
	xorl %ebp, %ebp
	call *%rsi
	ud2

.macro enter_c function
	cld
	xorl %ebp, %ebp
	andq $-16, %rsp
	call \function
	ud2
.endm

/* The loader jumps here on the first CPU (its own stack and tables), and to nucleus_entry_ap with %rdi = its structure on others. */
	.globl nucleus_entry, nucleus_entry_ap
nucleus_entry:
	enter_c boot_main
nucleus_entry_ap:
	enter_c boot_main_ap
	.cfi_endproc

/* One entry for each line of calls.def. */
	.section .rodata
	.balign 8
	.globl nucleus_call_table
nucleus_call_table:
#define CALL(name, ...) .quad call_##name;
#include "../../calls.def"
#undef CALL
	.set nucleus_call_count, (. - nucleus_call_table) / 8

	.section .note.GNU-stack, "", @progbits
