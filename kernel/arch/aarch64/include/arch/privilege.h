/* SPDX-License-Identifier: MIT */
/*
 * elevate() and lower(): the bracket around instructions that need hardware privilege. Privilege is a capability of
 * clang's thread-safety analysis, so that a missing, doubled or leaked bracket does not compile. Brackets live only in
 * files below a folder bracket/, whose text the linker puts where the nucleus lets elevate() return to; the opcode
 * check rejects calls, returns, stack writes and indirect branches inside.
 *
 * elevate(): SVC, whose return address is all the nucleus needs to see; it comes back at EL1 on the same stack
 * (EL1t: SP_EL0). x14 to x17 belong to the gate. lower(): ERET to the next instruction, at EL0 with
 * interrupts on; they are masked first, because one between would overwrite ELR_EL1 and SPSR_EL1. Threads that are
 * privileged at home (dynpriv=drivers, off) must not be lowered: in those modes the
 * no-operation is patched to branch to the test. While gates are counted it branches to an SVC below BRACKETS_BASE, by
 * which the time spent elevated ends. NOP and B may be exchanged under running code (DDI 0487, B2.2.5).
 */
#ifndef ARCH_PRIVILEGE_H
#define ARCH_PRIVILEGE_H

#include <lib/annotate.h>
#include <nucleus/privilege.h>
#include <nucleus/thread_page.h>
#include <stddef.h>

ALWAYS_INLINE void elevate(void) ACQUIRE(privilege) NO_THREAD_SAFETY
{
	__asm__ volatile("svc #0" : : : "x14", "x15", "x16", "x17", "memory", "cc");
}

ALWAYS_INLINE void lower(void) RELEASE(privilege) NO_THREAD_SAFETY
{
	__asm__ volatile("1:	nop\n" /* patched: b 3f, 5f or 6f */
			 "2:	msr daifset, #15\n"
			 "	adr x16, 4f\n"
			 "	msr elr_el1, x16\n"
			 "	msr spsr_el1, xzr\n" /* EL0, interrupts on, nothing else */
			 "	eret\n"
			 "4:\n"
			 "	.pushsection .text.lower_sites, \"ax\", @progbits\n"
			 "6:	svc #0\n" /* from here it tells the nucleus that the bracket ends */
			 "	b 2b\n"
			 "5:	svc #0\n" /* the same where threads may be privileged at home */
			 "3:	mrs x16, tpidrro_el0\n"
			 "	ldr w16, [x16, #%c0]\n"
			 "	cbz w16, 2b\n"
			 "	b 4b\n"
			 "	.popsection\n"
			 "	.pushsection .lower_sites, \"a\", @progbits\n"
			 "	.quad 1b, 3b, 6b, 5b\n"
			 "	.popsection"
			 :
			 : "i"(offsetof(struct thread_page, home_elevated))
			 : "x14", "x15", "x16", "x17", "memory", "cc");
}

#endif
