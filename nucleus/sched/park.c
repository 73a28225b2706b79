/* SPDX-License-Identifier: MIT */
/* Sleeping and waking as calls, and when a thread may be left for another. Lock: the nucleus lock. */
#include "frame/frames.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "mmu/mmu.h"
#include "report/report.h"
#include "sched/sched.h"
#include "time/clock.h"
#include <abi/errno.h>

/* Preemption may be held back so long, and be found held back so often (a busy host makes time pass in between), before
 * the holder is taken for one that never lets go. */
enum : uint64_t { HOLD_LIMIT_NS = 2000000000, HOLD_LOOKS = 100 };

/* Whether interrupted lowered (or home-privileged) code may be left now: its thread page's count asks for a delay. */
bool sched_preemptible(struct cpu *cpu, bool *overdue)
{
	struct record *r = cpu->current;
	struct thread_page *page = direct_map(r->page_pfn << PAGE_SHIFT);
	uint64_t now;

	if (!page->preempt_count) {
		r->preempt_held_since_ns = 0;
		return true;
	}
	/* Also if nobody waits: the yield that this asks for is what tells one section from the next. */
	page->resched = 1;
	now = clock_ns();
	if (!r->preempt_held_since_ns) {
		r->preempt_held_since_ns = now;
		r->preempt_held_looks = 0;
	} else if (overdue && ++r->preempt_held_looks > HOLD_LOOKS && now - r->preempt_held_since_ns > HOLD_LIMIT_NS) {
		r->preempt_held_since_ns = 0;
		*overdue = true;
	}
	return false;
}

long sched_end_call(long result) NO_THREAD_SAFETY
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	if (!cpu->reschedule || !sched_preemptible(cpu, nullptr)) {
		nucleus_lock_release();
		return result;
	}
	context_set_result(&r->kernel, (uint64_t)result);
	r->in_process = false;
	sched_requeue_current();
	sched_resume();
}

long call_park(uint64_t deadline_ns, uint32_t flags) NO_THREAD_SAFETY
{
	struct record *r = cpu_this()->current;

	NUCLEUS_LOCKED;
	/* Who waits for its turn to render a report is not past its fault. */
	if (!r->reporting)
		r->fault_depth = 0;
	if (r->permit) {
		r->permit = false;
		return 0;
	}
	if ((flags & PARK_INTERRUPTIBLE) && r->kicked)
		return -EINTR;
	if (deadline_ns && deadline_ns <= clock_ns())
		return -ETIMEDOUT;
	r->interruptible = flags & PARK_INTERRUPTIBLE;
	sched_block_current(THREAD_PARKED, deadline_ns);
	sched_resume();
}

long call_unpark(uint32_t handle)
{
	struct record *r;

	nucleus_lock_acquire();
	r = record_from_handle(handle);
	if (r)
		sched_unpark(r);
	return sched_end_call(r ? 0 : -ESRCH);
}
