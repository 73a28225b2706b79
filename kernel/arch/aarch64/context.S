/* SPDX-License-Identifier: MIT */
/*
 * The non-local exit under guards (kernel/thread/guard.c). What the procedure call standard lets a function change is not
 * saved (AAPCS64, 6.1.1). The lowered kernel has no floating-point state. Hint 34 is BTI C: a call may land here.
 */

	.cfi_sections .debug_frame
	.text
/* int guard_save(uint64_t *context): 0 now, 1 after guard_leave */
	.globl guard_save
	.type guard_save, %function
guard_save:
	.cfi_startproc
	hint #34
	stp x19, x20, [x0]
	stp x21, x22, [x0, #16]
	stp x23, x24, [x0, #32]
	stp x25, x26, [x0, #48]
	stp x27, x28, [x0, #64]
	stp x29, x30, [x0, #80]
	mov x9, sp
	str x9, [x0, #96]
	mov w0, #0
	ret
	.cfi_endproc
	.size guard_save, . - guard_save

/* void guard_leave(const uint64_t *context): guard_save returns again */
	.globl guard_leave
	.type guard_leave, %function
guard_leave:
	.cfi_startproc
	hint #34
	ldp x19, x20, [x0]
	ldp x21, x22, [x0, #16]
	ldp x23, x24, [x0, #32]
	ldp x25, x26, [x0, #48]
	ldp x27, x28, [x0, #64]
	ldp x29, x30, [x0, #80]
	ldr x9, [x0, #96]
	mov sp, x9
	mov w0, #1
	ret
	.cfi_endproc
	.size guard_leave, . - guard_leave

/* void call_on_stack(uint64_t top, void (*fn)(void)) */
	.globl call_on_stack
	.type call_on_stack, %function
call_on_stack:
	.cfi_startproc
	hint #34
	and x0, x0, #~15
	mov sp, x0
	/* No frame above: a backtrace ends here. */
	.cfi_undefined x30
	mov x29, xzr
	mov x30, xzr
	blr x1
	brk #1
	.cfi_endproc
	.size call_on_stack, . - call_on_stack

	.section .note.GNU-stack, "", %progbits
