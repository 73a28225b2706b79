/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers: the table that the threads of a process share, and other processes with
 * CLONE_SIGHAND; sigaction(2).
 *
 * Each table has a spinlock of its own, taken inside a process's signal_lock. p->signals changes
 * only at exec, when the process has one thread, under both p->lock and p->signal_lock.
 */
#include "internal.h"
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

struct signal_state *signal_state_create(void)
{
	struct signal_state *s = kmalloc(sizeof(*s));

	if (s == nullptr)
		return nullptr;
	s->refs = 1;
	spin_init(&s->lock, RANK_SIGNAL + 1);
	return s;
}

struct signal_state *signal_state_clone(struct signal_state *from)
{
	struct signal_state *s = signal_state_create();

	if (s == nullptr)
		return nullptr;
	spin_lock(&from->lock);
	/* Nobody else knows s yet: its lock guards nothing so far. */
	const void *source = from->action;
	__builtin_memcpy(((char *)s) + offsetof(struct signal_state, action), source, sizeof(from->action));
	spin_unlock(&from->lock);
	return s;
}

void signal_state_get(struct signal_state *s)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
}

void signal_state_put(struct signal_state *s)
{
	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(s);
}

void signal_state_reset(struct signal_state *s)
{
	spin_lock(&s->lock);
	for (int i = 0; i < SIGNAL_MAX; i++) {
		struct signal_action *a = &s->action[i];
		*a = (struct signal_action){.handler = a->handler == SIG_IGN ? SIG_IGN : SIG_DFL};
	}
	spin_unlock(&s->lock);
}

struct signal_action signal_action_get(struct process *p, int signo)
{
	struct signal_state *s = p->signals;

	spin_lock(&s->lock);
	struct signal_action a = s->action[signo - 1];
	spin_unlock(&s->lock);
	return a;
}

void signal_action_set(struct process *p, int signo, const struct signal_action *a)
{
	struct signal_state *s = p->signals;

	spin_lock(&s->lock);
	s->action[signo - 1] = *a;
	spin_unlock(&s->lock);
}

/* Setting a signal to be ignored discards what is pending of it (POSIX.1-2017 2.4.3). */
static void discard_if_ignored(struct process *p, int signo, const struct signal_action *a) REQUIRES(p -> signal_lock)
{
	uint64_t bit = SIGNAL_BIT(signo);
	struct thread *t;

	if (a->handler != SIG_IGN && !(a->handler == SIG_DFL && (SIGNALS_DEFAULT_IGNORE & bit)))
		return;
	signal_flush(p, &p->pending, bit);
	for_each_thread(t, p)
		signal_flush(p, &process_thread_of(t)->pending, bit);
}

static long sys_rt_sigaction(int signo, user_addr new_action, user_addr old_action, size_t set_size)
{
	constexpr uint64_t known = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART |
				   SA_NODEFER | SA_RESETHAND;
	struct process *p = process_current();
	struct signal_action a, old;

	if (set_size != sizeof(uint64_t))
		return -EINVAL;
	if (new_action.value != 0 && copy_from_user(&a, new_action, sizeof(a)) != 0)
		return -EFAULT;
	if (signo < 1 || signo > SIGNAL_MAX)
		return -EINVAL;
	if (new_action.value != 0) {
		if (SIGNALS_UNBLOCKABLE & SIGNAL_BIT(signo))
			return -EINVAL;
		/* Unknown flags are cleared in what is stored, which is how programs probe for them
		 * (sigaction(2)). */
		a.flags &= known;
		a.mask &= ~(uint64_t)SIGNALS_UNBLOCKABLE;
	}
	spin_lock(&p->signal_lock);
	old = signal_action_get(p, signo);
	if (new_action.value != 0) {
		signal_action_set(p, signo, &a);
		discard_if_ignored(p, signo, &a);
	}
	signal_unlock(p);
	if (old_action.value != 0 && copy_to_user(old_action, &old, sizeof(old)) != 0)
		return -EFAULT;
	return 0;
}
SYSCALL(rt_sigaction);

void process_signal_info(struct process *p, struct process_signal_info *out)
{
	*out = (struct process_signal_info){.queued = __atomic_load_n(&p->queued_signals, __ATOMIC_RELAXED)};
	spin_lock(&p->signal_lock);
	out->pending = p->pending.set;
	struct signal_state *s = p->signals;
	if (s != nullptr) {
		spin_lock(&s->lock);
		for (int signo = 1; signo <= SIGNAL_MAX; signo++) {
			uint64_t handler = s->action[signo - 1].handler;

			if (handler == SIG_IGN)
				out->ignored |= SIGNAL_BIT(signo);
			else if (handler != SIG_DFL)
				out->caught |= SIGNAL_BIT(signo);
		}
		spin_unlock(&s->lock);
	}
	spin_unlock(&p->signal_lock);
}
