/* SPDX-License-Identifier: MIT */
/*
 * Guards and the landing of contained faults (kernel/thread/guard.h).
 *
 * The nucleus keeps a record of a lowered fault and lets the thread go on in kernel_fault_landing, with the
 * call area of its page as stack (so nothing there may make a nucleus call that fills the call
 * area): the frames below the guard are dead, those above it untouched. Locks taken since the guard
 * are released, newest first, wait queues are left (waiters are on the dead stack). From there on it is on the
 * dead part of the thread's own stack, where the record is rendered (report.c) before anything else, and the guard
 * yields -EFAULT. Without a guard the process code decides what becomes of the process (signal_deliver.c), a service
 * begins anew (service.h), another kernel thread ends alone. So does one that does nothing but fault. Data that the
 * section was changing may be half done: that is the component's to repair in its stop and start.
 */
#include "core.h"
#include "kernel/base/log_read.h"
#include "report_text.h"
#include "service.h"

#include <arch/guard.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/thread/guard.h>
#include <nucleus/calls.h>

void kernel_fault_landing(uint32_t cause, uint64_t code, uint64_t address, uint64_t pc);

static const struct fault_hooks *hooks; /* before there is a process */

void guard_set_hooks(const struct fault_hooks *h)
{
	hooks = h;
}

long guard_call(struct component *c, long (*fn)(void *arg), void *arg)
{
	return guard_run(c, fn(arg));
}

static bool is_component(const struct component *c)
{
	const struct component *one;

	for_each_component(one) {
		if (one == c)
			return true;
	}
	return false;
}

/* What leads from one to the next may be smashed, where a fault does that. */
void guards_forget(struct thread *t)
{
	const struct guard *g = t->guards;

	t->guards = nullptr;
	for (; g != nullptr && thread_holds(t, g) && is_component(g->component); g = g->outer) {
		if (g->component->resettable)
			component_leave(g->component);
		if (g->outer <= g)
			return;
	}
}

static void restore_preemption(uint32_t count)
{
	struct thread_page *page = thread_page_current();

	page->preempt_count = count;
	if (count == 0 && page->resched != 0)
		preempt_yield();
}

/* The second half of a landing, on the part of the thread's stack that is dead: the call area is free again. */
[[noreturn]] static void land(void)
{
	struct thread *t = thread_current();
	struct guard *g = t->guards;

	(void)report_render(false);
	if (g != nullptr) {
		component_failed(g->component);
		log_flush();
		/* The guard is off the list before it is used: a fault on the way out must not come
		 * back here. */
		(void)guard_pop(g, 0);
		guard_leave(g->context);
	}
	component_failed(t->component);
	if (t->process != nullptr)
		call_on_stack(thread_page_current()->kernel_stack, hooks->leave);
	if (t->service != nullptr)
		call_on_stack(thread_page_current()->kernel_stack, service_again);
	if (t->exit_step == 0)
		log_error("core: kernel thread %s of %s ends after a fault", t->name, t->component->name);
	thread_exit();
}

void kernel_fault_landing(uint32_t cause, uint64_t, uint64_t, uint64_t)
{
	struct thread *t = thread_current();

	bool lost = !thread_is_whole(t);
	if (lost)
		thread_make_whole(t);
	struct guard *g = t->guards;
	/* Guards help against a fault, not against nothing but faults: such a thread ends. On its way out they count
	 * again. */
	if (cause == EVENT_STORM && !t->storm) {
		t->storm = true;
		guards_forget(t);
		g = nullptr;
	}

	locks_release_beyond(g != nullptr ? g->held_count : 0);
	waits_release_beyond(g != nullptr ? g->wait_count : 0);
	restore_preemption(g != nullptr ? g->preempt_count : 0);
	if (lost) {
		log_error("core: the page of a thread of %s was overwritten; the thread ends", t->component->name);
		thread_relist(t);
	}
	if (g == nullptr && t->process != nullptr)
		hooks->landed();
	/* The call area is a small stack, and is wanted for calls; nothing below the guard is needed any more. */
	call_on_stack(g != nullptr ? g->context[GUARD_STACK] : thread_page_current()->kernel_stack, land);
}
