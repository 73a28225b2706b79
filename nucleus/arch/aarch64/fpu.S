/* SPDX-License-Identifier: MIT */
/* The FPU's registers to and from memory (struct user_fpu). All else in the nucleus is compiled without them. */
	.arch armv8-a+fp+simd
	.text

.macro each_pair instruction
	\instruction q0, q1, [x0, #0]
	\instruction q2, q3, [x0, #32]
	\instruction q4, q5, [x0, #64]
	\instruction q6, q7, [x0, #96]
	\instruction q8, q9, [x0, #128]
	\instruction q10, q11, [x0, #160]
	\instruction q12, q13, [x0, #192]
	\instruction q14, q15, [x0, #224]
	\instruction q16, q17, [x0, #256]
	\instruction q18, q19, [x0, #288]
	\instruction q20, q21, [x0, #320]
	\instruction q22, q23, [x0, #352]
	\instruction q24, q25, [x0, #384]
	\instruction q26, q27, [x0, #416]
	\instruction q28, q29, [x0, #448]
	\instruction q30, q31, [x0, #480]
.endm

/* void fpu_store(struct user_fpu *area) */
	.globl fpu_store
	.type fpu_store, @function
fpu_store:
	each_pair stp
	mrs x1, fpsr
	mrs x2, fpcr
	str w1, [x0, #512]
	str w2, [x0, #516]
	ret
	.size fpu_store, . - fpu_store

/* void fpu_load(const struct user_fpu *area) */
	.globl fpu_load
	.type fpu_load, @function
fpu_load:
	each_pair ldp
	ldr w1, [x0, #512]
	ldr w2, [x0, #516]
	msr fpsr, x1
	msr fpcr, x2
	ret
	.size fpu_load, . - fpu_load

	.section .note.GNU-stack, "", @progbits
