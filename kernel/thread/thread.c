/* SPDX-License-Identifier: MIT */
/*
 * Kernel threads (kernel/thread/thread.h): making them, ending and reaping.
 *
 * A thread's page and record stay the nucleus's after thread_exit() until it sets `exited`; the
 * reaper then frees them. Kernel threads are listed at their component, so that it can be stopped.
 * threads_lock guards these lists and the list of the dead.
 */
#include "core.h"
#include "service.h"
#include "stack.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fail.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <nucleus/calls.h>

DEFINE_COMPONENT(
	core, .stage = STAGE_CORE,
	.users =
		"timers fire, dead threads are freed and the log is printed a pause later; a call that faulted in it is EFAULT or ends its process");

constexpr uint32_t OVER_CALLS_MAX = 3;
constexpr uint64_t REAP_RETRY_FIRST_NS = 1'000'000;
constexpr uint64_t REAP_RETRY_LAST_NS = 64'000'000;

/* Steps of thread_exit, which is where a thread that faults on its way out goes on. */
enum exit_step : uint32_t { EXIT_NOT, EXIT_LOCKS, EXIT_LIST, EXIT_LIST_AGAIN, EXIT_LISTED, EXIT_LEAVE };

static struct spinlock threads_lock = SPINLOCK_INIT(RANK_NONE);
static struct list dead GUARDED_BY(&threads_lock) = LIST_INIT(dead);
static struct thread *reaping; /* the reaper's: off the list, not yet freed */

static void reap(void);
static void mend_reaper(void);
static struct service reaper = {.name = "reaper", .component = &component_core, .loop = reap, .mend = mend_reaper};

/* gates.S: where a thread of a process begins: it goes on in its process as its record says. */
[[noreturn]] void gate_resume(void);

static void set_name(struct thread *t, const char *name)
{
	uint64_t words[2] = {};

	strlcpy(t->name, name, sizeof(t->name));
	memcpy(words, t->name, strlen(t->name));
	(void)nucleus_thread_set_name(thread_page_of(t)->handle, words[0], words[1], t->tid);
}

struct thread *thread_boot;

void thread_init_boot(void)
{
	static struct thread_kept kept;
	struct thread *t = thread_boot = thread_current();

	list_init(&kept.waits);
	t->kept = &kept;
	t->component = &component_core;
	list_init(&t->process_link);
	list_init(&t->component_link);
	strlcpy(t->name, "boot", sizeof(t->name));
}

static void list_at_component(struct thread *t)
{
	spin_lock(&threads_lock);
	list_push_back(&t->component->threads, &t->component_link);
	t->component->thread_count++;
	spin_unlock(&threads_lock);
}

void thread_relist(struct thread *t)
{
	spin_lock(&threads_lock);
	thread_relink(&t->component->threads, &t->component_link);
	if (list_empty(&t->component_link)) {
		thread_relink(&dead, &t->component_link);
		/* Its end had come so far. */
		if (!list_empty(&t->component_link))
			t->exit_step = EXIT_LISTED;
	}
	spin_unlock(&threads_lock);
}

/* Where every thread begins. One of a process has an entry of its own only if it came to nothing. */
[[noreturn]] static void thread_main(void)
{
	struct thread *t = thread_current();

	if (t->entry == nullptr)
		gate_resume();
	t->entry(t->arg);
	thread_exit();
}

int thread_create(const char *name, struct component *c, uint32_t space, void (*entry)(void *), void *arg,
		  struct thread **out)
{
	struct thread_page *page = page_alloc_kernel(0);
	struct kernel_stack stack;
	int error = -ENOMEM;

	if (page == nullptr)
		return error;
	memset(page, 0, PAGE_SIZE);
	error = stack_alloc(&stack);
	if (error < 0)
		goto free_page;
	struct thread *t = (struct thread *)page->lowered;
	page->self = page;
	t->seal = t->last_seal = THREAD_SEAL;
	t->component = c;
	t->stack = (void *)stack.base;
	t->entry = entry;
	t->arg = arg;
	list_init(&t->process_link);
	list_init(&t->component_link);
	t->kept = stack.kept;
	*t->kept = (struct thread_kept){.waits = LIST_INIT(t->kept->waits)};
	thread_note(t);
	long handle;
	if (fail_injected()) {
		error = -ENOMEM;
		goto free_stack;
	}
	do {
		handle = nucleus_thread_create(page_window_pfn(page), (uint64_t)thread_main, (uint64_t)stack.kept,
					       space, c->id);
	} while (handle == -ENOMEM && page_relieve_nucleus());
	if (handle < 0) {
		error = (int)handle;
		goto free_stack;
	}
	set_name(t, name);
	if (entry != nullptr)
		list_at_component(t);
	*out = t;
	return 0;
free_stack:
	stack_free((void *)stack.base);
free_page:
	page_free_kernel(page, 0);
	return error;
}

int kthread_start(struct component *c, const char *name, void (*entry)(void *), void *arg, struct thread **out)
{
	struct thread *t;
	int error = thread_create(name, c, 0, entry, arg, &t);

	if (error < 0)
		return error;
	if (out != nullptr)
		*out = t;
	thread_start(t);
	return 0;
}

int kthread_start_told(struct component *c, const char *name, void (*entry)(void *), void (*over)(void *), void *arg)
{
	struct thread *t;
	int error = thread_create(name, c, 0, entry, arg, &t);

	if (error < 0)
		return error;
	t->over = over;
	thread_start(t);
	return 0;
}

void thread_told(void)
{
	thread_current()->over = nullptr;
}

/* Comes here again if it faults. */
static void tell(struct thread *t)
{
	while (t->over != nullptr && t->over_calls < OVER_CALLS_MAX) {
		t->over_calls++;
		t->over(t->arg);
		t->over = nullptr;
	}
}

void thread_start(struct thread *t)
{
	thread_unpark(t);
}

/* From the component's list to that of the dead. */
static void list_as_dead(struct thread *t)
{
	spin_lock(&threads_lock);
	FAULT_POINT(thread_exit);
	if (!list_empty(&t->component_link)) {
		list_remove(&t->component_link);
		t->component->thread_count--;
	}
	list_push_back(&dead, &t->component_link);
	t->exit_step = EXIT_LISTED;
	spin_unlock(&threads_lock);
}

void thread_exit(void)
{
	struct thread *t = thread_current();

	guards_forget(t);
	t->service = nullptr;
	thread_note(t);
	if (t->exit_step < EXIT_LOCKS) {
		t->exit_step = EXIT_LOCKS;
		locks_release_beyond(0);
	}
	tell(t);
	while (t->exit_step < EXIT_LIST_AGAIN) {
		t->exit_step++;
		list_as_dead(t);
	}
	if (t->exit_step < EXIT_LISTED)
		log_error("thread: %s cannot be given to the reaper: its page and stack are lost", t->name);
	if (t->exit_step < EXIT_LEAVE) {
		t->exit_step = EXIT_LEAVE;
		FAULT_POINT(thread_listed);
		service_wake(&reaper);
	}
	(void)nucleus_thread_exit((uint64_t)&t->exited);
	kernel_bug(__FILE_NAME__, __LINE__, "an ended thread runs");
}

bool thread_should_stop(void)
{
	return __atomic_load_n(&thread_current()->component->stopping, __ATOMIC_RELAXED);
}

void thread_wake_component(struct component *c)
{
	struct thread *t;

	spin_lock(&threads_lock);
	for (t = nullptr; (t = thread_behind(&c->threads, t, offsetof(struct thread, component_link))) != nullptr;)
		thread_unpark(t);
	spin_unlock(&threads_lock);
}

/* Ends with nothing left of `reaping`; may be called again after a fault in it. What a stack or page is that faulted
 * while it was freed nobody knows: it is not freed again. */
static void free_reaped(void)
{
	struct thread *t = reaping;

	/* The boot thread's page and stack are part of what the nucleus set up. */
	if (t->stack != nullptr && !t->stack_freed) {
		FAULT_POINT(reaper_stack);
		t->stack_freed = true;
		stack_free(t->stack);
	}
	FAULT_POINT(reaper_page);
	reaping = nullptr;
	if (t->stack != nullptr)
		page_free_kernel(thread_page_of(t), 0);
}

static void mend_reaper(void)
{
	if (reaping != nullptr)
		free_reaped();
}

/* One dead thread that the nucleus has let go of, or nullptr; *left: others are still to come. One whose page was
 * overwritten after its end does not come: what it had is lost. */
static struct thread *take_dead(bool *left)
{
	struct thread *found = nullptr, *t;

	*left = false;
	spin_lock(&threads_lock);
	for (t = nullptr; (t = thread_behind(&dead, t, offsetof(struct thread, component_link))) != nullptr;) {
		/* Acquire: the nucleus's last write to the page came before. */
		if (__atomic_load_n(&t->exited, __ATOMIC_ACQUIRE) != 0) {
			found = t;
			break;
		}
		*left = true;
	}
	FAULT_POINT(reaper_take);
	if (found != nullptr) {
		list_remove(&found->component_link);
		reaping = found;
	}
	spin_unlock(&threads_lock);
	return found;
}

static void reap(void)
{
	uint64_t retry_ns = REAP_RETRY_FIRST_NS;
	bool left;

	for (;;) {
		struct thread *t = take_dead(&left);

		if (t != nullptr) {
			free_reaped();
			retry_ns = REAP_RETRY_FIRST_NS;
		} else if (left) {
			/* It is on its way out of its CPU; the nucleus does not say when it is
			 * through. */
			if (service_park(clock_monotonic_ns() + retry_ns))
				return;
			retry_ns = retry_ns < REAP_RETRY_LAST_NS ? retry_ns * 2 : REAP_RETRY_LAST_NS;
		} else {
			if (service_park(0))
				return;
			retry_ns = REAP_RETRY_FIRST_NS;
		}
	}
}

void thread_init(void)
{
	if (service_start(&reaper) < 0)
		kernel_bug(__FILE_NAME__, __LINE__, "no memory for the first thread");
}
