/* SPDX-License-Identifier: MIT */
/*
 * Robust futex lists: set_robust_list(2), get_robust_list(2), set_tid_address(2), and what a dying
 * thread does with its list (Linux Documentation/locking/robust-futex-ABI): each lock it held gets
 * FUTEX_OWNER_DIED and one waiter is woken.
 *
 * The list is user memory and believed in nothing: every step is a checked copy and the length is
 * limited.
 */
#include "internal.h"
#include <kernel/vm/user.h>

enum : uint32_t {
	OWNER_DIED = 0x40000000,
	WAITERS = 0x80000000,
	TID_MASK = 0x3fffffff,
	LIST_LIMIT = 2048,
	TRIES_MAX = 65536
};
struct abi_robust_head {
	uint64_t first;
	int64_t offset;
	uint64_t pending;
};

/* Bit 0 of an entry's pointer marks a priority-inheriting lock. */
static uint64_t entry_of(uint64_t pointer)
{
	return pointer & ~UINT64_C(1);
}

static void release_word(uint64_t at_value, bool pending, bool inherits)
{
	user_addr at = USER_ADDR(at_value);
	uint32_t tid = thread_current()->tid, word, seen, tries = 0;

	if (at_value % sizeof(uint32_t) != 0 || user_load_u32(at, &word) != 0)
		return;
	/* Between unlocking and waking: nobody else will wake. */
	if (pending && !inherits && word == 0) {
		(void)futex_wake_address(at, 1);
		return;
	}
	while ((word & TID_MASK) == tid && tries++ < TRIES_MAX) {
		if (user_cmpxchg_u32(at, word, (word & WAITERS) | OWNER_DIED, &seen) != 0)
			return;
		if (seen == word) {
			/* Whoever waits for one that passes priority on is told a little later (futex_pi_leave). */
			if ((word & WAITERS) && !inherits)
				(void)futex_wake_address(at, 1);
			return;
		}
		word = seen;
	}
}

void futex_robust_exit(struct process_thread *s)
{
	uint64_t head_at = s->robust_list, entry, next;
	struct abi_robust_head head;

	s->robust_list = 0;
	if (head_at == 0 || get_user(head, USER_ADDR(head_at)) != 0)
		return;
	uint64_t pending = entry_of(head.pending);
	bool inherits = head.first & 1;
	entry = entry_of(head.first);
	for (uint32_t i = 0; i < LIST_LIMIT && entry != head_at && entry != 0; i++) {
		int error = get_user(next, USER_ADDR(entry));
		if (entry != pending)
			release_word(entry + (uint64_t)head.offset, false, inherits);
		if (error != 0)
			return;
		inherits = next & 1;
		entry = entry_of(next);
	}
	if (pending != 0)
		release_word(pending + (uint64_t)head.offset, true, head.pending & 1);
}

static long sys_set_robust_list(user_addr head, size_t size)
{
	if (size != sizeof(struct abi_robust_head))
		return -EINVAL;
	process_thread_current()->robust_list = head.value;
	return 0;
}
SYSCALL(set_robust_list);

static long sys_get_robust_list(int tid, user_addr head_at, user_addr size_at)
{
	uint64_t head = process_thread_current()->robust_list, size = sizeof(struct abi_robust_head);

	if (tid != 0 && (uint32_t)tid != thread_current()->tid) {
		struct process *p = process_find_by_tid((uint32_t)tid);
		if (p == nullptr)
			return -ESRCH;
		long error = process_may_inspect_really(p) ? -ESRCH : -EPERM;
		struct thread *t;
		spin_lock(&p->signal_lock);
		for_each_thread(t, p) {
			if (t->tid == (uint32_t)tid && error == -ESRCH) {
				head = process_thread_of(t)->robust_list;
				error = 0;
				break;
			}
		}
		spin_unlock(&p->signal_lock);
		process_put(p);
		if (error != 0)
			return error;
	}
	if (put_user(size_at, size) != 0 || put_user(head_at, head) != 0)
		return -EFAULT;
	return 0;
}
SYSCALL(get_robust_list);

static long sys_set_tid_address(user_addr at)
{
	process_thread_current()->clear_child_tid = at.value;
	return thread_current()->tid;
}
SYSCALL(set_tid_address);
