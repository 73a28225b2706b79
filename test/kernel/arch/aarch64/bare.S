/* SPDX-License-Identifier: MIT */
/*
 * What bare processes execute (test/kernel/process.c): position-independent code that is copied to CODE_VA. x19 holds
 * DATA_VA at the start, sp the top of the stack page. System call 511 is the tests' own (bare.c): x0 chooses what it
 * does.
 */
#define CODE(name) .balign 8; .globl bare_##name; bare_##name:
#define END(name) .globl bare_##name##_end; bare_##name##_end:

#define CALL_EXIT	0
#define CALL_NOTHING	1
#define CALL_FLAGS	2
#define CALL_SLEEP	3
#define CALL_SPIN	4
#define CALL_KICKED	5

.macro test_call operation
	mov x0, #\operation
	mov x8, #511
	svc #0
.endm

	/* Processes have vector registers; the kernel's own code does not use them. */
	.arch armv8-a+simd
	.section .rodata

/* Data word 0: counts up. */
CODE(exit)
	ldr x1, [x19]
	add x1, x1, #1
	str x1, [x19]
	test_call CALL_EXIT
	udf #0
END(exit)

/* Registers over a system call: each that changed sets a bit in word 0, a thread register that is not empty bit 31; word 1:
 * result; word 2: flags after. */
CODE(syscall)
	.irp n, 1,2,3,4,5,6,7,9,10,11,12,13,14,15,16,17,18,20,21,22,23,24,25,26,27,28,29,30
	mov x\n, #0x1000 + \n
	.endr
	mov x0, #0x30000000	/* carry and overflow */
	msr nzcv, x0
	test_call CALL_FLAGS
	str x0, [x19, #8]
	mrs x0, nzcv
	str x0, [x19, #16]
	mov x0, #0
	.irp n, 1,2,3,4,5,6,7,9,10,11,12,13,14,15,16,17,18,20,21,22,23,24,25,26,27,28,29,30
	sub x\n, x\n, #0x1000
	cmp x\n, #\n
	b.eq 1f
	orr x0, x0, #1 << \n
1:
	.endr
	cmp x8, #511
	b.eq 1f
	orr x0, x0, #1 << 8
1:	mrs x1, tpidrro_el0
	cbz x1, 1f
	orr x0, x0, #1 << 31
1:	str x0, [x19]
	test_call CALL_EXIT
	udf #0
END(syscall)

/* Calls the test call data word 8 times, then says so in word 0. */
CODE(calls)
	ldr x20, [x19, #64]
1:	test_call CALL_NOTHING
	subs x20, x20, #1
	b.ne 1b
	mov x1, #1
	str x1, [x19]
	test_call CALL_EXIT
	udf #0
END(calls)

/*
 * Keeps a pattern (word 8) in vector registers, FPCR, the thread pointer and general registers and looks whether it
 * stays, until word 9 is set; word 0: rounds; word 1: times it was wrong.
 */
CODE(pattern)
	ldr x20, [x19, #64]
	dup v0.2d, x20
	dup v7.2d, x20
	dup v16.2d, x20
	dup v31.2d, x20
	/* Rounding control differs with the pattern's low bits. */
	and x21, x20, #3
	lsl x21, x21, #22
	msr fpcr, x21
1:	ldr x1, [x19]
	add x1, x1, #1
	str x1, [x19]
	.irp n, 0,7,16,31
	mov x2, v\n\().d[0]
	cmp x2, x20
	b.ne 2f
	mov x2, v\n\().d[1]
	cmp x2, x20
	b.ne 2f
	.endr
	mrs x2, fpcr
	cmp x2, x21
	b.ne 2f
	mrs x2, tpidr_el0
	ldr x2, [x2]
	ldr x3, [x19, #96]
	cmp x2, x3
	b.ne 2f
3:	ldr x2, [x19, #72]
	cbz x2, 1b
	test_call CALL_EXIT
	udf #0
2:	ldr x1, [x19, #8]
	add x1, x1, #1
	str x1, [x19, #8]
	b 3b
END(pattern)

/* Writes word 0 of the page whose address is in data word 8, again and again, until word 9 is set; word 1 counts. */
CODE(writer)
	ldr x20, [x19, #64]
1:	ldr x1, [x20]
	add x1, x1, #1
	str x1, [x20]
	ldr x1, [x19, #8]
	add x1, x1, #1
	str x1, [x19, #8]
	ldr x1, [x19, #72]
	cbz x1, 1b
	test_call CALL_EXIT
	udf #0
END(writer)

/* Copies word 0 of the page at data word 8 to word 0 until word 9 is set; word 1 counts the rounds. */
CODE(reader)
	ldr x20, [x19, #64]
1:	ldr x1, [x20]
	str x1, [x19]
	ldr x1, [x19, #8]
	add x1, x1, #1
	str x1, [x19, #8]
	ldr x1, [x19, #72]
	cbz x1, 1b
	test_call CALL_EXIT
	udf #0
END(reader)

/* Reads word 0 of the page at data word 8, then waits for word 9 to rise above 1, 2, 3 and at each writes there;
 * word 1: step. Sleeps in the kernel meanwhile. */
CODE(toucher)
	ldr x20, [x19, #64]
	ldr x1, [x20]
	mov x21, #1
	str x21, [x19, #8]
1:	ldr x1, [x19, #72]
	cmp x1, x21
	b.hs 2f
	test_call CALL_SLEEP
	b 1b
2:	str x21, [x20]
	add x21, x21, #1
	str x21, [x19, #8]
	cmp x21, #4
	b.ne 1b
	test_call CALL_EXIT
	udf #0
END(toucher)

/* Spins in the kernel, then asks whether it was kicked. */
CODE(spinner)
	test_call CALL_SPIN
	test_call CALL_KICKED
	test_call CALL_EXIT
	udf #0
END(spinner)

	.text
/* void bare_call_with(uint64_t values[10], uint64_t number): the nucleus call with our numbers in x19 to x28; values:
 * what is there after it */
	.globl bare_call_with
	.type bare_call_with, %function
bare_call_with:
	hint #34
	stp x29, x30, [sp, #-112]!
	mov x29, sp
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	str x0, [sp, #96]
	.irp n, 19,20,21,22,23,24,25,26,27,28
	mov x\n, #0x1100 + \n
	.endr
	mov x8, x1
	bl nucleus_call_gate
	ldr x0, [sp, #96]
	stp x19, x20, [x0]
	stp x21, x22, [x0, #16]
	stp x23, x24, [x0, #32]
	stp x25, x26, [x0, #48]
	stp x27, x28, [x0, #64]
	ldp x19, x20, [sp, #16]
	ldp x21, x22, [sp, #32]
	ldp x23, x24, [sp, #48]
	ldp x25, x26, [sp, #64]
	ldp x27, x28, [sp, #80]
	ldp x29, x30, [sp], #112
	ret
	.size bare_call_with, . - bare_call_with

	.section .note.GNU-stack, "", %progbits
