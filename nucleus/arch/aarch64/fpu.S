/* SPDX-License-Identifier: MIT */
/* The FPU's registers to and from memory (struct user_fpu). All else in the nucleus is compiled without them. */
	.arch armv8-a+fp+simd
	.text

.macro pair instruction, one, two
	\instruction q\one, q\two, [x0, #\one * 16]
.endm
.macro each_pair instruction
	.altmacro		/* for %: the number, not its name */
	.set number, 0
	.rept 16
	pair \instruction, %number, %number + 1
	.set number, number + 2
	.endr
	.noaltmacro
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
