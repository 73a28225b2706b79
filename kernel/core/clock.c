/* SPDX-License-Identifier: MIT */
/*
 * Clocks (kernel/clock.h). The monotonic clock is computed from the machine's counter and the
 * parameters in the nucleus's time page, which is a seqlock: the nucleus writes it, everyone may
 * read it. The real-time clock is the monotonic one plus an offset. No locks, any context, no
 * nucleus call.
 */
#include "core.h"

#include <arch/counter.h>
#include <kernel/clock.h>
#include <kernel/log.h>
#include <kernel/vdso.h>
#include <nucleus/layout.h>

static const struct time_page *time_page;
static int64_t realtime_offset_ns;

void clock_init(const struct boot_info *boot)
{
	/* The window shows it, read-only. */
	time_page = (const struct time_page *)(WINDOW_BASE + (boot->time_page_pfn << PAGE_SHIFT));
	clock_set_realtime_ns(boot->boot_epoch_seconds * 1'000'000'000 + (int64_t)clock_monotonic_ns());
}

uint64_t clock_monotonic_ns(void)
{
	const struct time_page *p = time_page;
	uint32_t seq;
	uint64_t ns;

	if (p == nullptr)
		return 0;
	do {
		/* Acquire: the parameters are read after seq; the fence keeps them before its
		 * second reading. */
		seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);
		uint64_t passed = counter_read() - p->base;
		ns = p->base_ns + (uint64_t)(((unsigned __int128)passed * p->mult) >> p->shift);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((seq & 1) != 0 || seq != __atomic_load_n(&p->seq, __ATOMIC_RELAXED));
	return ns;
}

int64_t clock_realtime_ns(void)
{
	return (int64_t)clock_monotonic_ns() + __atomic_load_n(&realtime_offset_ns, __ATOMIC_RELAXED);
}

void clock_set_realtime_ns(int64_t now)
{
	int64_t offset = now - (int64_t)clock_monotonic_ns();

	__atomic_store_n(&realtime_offset_ns, offset, __ATOMIC_RELAXED);
	vdso_set_realtime_offset(offset);
}
