/* SPDX-License-Identifier: MIT */
/* What many cases need: threads in a place, provoked faults, frames. */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/mem/page.h>
#include <kernel/thread/guard.h>

uint64_t ktest_now(void)
{
	return clock_monotonic_ns();
}

void sleep_ns(uint64_t ns)
{
	uint64_t end = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < end)
		thread_park(end);
}

struct thread *start_thread(void (*entry)(void *), void *arg, int cpu)
{
	struct thread *t;

	if (!EXPECT_EQ(thread_create("ktest-helper", &component_ktest, 0, entry, arg, &t), 0))
		return nullptr;
	if (cpu >= 0)
		EXPECT_EQ(nucleus_thread_set_affinity(handle_of(t), 1ull << cpu), 0);
	thread_start(t);
	return t;
}

bool is_parked(uint32_t handle)
{
	const struct thread_times *t = (const struct thread_times *)call_area();

	return nucleus_thread_get_times(handle) == 0 && !t->running && t->left > 0;
}

void run_on(uint32_t cpu)
{
	EXPECT_EQ(nucleus_thread_set_affinity(own_handle(), 1ull << cpu), 0);
	uint64_t end = ktest_now() + WAIT_NS;

	while (((volatile struct thread_page *)thread_page_current())->cpu != cpu && ktest_now() < end)
		(void)nucleus_yield();
	EXPECT_EQ(((volatile struct thread_page *)thread_page_current())->cpu, cpu);
}

struct probe {
	enum access access;
	uint64_t address;
};

static long probe(void *arg)
{
	const struct probe *p = arg;

	switch (p->access) {
	case ACCESS_READ: (void)*(volatile uint8_t *)p->address; break;
	/* Changes nothing where it is let through. */
	case ACCESS_WRITE: __atomic_fetch_or((volatile uint8_t *)p->address, 0, __ATOMIC_SEQ_CST); break;
	case ACCESS_EXECUTE: ((void (*)(void))p->address)(); break;
	}
	return 0;
}

long guarded(long (*fn)(void *), void *arg)
{
	/* A thread that does nothing but fault is stopped; one that parks, however briefly, does something else. */
	(void)thread_park(1);
	return guard_call(&component_ktest, fn, arg);
}

bool faults(enum access access, uint64_t address)
{
	struct probe p = {access, address};

	return guarded(probe, &p) == -EFAULT;
}

uint64_t user_frame(void)
{
	struct page *page = page_alloc_user(true);

	return EXPECT(page != nullptr) ? page_pfn(page) : 0;
}

uint64_t kernel_frame(void)
{
	void *p = page_alloc_kernel(0);

	return EXPECT(p != nullptr) ? page_window_pfn(p) : 0;
}

void give_user_frame(uint64_t pfn)
{
	if (pfn)
		page_put(page_of(pfn));
}

void give_kernel_frame(uint64_t pfn)
{
	if (pfn)
		page_free_kernel(page_window(pfn), 0);
}

uint64_t find_frame(enum frame_type type)
{
	for (uint64_t pfn = boot_info()->frame_count; pfn-- > 0;)
		if (type_of(pfn) == type)
			return pfn;
	return UINT64_MAX;
}
