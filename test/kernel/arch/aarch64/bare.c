/* SPDX-License-Identifier: MIT */
/* The system call of bare processes on arm64. It runs on the upcall stack of a thread that has no struct process. */
#include "bare.h"

#include <test/kernel/ktest.h>

#include <abi/errno.h>
#include <kernel/base/syscall.h>
#include <kernel/component/measure/measure.h>
#include <nucleus/calls.h>

#define NR_ktest 511

enum : uint64_t { FLAG_CARRY = 1 << 29, FLAG_OVERFLOW = 1 << 28, FLAGS = 0xf0000000 };
enum : uint64_t { CALL_EXIT, CALL_NOTHING, CALL_FLAGS, CALL_SLEEP, CALL_SPIN, CALL_KICKED };

uint64_t bare_call_count, bare_seen_flags;
uint32_t bare_spins, bare_kicked;

void bare_call_with(uint64_t values[10], uint64_t number); /* bare.S */

static long sys_ktest(uint64_t operation)
{
	__atomic_fetch_add(&bare_call_count, 1, __ATOMIC_RELAXED);
	switch (operation) {
	case CALL_EXIT: thread_exit();
	/* EL0 can read no flag that the compiler's code has not changed by now; but the thread register is the
	 * kernel's. */
	case CALL_FLAGS: bare_seen_flags = thread_page_current() != thread_page_current()->self; break;
	case CALL_SLEEP: sleep_ns(MS / 4); break;
	case CALL_KICKED: bare_kicked = nucleus_park(1, PARK_INTERRUPTIBLE) == -EINTR; break;
	case CALL_SPIN:
		__atomic_store_n(&bare_spins, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&bare_spins, __ATOMIC_SEQ_CST))
			;
		break;
	}
	return BARE_RESULT;
}
SYSCALL(ktest);

void bare_bracket(void)
{
	measure_bracket();
}

void bare_regs(struct user_regs *regs, uint64_t pc, uint64_t sp, uint64_t data)
{
	regs->pc = pc;
	regs->sp = sp;
	regs->x[19] = data;
	regs->orig_syscall = UINT64_MAX;
}

void bare_set_tls(struct user_regs *regs, uint64_t tls)
{
	regs->tpidr = tls;
}

bool bare_call_preserves(void)
{
	uint64_t values[10];

	bare_call_with(values, NUCLEUS_CALL_yield);
	for (unsigned i = 0; i < 10; i++) {
		if (values[i] != 0x1100 + 19 + i)
			return false;
	}
	return true;
}

long bare_call_numbered(uint64_t number)
{
	register uint64_t x0 __asm__("x0") = 0, x8 __asm__("x8") = number;

	__asm__ volatile("bl nucleus_call_gate"
			 : "+r"(x0), "+r"(x8)
			 :
			 : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
			   "x16", "x17", "x30", "memory", "cc");
	return (long)x0;
}

bool bare_kernel_flags_ok(uint64_t flags)
{
	return flags == 0;
}

bool bare_flags_kept(uint64_t flags)
{
	return (flags & FLAGS) == (FLAG_CARRY | FLAG_OVERFLOW);
}
