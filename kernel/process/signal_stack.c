/* SPDX-License-Identifier: MIT */
/* Alternate signal stacks (sigaltstack(2)): signal_stack.h. They belong to the thread, so there is nothing to lock. */
#include "signal_stack.h"

#include "internal.h"
#include <arch/signal.h>
#include <kernel/base/syscall.h>
#include <kernel/vm/user.h>
#include <nucleus/calls.h>

enum : uint32_t { SS_ONSTACK = 1, SS_DISABLE = 2, SS_AUTODISARM = 0x80000000 };

bool signal_stack_holds(uint64_t at)
{
	const struct process_thread *s = process_thread_current();

	return s->altstack_size != 0 && at > s->altstack_base && at - s->altstack_base <= s->altstack_size;
}

uint64_t signal_stack_choose(uint64_t sp, uint64_t red_zone, const struct signal_action *a, bool *on_alternate)
{
	const struct process_thread *s = process_thread_current();
	bool inside = signal_stack_holds(sp) && !(s->altstack_flags & SS_AUTODISARM);

	*on_alternate = inside;
	if (!(a->flags & SA_ONSTACK) || s->altstack_size == 0 || inside)
		return sp - red_zone;
	*on_alternate = true;
	return s->altstack_base + s->altstack_size;
}

struct signal_stack signal_stack_describe(bool on_alternate)
{
	const struct process_thread *s = process_thread_current();
	uint32_t flags = (on_alternate ? SS_ONSTACK : 0) | s->altstack_flags;

	return (struct signal_stack){
		.base = s->altstack_base,
		.size = s->altstack_size,
		.flags = (int32_t)(s->altstack_size == 0 ? SS_DISABLE : flags),
	};
}

static void forget(struct process_thread *s)
{
	s->altstack_base = s->altstack_size = s->altstack_flags = 0;
}

void signal_stack_entered(void)
{
	struct process_thread *s = process_thread_current();

	if (s->altstack_flags & SS_AUTODISARM)
		forget(s);
}

void signal_stack_restore(const struct signal_stack *stack)
{
	struct process_thread *s = process_thread_current();
	uint32_t mode = (uint32_t)stack->flags & ~(SS_AUTODISARM | SS_ONSTACK);

	if (mode == SS_DISABLE) {
		forget(s);
	} else if (mode == 0 && stack->size >= ARCH_MINSIGSTKSZ) {
		s->altstack_base = stack->base;
		s->altstack_size = stack->size;
		s->altstack_flags = (uint32_t)stack->flags & SS_AUTODISARM;
	}
}

static uint64_t own_stack_pointer(void)
{
	if (nucleus_regs_get(thread_page_current()->handle) != 0)
		return 0;
	return arch_regs_stack((const struct user_regs *)call_area());
}

static long sys_sigaltstack(user_addr new_stack, user_addr old_stack)
{
	struct process_thread *s = process_thread_current();
	bool on_it = signal_stack_holds(own_stack_pointer());
	struct signal_stack fresh, old = signal_stack_describe(on_it);

	if (new_stack.value != 0) {
		if (get_user(fresh, new_stack) != 0)
			return -EFAULT;
		if (on_it)
			return -EPERM;
		uint32_t mode = (uint32_t)fresh.flags & ~SS_AUTODISARM;
		if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
			return syscall_refuse_flags(NR_sigaltstack, mode);
		if (mode == SS_DISABLE) {
			forget(s);
		} else {
			if (fresh.size < ARCH_MINSIGSTKSZ)
				return -ENOMEM;
			s->altstack_base = fresh.base;
			s->altstack_size = fresh.size;
			s->altstack_flags = (uint32_t)fresh.flags & SS_AUTODISARM;
		}
	}
	return old_stack.value != 0 ? put_user(old_stack, old) : 0;
}
SYSCALL(sigaltstack);
