/* SPDX-License-Identifier: MIT */
/*
 * All ways into the nucleus on aarch64, and all ways out (DDI 0487, D1.3).
 *
 * SP_EL1 points to the context in use (cpu.h) whenever the nucleus does not run, so every entry can save registers at
 * once; TPIDR_EL1 points to the CPU's data. Neither can be reached from EL0. An SVC is believed to be a gate only when the
 * syndrome says SVC: a process can raise other exceptions at any address. Then the return address in ELR_EL1 tells:
 *
 *	in .elevated			elevate(): go on at EL1t, on the same stack, which is not touched
 *	GATE_CALL_RETURN		nucleus call
 *	GATE_EXIT_RETURN, GATE_RESUME_RETURN	back to the process
 *	lower half			a process's system call
 *	anything else			violation
 *
 * Brackets and threads that are privileged at home run at EL1t, on SP_EL0, so their exceptions have vectors of their own; those of the
 * nucleus itself (EL1h) mean that it is broken. The vectors are made in four versions: threads that are privileged at home
 * (dynpriv=drivers, off) need other code, and accounting is "patched in" by pointing VBAR_EL1 to the version that counts.
 *
 * A view is two table registers. Entering the kernel changes TTBR0 first, leaving it TTBR1 first, with an ISB between: at no
 * moment a page of the lowered kernel can be cached under a process's address-space number (test/view_order_test.py).
 */
#include "cpu_offsets.h"
#include <nucleus/layout.h>

#define OFFSET(name, structure, field, offset) .set name, offset;
#include "offsets.def"
#undef OFFSET

#define EC_SVC64 0x15

/* One entry for each line of calls.def. */
	.section .rodata
	.balign 8
	.globl nucleus_call_table
nucleus_call_table:
	.set nucleus_call_count, 0
#define CALL(name, ...) .quad call_##name; .set nucleus_call_count, nucleus_call_count + 1;
#include "../../calls.def"
#undef CALL

/* Registers from `first` to `last`, two by two, to (stp) or from (ldp) their places in the context at `base`. */
.macro pair instruction, one, two, base
	\instruction x\one, x\two, [\base, #CONTEXT_X(\one)]
.endm
.macro pairs instruction, first, last, base=sp
	.altmacro		/* for %: the number, not its name */
	.set number, \first
	.rept (\last - \first + 1) / 2
	pair \instruction, %number, %number + 1, \base
	.set number, number + 2
	.endr
	.noaltmacro
.endm

/* x0 to x15 and x18 to x29; the callers deal with the others. */
.macro save_most
	pairs stp, 0, 15
	pairs stp, 18, 29
.endm

/* All of the context that SP points to, and out. */
.macro restore_and_return
	ldp x0, x1, [sp, #CONTEXT_PC]
	ldp x30, x2, [sp, #CONTEXT_X(30)]
	msr elr_el1, x0
	msr spsr_el1, x1
	msr sp_el0, x2
	pairs ldp, 0, 29
	eret
.endm

/*
 * Adds the counter's advance since the last transition to a total, and to the component's if named. x17: the CPU's data.
 * Clobbers x14 to x16. The ISB keeps the read where it stands.
 */
.macro account_time total, component=0
	isb
	mrs x16, cntvct_el0
	ldr x15, [x17, #CPU_STAMP]
	str x16, [x17, #CPU_STAMP]
	sub x15, x16, x15
	ldr x14, [x17, #CPU_COUNTS + \total]
	add x14, x14, x15
	str x14, [x17, #CPU_COUNTS + \total]
.if \component
	ldr x16, [x17, #CPU_COMPONENT]
	ldr x14, [x16, #\component]
	add x14, x14, x15
	str x14, [x16, #\component]
.endif
.endm
/* The same for kernel code outside brackets: elevated for threads that are privileged at home. */
.macro account_kernel_time privileged
.if \privileged
	ldr x14, [x17, #CPU_UPCALL_PSTATE]
	cbz x14, 3f
	account_time COUNT_ELEVATED, COMPONENT_ELEVATED
	b 4f
3:
.endif
	account_time COUNT_LOWERED, COMPONENT_LOWERED
4:
.endm
/* Adds one to a count of the CPU. Clobbers x14. */
.macro count_one count
	ldr x14, [x17, #CPU_COUNTS + \count]
	add x14, x14, #1
	str x14, [x17, #CPU_COUNTS + \count]
.endm
/* Adds one to a count of the component. Clobbers x14, x16. */
.macro count_component count
	ldr x16, [x17, #CPU_COMPONENT]
	ldr x14, [x16, #\count]
	add x14, x14, #1
	str x14, [x16, #\count]
.endm

/* Saves the rest after x16 and x17 and turns to C on the nucleus stack. */
.macro slow_entry kind
	stp x16, x17, [sp, #CONTEXT_X(16)]
	mov x17, #\kind
	b trap_common
.endm

/* The head of a synchronous exception: x16 = ELR_EL1 if it is an SVC, else on to trap_synchronous. */
.macro svc_only
	stp x16, x17, [sp, #CONTEXT_X(16)]
	mrs x16, esr_el1
	lsr x17, x16, #26
	cmp x17, #EC_SVC64
	b.ne trap_synchronous
	mrs x16, elr_el1
.endm

/* Goes on if the return address in x16 is in .elevated, 64 KiB known by their upper 48 bits. */
.macro elevated_or_else other
	mov x17, #((ELEVATED_BASE >> ELEVATED_SHIFT) | 0xffff000000000000)
	cmp x17, x16, asr #ELEVATED_SHIFT
	b.ne \other
.endm

.macro entry_code name, privileged, account
	.balign 2048
.globl vectors_\name
vectors_\name:
	/* EL1t: a bracket, the idle loop, or a thread that is privileged at home. */
	.balign 128
	svc_only
	elevated_or_else .Lhome_gate_\name
.if \account
	tst x16, #(BRACKETS_BASE - ELEVATED_BASE) * 15
	mrs x17, tpidr_el1
	b.eq .Lbracket_ends_\name
.endif
.if \privileged && \account
	b .Lelevate_\name
.elseif \privileged
	/* elevate() of one who is: as it was. */
	eret
.else
	/* The ways out of lower() say that the bracket is over. A second elevation would be a broken bracket. */
	tst x16, #(BRACKETS_BASE - ELEVATED_BASE) * 15
	b.ne trap_synchronous
	eret
.endif
	.balign 128
	slow_entry KIND_INTERRUPT
	.balign 128
	slow_entry KIND_FAST
	.balign 128
	slow_entry KIND_ERROR

	/* EL1h: the nucleus itself. */
	.irp kind, KIND_SYNCHRONOUS, KIND_INTERRUPT, KIND_FAST, KIND_ERROR
	.balign 128
	msr tpidrro_el0, x0
	mov x0, #\kind
	b trap_in_nucleus
	.endr

	/* EL0 */
	.balign 128
	svc_only
	tbz x16, #55, .Lprocess_\name
	elevated_or_else .Lgate_\name
	ldr w17, [sp, #CONTEXT_MAY_ELEVATE]
	cbz w17, trap_violation
	mov w17, #PSTATE_EL1T
	msr spsr_el1, x17
.if \account
	mrs x17, tpidr_el1
	b .Lelevate_\name
.else
	eret
.endif
	.balign 128
	slow_entry KIND_INTERRUPT
	.balign 128
	slow_entry KIND_FAST
	.balign 128
	slow_entry KIND_ERROR

	/* AArch32, which EL0 never is. */
	.irp kind, KIND_SYNCHRONOUS, KIND_INTERRUPT, KIND_FAST, KIND_ERROR
	.balign 128
	slow_entry \kind
	.endr
	.balign 128

	/* Behind all the tables: they are aligned, and the room between them would be lost. */
	.subsection 1
gates_\name:
.if \account
.Lelevate_\name:
	account_kernel_time \privileged
	count_one COUNT_ELEVATE
	count_component COMPONENT_ELEVATE
	eret
.Lbracket_ends_\name:
	account_time COUNT_ELEVATED, COMPONENT_ELEVATED
	eret
.endif

.Lprocess_\name:
	/* A process's system call. x16 is its pc. */
	save_most
	mrs x18, sp_el0
	mrs x19, spsr_el1
	stp x30, x18, [sp, #CONTEXT_X(30)]
	stp x16, x19, [sp, #CONTEXT_PC]
	stp x0, x8, [sp, #CONTEXT_ORIG_X0]
	mrs x17, tpidr_el1
.if \account
	account_time COUNT_USER
	count_one COUNT_SYSCALL
.if !\privileged
	count_one COUNT_VIEW_SWITCH
.endif
.endif
	ldp x18, x19, [x17, #CPU_KERNEL_CONTEXT]	/* and CPU_UPCALL_STACK */
.if !\privileged
	ldp x20, x21, [x17, #CPU_KERNEL_TTBR0]		/* and CPU_KERNEL_TTBR1 */
	msr ttbr0_el1, x20
	isb
	msr ttbr1_el1, x21
.endif
	ldp x22, x23, [x17, #CPU_THREAD_PAGE]		/* and CPU_UPCALL_PSTATE */
	mov sp, x18
	msr sp_el0, x19
	ldr x24, .Lupcall_syscall
	msr tpidrro_el0, x22
	msr spsr_el1, x23
	msr elr_el1, x24
	mov x29, xzr		/* ends backtraces */
	mov x30, xzr
	eret

.Lhome_gate_\name:
.if !\privileged
	/* An SVC in a bracket. */
	b trap_synchronous
.endif
.Lgate_\name:
	ldr x17, .Lgate_call_return
	cmp x16, x17
	b.ne .Lexit_\name

	/* Nucleus call: all that the caller keeps goes into its kernel context, so that the call may switch threads. */
	mrs x17, sp_el0
	pairs stp, 19, 30
	stp x17, x16, [sp, #CONTEXT_SP]			/* and CONTEXT_PC */
	mrs x17, tpidr_el1
.if \privileged
	/* Home decides what the caller goes on as, not what it was. */
	ldr x16, [x17, #CPU_UPCALL_PSTATE]
	str x16, [sp, #CONTEXT_PSTATE]
.else
	str xzr, [sp, #CONTEXT_PSTATE]			/* PSTATE_EL0 */
.endif
.if \account
	account_kernel_time \privileged
	count_one COUNT_NUCLEUS_CALL
	count_component COMPONENT_NUCLEUS_CALL
.endif
	ldr x16, [x17, #CPU_STACK_TOP]
	cmp w8, #nucleus_call_count
	mov sp, x16
	b.hs .Lbad_number_\name
	adrp x16, nucleus_call_table
	add x16, x16, :lo12:nucleus_call_table
	ldr x16, [x16, w8, uxtw #3]
	blr x16
.Lcall_done_\name:
	mrs x17, tpidr_el1
.if \account
	account_time COUNT_NUCLEUS
.endif
.if \privileged
	ldr x16, [x17, #CPU_UPCALL_PSTATE]
	msr spsr_el1, x16
.endif
	/* ELR_EL1 and SPSR_EL1 are as the call left them: nothing nests in the nucleus. */
	ldr x17, [x17, #CPU_KERNEL_CONTEXT]
	mov sp, x17
	ldr x30, [sp, #CONTEXT_X(30)]
	eret
.Lbad_number_\name:
	mov x0, #-38		/* ENOSYS */
	b .Lcall_done_\name

.Lexit_\name:
	ldr x17, .Lgate_exit_return
	cmp x16, x17
	b.ne trap_violation		/* GATE_RESUME_RETURN too: C looks at it */
	mrs x17, tpidr_el1
	ldr x18, [x17, #CPU_PROCESS_CONTEXT]
	ldr w19, [x17, #CPU_EXIT_WORK]
	str x0, [x18, #CONTEXT_X(0)]
	cbnz w19, trap_violation	/* C looks at it */
.if \account
	account_kernel_time \privileged
	count_one COUNT_EXIT
.if !\privileged
	count_one COUNT_VIEW_SWITCH
.endif
.endif
.if !\privileged
	ldp x20, x21, [x17, #CPU_PROCESS_TTBR1]		/* and CPU_PROCESS_TTBR0 */
	msr ttbr1_el1, x20
	isb
	msr ttbr0_el1, x21
.endif
	mov sp, x18
	msr tpidrro_el0, xzr
	restore_and_return
	.subsection 0
.endm

/*
 * For debuggers: nothing above the frames of this section. Who was interrupted, or called, is in the contexts, not on a stack
 * (tools/gdb_stellux.py shows it).
 */
	.cfi_sections .debug_frame
	.text
	.cfi_startproc
	.cfi_undefined x30
	entry_code full, 0, 0
	entry_code full_account, 0, 1
	entry_code privileged, 1, 0
	entry_code privileged_account, 1, 1

	.subsection 1
	.balign 8
.Lupcall_syscall:
	.quad UPCALL_SYSCALL
.Lgate_call_return:
	.quad GATE_CALL_RETURN
.Lgate_exit_return:
	.quad GATE_EXIT_RETURN

/* x16 and x17 are in the context, SP points to it. */
trap_violation:
	mov x17, #KIND_VIOLATION
	b trap_common
trap_synchronous:
	mov x17, #KIND_SYNCHRONOUS
trap_common:
	save_most
	mrs x0, sp_el0
	mrs x1, elr_el1
	mrs x2, spsr_el1
	mrs x3, esr_el1
	mrs x4, far_el1
	mov x5, #-1
	stp x30, x0, [sp, #CONTEXT_X(30)]
	stp x1, x2, [sp, #CONTEXT_PC]
	stp x17, x3, [sp, #CONTEXT_KIND]		/* and CONTEXT_SYNDROME */
	str x4, [sp, #CONTEXT_FAULT]
	str x5, [sp, #CONTEXT_SYSCALL]			/* not in a system call */
	mov x0, sp
	mrs x1, tpidr_el1
	ldr x2, [x1, #CPU_STACK_TOP]
	mov sp, x2
	mov x29, xzr
	mov x30, xzr
	bl trap_handle		/* does not return */
	udf #0

/*
 * An exception in the nucleus: the end, but in mmio_probe. x0 is in TPIDRRO_EL0, which nobody needs any more, and x0 the kind. SP may be what
 * is broken, so nothing goes through it: registers go to the CPU's data, C runs on a stack of its own.
 */
trap_in_nucleus:
	msr tpidr_el0, x1
	mrs x1, tpidr_el1
	add x1, x1, #CPU_FATAL
	str x0, [x1, #CONTEXT_KIND]
	mrs x0, tpidrro_el0
	str x0, [x1, #CONTEXT_X(0)]
	mrs x0, tpidr_el0
	stp x0, x2, [x1, #CONTEXT_X(1)]
	pairs stp, 3, 30, x1
	mov x2, sp
	mrs x3, elr_el1
	mrs x4, spsr_el1
	mrs x5, esr_el1
	mrs x6, far_el1
	stp x2, x3, [x1, #CONTEXT_SP]
	str x4, [x1, #CONTEXT_PSTATE]
	stp x5, x6, [x1, #CONTEXT_SYNDROME]
	adr x0, mmio_probe
	sub x0, x3, x0
	tst x0, #~8			/* it or mmio_probe8 */
	mov x0, #-1
	b.eq mmio_probe_end		/* what else was changed is its caller's to lose */
	mov x0, x1
	mrs x1, tpidr_el1
	add x1, x1, #(CPU_FATAL_STACK_END - CPU_DATA_OFFSET)
	mov sp, x1
	mov x29, xzr
	mov x30, xzr
	bl trap_fatal
	udf #0

/* uint64_t mmio_probe(const volatile void *): the register; all ones if nothing answers. At boot: TPIDR_EL0 and TPIDRRO_EL0 are lost. */
	.globl mmio_probe, mmio_probe8
mmio_probe:
	ldr x0, [x0]
mmio_probe_end:
	ret
mmio_probe8:
	ldrb w0, [x0]
	ret

/* [[noreturn]] void context_resume(struct context *): the only way out besides the short ones above. */
	.globl context_resume
context_resume:
	ldr x1, [x0, #CONTEXT_IS_PROCESS]
	mrs x2, tpidr_el1
	ldr x3, [x2, #CPU_THREAD_PAGE]
	cmp x1, #0
	csel x3, x3, xzr, eq
	msr tpidrro_el0, x3
	mov sp, x0
	restore_and_return

/* Where an idle CPU is: at EL1t with interrupts on, the one place in the nucleus where they are. */
	.globl idle_loop, idle_loop_end
idle_loop:
	wfi
	b idle_loop
idle_loop_end:

/*
 * [[noreturn]] void view_first_switch(const struct first_switch *): from the loader's tables to the kernel view. The loader may map
 * the image by other sizes than ours, and two sizes at once may not be in a TLB, so this part runs where it is in physical memory,
 * through TTBR0, while nothing goes through TTBR1.
 */
	.globl view_first_switch, view_first_switch_physical
view_first_switch:
	ldp x1, x2, [x0, #0]		/* identity TTBR0, physical address of the part below */
	ldp x3, x4, [x0, #16]		/* MAIR, TCR */
	ldp x5, x6, [x0, #32]		/* TTBR1, TTBR0 of the kernel view */
	ldp x7, x8, [x0, #48]		/* stack, continuation */
	adr x9, 1f
	orr x10, x4, #(1 << 23)		/* TCR_EL1.EPD1 */
	msr ttbr0_el1, x1
	msr tcr_el1, x4
	isb
	tlbi vmalle1
	dsb nsh
	isb
	br x2
view_first_switch_physical:
	hint #36			/* BTI J: a landing pad for BR, here and below */
	msr tcr_el1, x10
	isb
	tlbi vmalle1
	dsb nsh
	msr mair_el1, x3
	msr ttbr1_el1, x5
	isb
	msr tcr_el1, x4
	isb
	br x9
1:	hint #36
	msr ttbr0_el1, x6
	isb
	tlbi vmalle1
	dsb nsh
	isb
	mov sp, x7
	mov x29, xzr
	mov x30, xzr
	mov x16, x8			/* through x16 it counts as a call, which C functions expect */
	br x16

/* The nucleus's stack pointer is SP_EL1, whichever the loader used. */
.macro enter_c function
	msr daifset, #15
	mov x1, sp
	msr spsel, #1
	and x1, x1, #~15
	mov sp, x1
	mov x29, xzr
	bl \function
	udf #0
.endm

/* The loader jumps here on the first CPU (its own stack and tables), and to nucleus_entry_ap with x0 = its structure on others. */
	.globl nucleus_entry, nucleus_entry_ap
nucleus_entry:
	enter_c boot_main
nucleus_entry_ap:
	enter_c boot_main_ap
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
