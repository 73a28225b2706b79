/* SPDX-License-Identifier: MIT */
/*
 * Pending signals: a bit set and a queue of siginfo, one for each thread and one for each process.
 *
 * Standard signals are pending at most once; real-time signals queue (POSIX.1-2017 XSH 2.4.1). A
 * bit without an entry happens when memory or the queue limit ran out: the signal then comes
 * without details. Entries are allocated before the lock is taken and freed after it is dropped,
 * because the allocator may sleep; until then removed ones wait in signal_garbage.
 */
#include "internal.h"
#include <kernel/mem/slab.h>

void signal_pending_init(struct signal_pending *s)
{
	s->set = 0;
	list_init(&s->queue);
}

struct signal_entry *signal_entry_create(struct process *p, int signo, const struct signal_info *info)
{
	if (__atomic_add_fetch(&p->queued_signals, 1, __ATOMIC_RELAXED) > p->rlimits[RLIMIT_SIGPENDING][0] &&
	    signo >= SIGRTMIN)
		goto fail;
	struct signal_entry *e = kmalloc(sizeof(*e));
	if (e == nullptr)
		goto fail;
	list_init(&e->link);
	if (info != nullptr)
		e->info = *info;
	else
		e->info = (struct signal_info){.code = SI_KERNEL};
	e->info.signo = signo;
	return e;
fail:
	__atomic_sub_fetch(&p->queued_signals, 1, __ATOMIC_RELAXED);
	return nullptr;
}

void signal_entry_discard(struct process *p, struct signal_entry *e)
{
	if (e == nullptr)
		return;
	__atomic_sub_fetch(&p->queued_signals, 1, __ATOMIC_RELAXED);
	kfree(e);
}

/* Takes over e (nullptr: a bare bit). */
void signal_queue(struct process *p, struct signal_pending *to, int signo, struct signal_entry *e)
{
	if (signo < SIGRTMIN && (to->set & SIGNAL_BIT(signo))) {
		if (e != nullptr && e->timer == nullptr)
			list_push_back(&p->signal_garbage, &e->link);
		return;
	}
	to->set |= SIGNAL_BIT(signo);
	if (e != nullptr) {
		e->queued = true;
		list_push_back(&to->queue, &e->link);
	}
}

static void remove_entry(struct process *p, struct signal_entry *e) REQUIRES(p -> signal_lock)
{
	list_remove(&e->link);
	e->queued = false;
	if (e->timer == nullptr)
		list_push_back(&p->signal_garbage, &e->link);
}

void signal_flush(struct process *p, struct signal_pending *s, uint64_t set)
{
	struct signal_entry *e, *tmp;

	if ((s->set & set) == 0)
		return;
	s->set &= ~set;
	list_for_each_safe(e, tmp, &s->queue, link) {
		if (SIGNAL_BIT(e->info.signo) & set)
			remove_entry(p, e);
	}
}

void signal_unlock(struct process *p)
{
	struct list garbage = LIST_INIT(garbage);
	struct signal_entry *e, *tmp;

	if (!list_empty(&p->signal_garbage)) {
		garbage.next = p->signal_garbage.next;
		garbage.prev = p->signal_garbage.prev;
		garbage.next->prev = &garbage;
		garbage.prev->next = &garbage;
		list_init(&p->signal_garbage);
	}
	spin_unlock(&p->signal_lock);
	list_for_each_safe(e, tmp, &garbage, link)
		signal_entry_discard(p, e);
}

static void collect(struct process *p, struct signal_pending *s, int signo, struct signal_info *info)
	REQUIRES(p -> signal_lock)
{
	struct signal_entry *e, *found = nullptr;
	bool more = false;

	list_for_each(e, &s->queue, link) {
		if (e->info.signo != signo)
			continue;
		if (found != nullptr) {
			more = true;
			break;
		}
		found = e;
	}
	if (!more)
		s->set &= ~SIGNAL_BIT(signo);
	if (found == nullptr) {
		*info = (struct signal_info){.signo = signo, .code = SI_USER};
		return;
	}
	*info = found->info;
	remove_entry(p, found);
}

/* Faults first, so that their context is the faulting instruction's; then by number. */
static int next_signal(uint64_t set)
{
	if (set & SIGNALS_SYNCHRONOUS)
		set &= SIGNALS_SYNCHRONOUS;
	return set == 0 ? 0 : __builtin_ctzll(set) + 1;
}

int signal_dequeue(struct process *p, uint64_t excluded, struct signal_info *info)
{
	struct signal_pending *own = &process_thread_current()->pending;
	int signo = next_signal(own->set & ~excluded);

	if (signo != 0) {
		collect(p, own, signo, info);
		return signo;
	}
	signo = next_signal(p->pending.set & ~excluded);
	if (signo != 0)
		collect(p, &p->pending, signo, info);
	return signo;
}

static bool has_other(struct signal_pending *s, int signo)
{
	struct signal_entry *e;

	list_for_each(e, &s->queue, link) {
		if (e->info.signo == signo)
			return true;
	}
	return false;
}

void signal_entry_cancel(struct process *p, struct signal_entry *e)
{
	struct thread *t;

	spin_lock(&p->signal_lock);
	if (e->queued) {
		remove_entry(p, e);
		/* The entry does not say in whose queue it was: recompute the bit where no other
		 * entry backs it. */
		int signo = e->info.signo;
		if (!has_other(&p->pending, signo))
			p->pending.set &= ~SIGNAL_BIT(signo);
		for_each_thread(t, p) {
			struct signal_pending *s = &process_thread_of(t)->pending;
			if (!has_other(s, signo))
				s->set &= ~SIGNAL_BIT(signo);
		}
	}
	signal_unlock(p);
}
