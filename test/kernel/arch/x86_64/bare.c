/* SPDX-License-Identifier: MIT */
/* The system call of bare processes on x86_64. It runs on the upcall stack of a thread that has no struct process. */
#include "bare.h"

#include <test/kernel/ktest.h>

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/base/syscall.h>
#include <nucleus/calls.h>

#define NR_ktest 511

enum : uint64_t {
	FLAG_CARRY = 1,
	FLAG_TRAP = 1 << 8,
	FLAG_INTERRUPTS = 1 << 9,
	FLAG_DIRECTION = 1 << 10,
	FLAGS_IOPL = 3 << 12,
	FLAG_NESTED = 1 << 14,
	FLAG_ALIGNMENT = 1 << 18
};
enum : uint64_t { CALL_EXIT, CALL_NOTHING, CALL_FLAGS, CALL_SLEEP, CALL_SPIN, CALL_KICKED };

uint64_t bare_call_count, bare_seen_flags;
uint32_t bare_spins, bare_kicked;

static long sys_ktest(uint64_t operation)
{
	uint64_t flags;

	__asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags) : : "memory");
	__atomic_fetch_add(&bare_call_count, 1, __ATOMIC_RELAXED);
	switch (operation) {
	case CALL_EXIT: thread_exit();
	case CALL_FLAGS: bare_seen_flags = flags; break;
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
	/* A PC's diagnostic port. */
	(void)portio_read8(0x80);
}

void bare_regs(struct user_regs *regs, uint64_t pc, uint64_t sp, uint64_t data)
{
	regs->rip = pc;
	regs->rsp = sp;
	regs->rbx = data;
	regs->orig_rax = UINT64_MAX;
}

void bare_set_tls(struct user_regs *regs, uint64_t tls)
{
	regs->fs_base = tls;
}

bool bare_call_preserves(void)
{
	uint64_t b = 0x1111, c = 0x2222, d = 0x3333, e = 0x4444;

	__asm__ volatile("movq %0, %%rbx\n movq %1, %%r12\n movq %2, %%r13\n movq %3, %%r15\n"
			 "movl %4, %%eax\n call nucleus_call_gate\n"
			 "movq %%rbx, %0\n movq %%r12, %1\n movq %%r13, %2\n movq %%r15, %3\n"
			 : "+m"(b), "+m"(c), "+m"(d), "+m"(e)
			 : "i"(NUCLEUS_CALL_yield)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r15",
			   "memory", "cc");
	return b == 0x1111 && c == 0x2222 && d == 0x3333 && e == 0x4444;
}

long bare_call_numbered(uint64_t number)
{
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result)
			 : "a"(number), "D"(0ull)
			 : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}

bool bare_kernel_flags_ok(uint64_t flags)
{
	return !(flags & (FLAG_CARRY | FLAG_TRAP | FLAG_DIRECTION | FLAGS_IOPL | FLAG_NESTED | FLAG_ALIGNMENT)) &&
	       (flags & FLAG_INTERRUPTS);
}

bool bare_flags_kept(uint64_t flags)
{
	return (flags & FLAG_CARRY) && (flags & FLAG_DIRECTION) && (flags & FLAG_INTERRUPTS) && !(flags & FLAGS_IOPL);
}
