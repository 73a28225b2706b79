/* SPDX-License-Identifier: MIT */
/*
 * elevate() and lower(): the bracket around instructions that need hardware privilege. Privilege is a capability of
 * clang's thread-safety analysis, so that a missing, doubled or leaked bracket does not compile. Brackets live only in
 * files below a folder bracket/, whose text the linker puts where the nucleus lets elevate() return to; the opcode
 * check rejects calls, returns, stack writes and indirect branches inside.
 *
 * elevate(): SYSCALL, whose return address is all the nucleus needs to see; it comes back at ring 0 on the same stack.
 * %rax and %rdx belong to the counting version of the gate. lower(): SYSRET to the next instruction, at ring 3 with
 * interrupts on. Threads that are privileged at home (dynpriv=drivers, off) must not be lowered: in those modes the
 * no-operation is patched to jump to the test. While gates are counted it jumps to a SYSCALL below BRACKETS_BASE, by
 * which the time spent elevated ends.
 */
#ifndef ARCH_PRIVILEGE_H
#define ARCH_PRIVILEGE_H

#include <lib/annotate.h>
#include <nucleus/privilege.h>
#include <nucleus/thread_page.h>
#include <stddef.h>

ALWAYS_INLINE void elevate(void) ACQUIRE(privilege) NO_THREAD_SAFETY
{
	__asm__ volatile("syscall" : : : "rax", "rcx", "rdx", "r11", "memory", "cc");
}

ALWAYS_INLINE void lower(void) RELEASE(privilege) NO_THREAD_SAFETY
{
	__asm__ volatile(
		"	.balign 8\n"			      /* patched by one aligned store */
		"1:	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n" /* five-byte no-operation; patched: jmp 3f, 5f or 6f */
		"2:	leaq 4f(%%rip), %%rcx\n"
		"	movl $0x202, %%r11d\n" /* interrupts on, nothing else */
		"	sysretq\n"
		"4:\n"
		"	.pushsection .text.lower_sites, \"ax\", @progbits\n"
		"6:	syscall\n" /* from here it tells the nucleus that the bracket ends */
		"	jmp 2b\n"
		"5:	syscall\n" /* the same where threads may be privileged at home */
		"3:	cmpl $0, %%gs:%c0\n"
		"	je 2b\n"
		"	jmp 4b\n"
		"	.popsection\n"
		"	.pushsection .lower_sites, \"a\", @progbits\n"
		"	.quad 1b, 3b, 6b, 5b\n"
		"	.popsection"
		:
		: "i"(offsetof(struct thread_page, home_elevated))
		: "rax", "rcx", "rdx", "r11", "memory", "cc");
}

#endif
