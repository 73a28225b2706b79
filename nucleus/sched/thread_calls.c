/* SPDX-License-Identifier: MIT */
/* Nucleus calls that make, end, name and tune threads. Lock: the nucleus lock. */
#include "boot/image.h"
#include "frame/frames.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "irq/irq.h"
#include "mmu/mmu.h"
#include "report/report.h"
#include "sched/sched.h"
#include "time/clock.h"
#include "trap/trap.h"
#include <abi/errno.h>
#include <lib/string.h>

bool thread_page_write(const struct record *r)
{
	struct thread_page *page = direct_map(r->page_pfn << PAGE_SHIFT);
	struct thread_page *self = (struct thread_page *)(WINDOW_BASE + (r->page_pfn << PAGE_SHIFT));
	uint32_t handle = record_handle(r);
	bool right = page->self == self && page->handle == handle && page->kernel_stack == r->stack;

	page->self = self;
	page->handle = handle;
	page->home_elevated = r->home_elevated;
	page->kernel_stack = r->stack;
	return right;
}

long call_thread_create(uint64_t page_pfn, uint64_t entry, uint64_t stack, uint32_t space_handle_, uint32_t component)
{
	struct space *s = nullptr;
	struct record *r;

	if (!image_range_has(image_header()->lowered_text, entry) || (stack & 15) || component >= COMPONENTS_MAX)
		return -EINVAL;
	NUCLEUS_LOCKED;
	if (!frame_valid(page_pfn) || frames[page_pfn].type != FRAME_KERNEL ||
	    (space_handle_ && !(s = space_from_handle(space_handle_))))
		return -EINVAL;
	r = record_create();
	if (!r)
		return -ENOMEM;
	r->page_pfn = page_pfn;
	r->stack = stack;
	r->component = (uint8_t)component;
	r->space = s;
	if (s)
		s->threads++;
	r->home_elevated = privilege_mode == MODE_OFF || (privilege_mode == MODE_DRIVERS && s);
	/* The frame may be neither retyped nor given back while the nucleus writes to it. */
	frames[page_pfn].mappings++;
	(void)thread_page_write(r);
	r->page_cpu = UINT32_MAX;
	arch_thread_init(r);
	arch_set_upcall(r, entry, stack, WINDOW_BASE + (page_pfn << PAGE_SHIFT), 0, 0, 0);
	return record_handle(r);
}

void sched_end_current(void)
{
	struct record *r = cpu_this()->current;

	sched_block_current(THREAD_DEAD, 0);
	if (r->space)
		r->space->threads--;
	r->space = nullptr;
	for (uint32_t i = 0; i < cpu_count; i++)
		if (cpu_by_id(i)->fpu_owner == r)
			cpu_by_id(i)->fpu_owner = nullptr;
	irq_forget_thread(r);
	(void)report_give_up(r);
}

long call_thread_exit(uint64_t done) NO_THREAD_SAFETY
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;
	uint64_t pfn = (done - WINDOW_BASE) >> PAGE_SHIFT;

	NUCLEUS_LOCKED;
	if (done && ((done & 3) || done < WINDOW_BASE || !frame_valid(pfn) || frames[pfn].type != FRAME_KERNEL))
		return -EINVAL;
	sched_end_current();
	frames[r->page_pfn].mappings--;
	record_free(r);
	/* From here on the page and the stack are the lowered kernel's again. */
	if (done)
		__atomic_store_n((uint32_t *)direct_map(done - WINDOW_BASE), 1, __ATOMIC_RELEASE);
	sched_resume();
}

/* Runs body with r = the record of `handle`, under the lock. */
#define WITH_RECORD(handle, ...)                                                                                       \
	({                                                                                                             \
		long result_ = 0;                                                                                      \
		nucleus_lock_acquire();                                                                                \
		struct record *r = record_from_handle(handle);                                                         \
		if (r)                                                                                                 \
			__VA_ARGS__ else                                                                               \
			{                                                                                              \
				result_ = -ESRCH;                                                                      \
			}                                                                                              \
		sched_end_call(result_);                                                                               \
	})

long call_thread_kick(uint32_t handle)
{
	return WITH_RECORD(handle, {
		/* Once marked it has been told; more would only keep it from going on. */
		bool told = r->kicked;

		r->kicked = true;
		if (r->state == THREAD_PARKED && r->interruptible && r->started)
			sched_wake(r, -EINTR);
		else if (r->state == THREAD_RUNNING && !told) {
			__atomic_or_fetch(&r->cpu->exit_work, WORK_KICK, __ATOMIC_RELAXED);
			if (r->cpu != cpu_this())
				arch_interrupt_send(r->cpu, INTERRUPT_RESCHEDULE);
		}
	});
}

long call_thread_clear_kick(void)
{
	struct cpu *cpu = cpu_this();

	NUCLEUS_LOCKED;
	cpu->current->kicked = false;
	__atomic_and_fetch(&cpu->exit_work, ~WORK_KICK, __ATOMIC_RELAXED);
	return 0;
}

long call_thread_set_name(uint32_t handle, uint64_t low, uint64_t high, uint32_t id)
{
	return WITH_RECORD(handle, {
		record_name(r->name, low, high);
		r->id = id;
	});
}

long call_thread_set_priority(uint32_t handle, int32_t priority)
{
	if (priority != PRIORITY_INTERRUPT && (priority < -20 || priority > 19))
		return -EINVAL;
	return WITH_RECORD(handle, {
		/* A queued thread stays where it is queued until it runs: its class must not change under the queue. */
		if (r->state == THREAD_READY && (priority == PRIORITY_INTERRUPT) != r->interrupt_thread)
			result_ = -EBUSY;
		else if (priority == PRIORITY_INTERRUPT)
			r->interrupt_thread = true;
		else {
			r->interrupt_thread = false;
			r->fair.pace = fair_pace(priority);
		}
	});
}

long call_thread_set_affinity(uint32_t handle, uint64_t mask)
{
	uint64_t online = cpu_count == 64 ? UINT64_MAX : (1ull << cpu_count) - 1;

	if (!(mask & online))
		return -EINVAL;
	return WITH_RECORD(handle, { sched_set_affinity(r, mask); });
}

long call_thread_get_times(uint32_t handle)
{
	struct thread_times *t = (struct thread_times *)current_thread_page()->call;

	return WITH_RECORD(handle, {
		if (r->state == THREAD_DEAD)
			result_ = -ESRCH;
		if (r == cpu_this()->current)
			sched_account(r, false);
		*t = (struct thread_times){.user_ns = r->user_ns,
					   .kernel_ns = r->kernel_ns,
					   .start_ns = r->start_ns,
					   .cpu = r->cpu ? r->cpu->id : 0,
					   .left = r->left,
					   .preempted = r->preempted,
					   .running = r->state == THREAD_RUNNING || r->state == THREAD_READY};
	});
}
