/* SPDX-License-Identifier: MIT */
/*
 * entry.S - records the state in which the loader enters the kernel, and each other CPU.
 *
 * The record is struct entry_state of machine.h. Only TPIDR_EL1 and TPIDRRO_EL0 are free before the
 * general registers are saved: they keep X0 and X1 meanwhile.
 */
	.section .text
	.globl entry, other_entry

	/* X0: the record; the first two registers are in TPIDR_EL1 and TPIDRRO_EL0. */
	.macro record
	.irp	n, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
	str	x\n, [x0, #(8 * \n)]
	.endr
	.irp	n, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 30
	str	x\n, [x0, #(8 * \n)]
	.endr
	mrs	x1, tpidr_el1
	mrs	x2, tpidrro_el0
	stp	x1, x2, [x0]
	mov	x1, sp
	str	x1, [x0, #248]
	mrs	x1, daif
	str	x1, [x0, #256]
	mrs	x1, CurrentEL
	str	x1, [x0, #264]
	mrs	x1, spsel
	str	x1, [x0, #272]
	mrs	x1, sctlr_el1
	str	x1, [x0, #280]
	mrs	x1, tcr_el1
	str	x1, [x0, #288]
	mrs	x1, ttbr0_el1
	str	x1, [x0, #296]
	mrs	x1, ttbr1_el1
	str	x1, [x0, #304]
	mrs	x1, mair_el1
	str	x1, [x0, #312]
	/* "Higher ELs do not interfere": a trap to EL2 here would hang the CPU. */
	msr	cntp_ctl_el0, xzr
	mrs	x1, cntp_ctl_el0
	str	x1, [x0, #320]
	mrs	x1, cntpct_el0
	str	x1, [x0, #328]
	mov	x1, #(3 << 20)
	msr	cpacr_el1, x1
	isb
	mov	x1, #0x5a5a

	fmov	d0, x1
	fmov	x1, d0
	str	x1, [x0, #336]
	/* Bit 0: vector lengths, bit 1: the GIC, bit 2: keys, where the CPU has these. */
	mov	x3, #0
	mrs	x1, id_aa64pfr0_el1
	ubfx	x2, x1, #32, #4
	cbz	x2, 10f
	mrs	x2, cpacr_el1
	orr	x2, x2, #(3 << 16)	/* ZEN */
	msr	cpacr_el1, x2
	isb
	mrs	x2, S3_0_C1_C2_0	/* ZCR_EL1 */
	orr	x3, x3, #1
10:	ubfx	x2, x1, #24, #4
	cbz	x2, 11f
	mrs	x2, S3_0_C12_C12_5	/* ICC_SRE_EL1 */
	mrs	x2, S3_0_C4_C6_0	/* ICC_PMR_EL1 */
	orr	x3, x3, #2
11:	mrs	x1, id_aa64isar1_el1
	ubfx	x2, x1, #4, #8		/* APA, API */
	cbz	x2, 12f
	msr	S3_0_C2_C1_0, xzr	/* APIAKeyLo_EL1 */
	orr	x3, x3, #4
12:	str	x3, [x0, #344]
	.endm

entry:
	msr	tpidr_el1, x0
	msr	tpidrro_el0, x1
	adrp	x0, first_state
	add	x0, x0, :lo12:first_state
	record
	mov	x29, xzr
	bl	test_main
1:	wfi
	b	1b

/* X0: the CPU's info, whose extra_argument (offset 32) points to a record. */
other_entry:
	msr	tpidr_el1, x0
	msr	tpidrro_el0, x1
	ldr	x0, [x0, #32]
	record
	mov	x1, #1
	dmb	ish
	str	x1, [x0, #352]
2:	wfi
	b	2b
	.section .note.GNU-stack,"",@progbits
