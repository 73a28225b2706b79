/* SPDX-License-Identifier: MIT */
/*
 * Clocks (kernel/base/clock.h). The monotonic clock is computed from the machine's counter and the
 * parameters in the nucleus's time page, which is a seqlock: the nucleus writes it, everyone may
 * read it. The real-time clock is a line over the monotonic one (kernel/base/vdso.h), a seqlock too; its writers take a
 * spinlock. Reading takes no lock and no nucleus call, in any context.
 */
#include "core.h"

#include <arch/counter.h>
#include <kernel/base/clock.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/vdso.h>
#include <nucleus/layout.h>

static const struct time_page *time_page;
static struct spinlock date_lock = SPINLOCK_INIT(RANK_NONE);
static struct vdso_data date;
static void (*publisher)(const struct vdso_clock *c) GUARDED_BY(&date_lock);

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

/* The rate never changes after boot (nucleus/time/clock.c). */
uint64_t clock_ticks_ns(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * time_page->mult) >> time_page->shift);
}

int64_t clock_realtime_ns(void)
{
	struct vdso_clock c = vdso_clock_read(&date);

	return vdso_date_at(&c, clock_monotonic_ns());
}

static void publish(const struct vdso_clock *c) REQUIRES(date_lock)
{
	vdso_clock_write(&date, c);
	if (publisher != nullptr)
		publisher(c);
}

void clock_set_publisher(void (*write)(const struct vdso_clock *c))
{
	spin_lock(&date_lock);
	publisher = write;
	publisher(&date.clock);
	spin_unlock(&date_lock);
}

/* The line begins anew here and now. */
static struct vdso_clock begin_anew(void) REQUIRES(date_lock)
{
	struct vdso_clock c = date.clock;
	uint64_t now = clock_monotonic_ns();

	c.date_ns = vdso_date_at(&c, now);
	c.from_ns = now;
	return c;
}

void clock_set_realtime_ns(int64_t now)
{
	spin_lock(&date_lock);
	struct vdso_clock c = begin_anew();
	c.date_ns = now;
	publish(&c);
	spin_unlock(&date_lock);
}

void clock_step_realtime(int64_t by_ns)
{
	spin_lock(&date_lock);
	struct vdso_clock c = begin_anew();
	c.date_ns += by_ns;
	publish(&c);
	spin_unlock(&date_lock);
}

void clock_set_rate(int64_t rate)
{
	spin_lock(&date_lock);
	struct vdso_clock c = begin_anew();
	c.rate = rate;
	publish(&c);
	spin_unlock(&date_lock);
}

void clock_set_tai(int32_t seconds)
{
	spin_lock(&date_lock);
	struct vdso_clock c = date.clock;
	c.tai_s = seconds;
	publish(&c);
	spin_unlock(&date_lock);
}

int32_t clock_tai_seconds(void)
{
	return vdso_clock_read(&date).tai_s;
}

void clock_set_zone(int32_t minutes_west, int32_t dst_time)
{
	spin_lock(&date_lock);
	struct vdso_clock c = date.clock;
	c.minutes_west = minutes_west;
	c.dst_time = dst_time;
	publish(&c);
	spin_unlock(&date_lock);
}

void clock_zone(int32_t *minutes_west, int32_t *dst_time)
{
	struct vdso_clock c = vdso_clock_read(&date);

	*minutes_west = c.minutes_west;
	*dst_time = c.dst_time;
}

int64_t clock_monotonic_at(int64_t date_ns)
{
	struct vdso_clock c = vdso_clock_read(&date);
	int64_t passed = date_ns - c.date_ns;

	/* 1 / (1 + r) is 1 - r and a little more: too early, never too late. */
	return (int64_t)c.from_ns + passed - (int64_t)((__int128)passed * c.rate >> VDSO_RATE_SHIFT);
}
