/* SPDX-License-Identifier: MIT */
/*
 * trampoline.S - the way of every CPU into the state at entry.
 *
 * Position-independent: copied to a page for each CPU, which the new tables map at its own address
 * and, as all memory, in the HHDM. Other CPUs begin at its start as PSCI or a spin-table leaves
 * them: MMU off, interrupts masked, at EL1 or EL2. The first CPU begins at trampoline_first_cpu on
 * the firmware's mapping, with interrupts masked, and switches the MMU off, because registers that
 * shape a translation must not change under it. Then all go the same way: down to EL1, MMU on with
 * the new tables, over to the HHDM, where the identity mapping is taken away. While the MMU is off
 * only this page is read, which was cleaned to memory, and nothing is written but the sign of
 * another CPU that it has come. X28 is the page.
 *
 * Specification: PROTOCOL.md, "Machine state at entry", "aarch64"; Arm Architecture Reference
 * Manual (DDI 0487), D1.3 (exception levels), D8.2 (translation control), D19 (registers).
 */
#include "aarch64.h"

#define OFFSET(label) (label - trampoline_start)
#define DATA(field) (TRAMPOLINE_DATA + field)

	.text
	.globl trampoline_start, trampoline_end, trampoline_first_cpu
	.p2align 4
trampoline_start:
	adr	x28, trampoline_start
	mov	x0, #SIGN_HERE
	str	x0, [x28, #TRAMPOLINE_SIGN]
	dsb	sy			/* seen by the loader before this CPU looks, see trampoline.c */
	ldr	x0, [x28, #DATA(TD_ABANDONED)]
	cbz	x0, to_el1

	/* Too late: the kernel may run, and all but this page be its own. The firmware has masked what could come. */
	mov	x0, #SIGN_TOO_LATE
	str	x0, [x28, #TRAMPOLINE_SIGN]
	msr	daifset, #15
too_late:
	wfi
	b	too_late

	.p2align 4
trampoline_first_cpu:
	adr	x28, trampoline_start
	mrs	x0, CurrentEL
	cmp	x0, #(2 << 2)
	b.eq	1f
	ldr	x0, =SCTLR_EL1_RESERVED
	msr	sctlr_el1, x0
	isb
	b	to_el1
1:	ldr	x0, =SCTLR_EL2_RESERVED
	msr	sctlr_el2, x0
	isb

to_el1:
	mrs	x0, CurrentEL
	cmp	x0, #(2 << 2)
	b.ne	at_el1

	/*
	 * EL2 stays behind without any wish: no stage 2, nothing trapped. First HCR_EL2, whose E2H
	 * decides what other registers mean.
	 */
	ldr	x0, =(HCR_RW | HCR_API_APK)
	msr	hcr_el2, x0
	isb
	msr	vttbr_el2, xzr
	msr	hstr_el2, xzr
	mrs	x0, midr_el1
	msr	vpidr_el2, x0
	mrs	x0, mpidr_el1
	msr	vmpidr_el2, x0
	/* Timers: EL1 has the physical one too, and the virtual one has no offset. */
	mov	x0, #3
	msr	cnthctl_el2, x0
	msr	cntvoff_el2, xzr
	msr	cnthp_ctl_el2, xzr

	/* Vectors and floating point: bit 8 is TZ where there is SVE, else reserved as one. SME stays off. */
	mrs	x1, id_aa64pfr0_el1
	ldr	x0, =CPTR_EL2_NO_TRAPS
	ubfx	x2, x1, #32, #4
	cbnz	x2, 2f
	orr	x0, x0, #(1 << 8)
	msr	cptr_el2, x0
	b	3f
2:	msr	cptr_el2, x0
	isb
	mov	x0, #15			/* all vector lengths */
	msr	S3_4_C1_C2_0, x0	/* ZCR_EL2 */
3:
	/* The GIC's registers: EL1 has them as system registers where the CPU does. */
	ubfx	x2, x1, #24, #4
	cbz	x2, 4f
	mrs	x0, S3_4_C12_C9_5	/* ICC_SRE_EL2 */
	orr	x0, x0, #(1 << 0)	/* SRE */
	orr	x0, x0, #(1 << 3)	/* Enable: EL1's is not trapped */
	msr	S3_4_C12_C9_5, x0
	isb
	mrs	x0, S3_4_C12_C9_5
	tbz	x0, #0, 4f		/* EL3 does not allow it */
	msr	S3_4_C12_C11_0, xzr	/* ICH_HCR_EL2 */
4:
	/* Debug and counters: all counters are EL1's (HPMN = PMCR_EL0.N), nothing is trapped. */
	mrs	x1, id_aa64dfr0_el1
	ubfx	x2, x1, #8, #4
	mov	x0, #0
	cbz	x2, 5f
	cmp	x2, #15			/* not the architecture's counters */
	b.eq	5f
	mrs	x0, pmcr_el0
	ubfx	x0, x0, #11, #5
5:	msr	mdcr_el2, x0

	/* Fine-grained traps, and what HCRX_EL2 grants. */
	mrs	x1, id_aa64mmfr0_el1
	ubfx	x2, x1, #56, #4
	cbz	x2, 6f
	msr	S3_4_C1_C1_4, xzr	/* HFGRTR_EL2 */
	msr	S3_4_C1_C1_5, xzr	/* HFGWTR_EL2 */
	msr	S3_4_C1_C1_6, xzr	/* HFGITR_EL2 */
	msr	S3_4_C3_C1_4, xzr	/* HDFGRTR_EL2 */
	msr	S3_4_C3_C1_5, xzr	/* HDFGWTR_EL2 */
6:	mrs	x1, id_aa64mmfr1_el1
	ubfx	x2, x1, #40, #4
	cbz	x2, 7f
	msr	S3_4_C1_C2_2, xzr	/* HCRX_EL2 */
7:
	ldr	x0, =SCTLR_EL1_RESERVED
	msr	sctlr_el1, x0
	mov	x0, #SPSR_EL1H_MASKED
	msr	spsr_el2, x0
	adr	x0, at_el1
	msr	elr_el2, x0
	isb
	eret

at_el1:
	/* EL1, MMU off. The firmware's timers must not ring in the kernel. */
	msr	cntp_ctl_el0, xzr
	msr	cntv_ctl_el0, xzr
	ldr	x0, =CPACR_FP
	msr	cpacr_el1, x0
	ldr	x0, =MAIR_ENTRY
	msr	mair_el1, x0
	ldr	x0, [x28, #DATA(TD_TCR)]
	msr	tcr_el1, x0
	ldr	x0, [x28, #DATA(TD_TTBR0)]
	msr	ttbr0_el1, x0
	ldr	x0, [x28, #DATA(TD_TTBR1)]
	msr	ttbr1_el1, x0
	isb
	tlbi	vmalle1
	ic	iallu
	dsb	nsh
	isb
	ldr	x0, =SCTLR_EL1_ENTRY
	msr	sctlr_el1, x0
	isb
	ldr	x28, [x28, #DATA(TD_HHDM)]
	add	x0, x28, #OFFSET(in_hhdm)
	br	x0
in_hhdm:
	ldr	x0, [x28, #DATA(TD_TTBR0_EMPTY)]
	msr	ttbr0_el1, x0
	isb
	tlbi	vmalle1
	dsb	nsh
	isb
	msr	spsel, #0
	ldr	x0, [x28, #DATA(TD_STACK)]
	mov	sp, x0
	ldr	x1, [x28, #DATA(TD_TARGET)]
	mov	x0, #0
	cbnz	x1, leave

	ldr	x0, [x28, #DATA(TD_INFO)]
	mov	x2, #1
	str	x2, [x28, #DATA(TD_READY)]
	/* Parked: a store to goto_address ends the monitor's claim on it, and that wakes. */
	add	x2, x0, #24
	sevl
park:	wfe
	ldaxr	x1, [x2]
	cbz	x1, park
	clrex

	/* By exception return, which needs no general register. */
leave:	msr	elr_el1, x1
	mov	x1, #SPSR_EL1T_MASKED
	msr	spsr_el1, x1
	isb
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	mov	x\n, #0
	.endr
	eret
	.ltorg
trampoline_end:
