/* SPDX-License-Identifier: MIT */
/*
 * What bare processes execute (test/kernel/process.c): position-independent code that is copied to CODE_VA. %rbx holds DATA_VA at the start, %rsp
 * the top of the stack page. System call 511 is the tests' own (test/kernel/process.c): %rdi chooses what it does.
 */
#define CODE(name) .globl bare_##name; bare_##name:
#define END(name) .globl bare_##name##_end; bare_##name##_end:

#define CALL_EXIT	0
#define CALL_NOTHING	1
#define CALL_FLAGS	2
#define CALL_SLEEP	3
#define CALL_SPIN	4
#define CALL_KICKED	5

.macro test_call operation
	movl $\operation, %edi
	movl $511, %eax
	syscall
.endm

	.section .rodata

/* Data word 0: counts up. */
CODE(exit)
	incq (%rbx)
	test_call CALL_EXIT
	ud2
END(exit)

/* Registers over a system call: each that changed sets a bit in word 0; word 1: result; word 2: rflags after. */
CODE(syscall)
	movq $0x1010101, %rdx
	movq $0x2020202, %rsi
	movq $0x3030303, %r8
	movq $0x4040404, %r9
	movq $0x5050505, %r10
	movq $0x6060606, %rbp
	movq $0x7070707, %r12
	movq $0x8080808, %r13
	movq $0x9090909, %r14
	movq $0xa0a0a0a, %r15
	pushfq
	orl $0x40000, (%rsp)	/* AC, which would open processes to a kernel with SMAP */
	popfq
	std
	stc
	test_call CALL_FLAGS
	movq %rax, 8(%rbx)
	pushfq
	popq 16(%rbx)
	cld
	xorl %eax, %eax
	.macro check value, register, bit
	cmpq $\value, \register
	je 1f
	orl $\bit, %eax
1:
	.endm
	check 0x1010101, %rdx, 1
	check 0x2020202, %rsi, 2
	check 0x3030303, %r8, 4
	check 0x4040404, %r9, 8
	check 0x5050505, %r10, 16
	check 0x6060606, %rbp, 32
	check 0x7070707, %r12, 64
	check 0x8080808, %r13, 128
	check 0x9090909, %r14, 256
	check 0xa0a0a0a, %r15, 512
	check CALL_FLAGS, %rdi, 1024
	movq %rax, (%rbx)
	test_call CALL_EXIT
	ud2
END(syscall)

/* Calls the test call data word 8 times, then says so in word 0. */
CODE(calls)
	movq 64(%rbx), %r12
1:	test_call CALL_NOTHING
	decq %r12
	jnz 1b
	movq $1, (%rbx)
	test_call CALL_EXIT
	ud2
END(calls)

/*
 * Keeps a pattern (word 8) in SSE registers, MXCSR, the FS base and general registers and looks whether it stays, until word 9 is set;
 * word 0: rounds; word 1: times it was wrong.
 */
CODE(pattern)
	movq 64(%rbx), %r12
	movq %r12, %xmm0
	movq %r12, %xmm7
	movq %r12, %xmm15
	/* Rounding control differs with the pattern's low bit. */
	movl %r12d, %eax
	andl $3, %eax
	shll $13, %eax
	orl $0x1f80, %eax
	movl %eax, 80(%rbx)
	ldmxcsr 80(%rbx)
	movl %eax, %r13d
1:	incq (%rbx)
	movq %xmm0, %rax
	cmpq %r12, %rax
	jne 2f
	movq %xmm7, %rax
	cmpq %r12, %rax
	jne 2f
	movq %xmm15, %rax
	cmpq %r12, %rax
	jne 2f
	stmxcsr 84(%rbx)
	movl 84(%rbx), %eax
	andl $0xffc0, %eax
	cmpl %r13d, %eax
	jne 2f
	movq %fs:0, %rax
	cmpq 96(%rbx), %rax
	jne 2f
3:	cmpq $0, 72(%rbx)
	je 1b
	test_call CALL_EXIT
	ud2
2:	incq 8(%rbx)
	jmp 3b
END(pattern)

/* Writes word 0 of the page whose address is in data word 8, again and again, until word 9 is set; word 1 counts the rounds. */
CODE(writer)
	movq 64(%rbx), %rdx
1:	incq (%rdx)
	incq 8(%rbx)
	cmpq $0, 72(%rbx)
	je 1b
	test_call CALL_EXIT
	ud2
END(writer)

/* Copies word 0 of the page at data word 8 to word 0 until word 9 is set; word 1 counts the rounds. */
CODE(reader)
	movq 64(%rbx), %rdx
1:	movq (%rdx), %rax
	movq %rax, (%rbx)
	incq 8(%rbx)
	cmpq $0, 72(%rbx)
	je 1b
	test_call CALL_EXIT
	ud2
END(reader)

/* Reads word 0 of the page at data word 8, then waits for word 9 to rise above 1, 2, 3 and at each writes there; word 1: step. Sleeps in the kernel meanwhile. */
CODE(toucher)
	movq 64(%rbx), %r13
	movq (%r13), %rax
	movq $1, 8(%rbx)
	movl $1, %r12d
1:	cmpq %r12, 72(%rbx)
	jae 2f
	test_call CALL_SLEEP
	jmp 1b
2:	movq %r12, (%r13)
	incq %r12
	movq %r12, 8(%rbx)
	cmpl $4, %r12d
	jne 1b
	test_call CALL_EXIT
	ud2
END(toucher)

/* Spins in the kernel, then asks whether it was kicked. */
CODE(spinner)
	test_call CALL_SPIN
	test_call CALL_KICKED
	test_call CALL_EXIT
	ud2
END(spinner)

	.section .note.GNU-stack, "", @progbits
