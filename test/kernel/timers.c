/* SPDX-License-Identifier: MIT */
/* One-shot timers and the clocks. */
#include "ktest.h"

#include <kernel/base/clock.h>
#include <kernel/thread/timer.h>
#include <lib/annotate.h>

enum { TIMERS = 5 };
static struct test_timer {
	struct timer timer;
	uint64_t order, fired_at;
} timers[TIMERS];
static uint32_t fired;

static uint32_t load(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void expire(struct timer *t)
{
	struct test_timer *own = container_of(t, struct test_timer, timer);

	own->fired_at = ktest_now();
	own->order = __atomic_fetch_add(&fired, 1, __ATOMIC_SEQ_CST);
}

static void reset(void)
{
	__atomic_store_n(&fired, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < TIMERS; i++)
		timer_init(&timers[i].timer, expire);
}

static bool ordered(void)
{
	static const uint8_t place[TIMERS] = {2, 4, 0, 3, 1};
	uint64_t start = ktest_now() + 20 * MS;
	bool good = true;

	reset();
	for (int i = 0; i < TIMERS; i++)
		timer_arm(&timers[i].timer, start + place[i] * MS);
	EXPECT(WAIT_UNTIL(load(&fired) == TIMERS));
	for (int i = 0; i < TIMERS; i++) {
		good = good && timers[i].order == place[i];
		EXPECT(timers[i].fired_at >= start + place[i] * MS);
		EXPECT(!timer_cancel(&timers[i].timer));
	}
	return good;
}

static void fire_in_order(void)
{
	EVENTUALLY(ordered());
}

static void cancel(void)
{
	reset();
	timer_arm(&timers[0].timer, ktest_now() + 2 * WAIT_NS);
	EXPECT(timer_cancel(&timers[0].timer));
	EXPECT(!timer_cancel(&timers[0].timer));
	sleep_ns(2 * MS);
	timer_arm(&timers[0].timer, ktest_now() + 2 * WAIT_NS);
	EXPECT(timer_cancel(&timers[0].timer));
	EXPECT(!timer_cancel(&timers[0].timer));
	EXPECT_EQ(load(&fired), 0);
}

static void arm_again(void)
{
	uint64_t start = ktest_now();

	reset();
	/* So far away that it is not reached here. */
	timer_arm(&timers[0].timer, start + 2 * WAIT_NS);
	timer_arm(&timers[0].timer, start + 3 * MS);
	EXPECT(WAIT_UNTIL(load(&fired) == 1));
	timer_arm(&timers[0].timer, ktest_now());
	EXPECT(WAIT_UNTIL(load(&fired) == 2));
}

/* Seen from every CPU in turn, the clock only goes forward. */
static void clock_is_monotonic(void)
{
	uint64_t last = clock_monotonic_ns();

	for (int round = 0; round < 3; round++)
		for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++) {
			run_on(cpu);
			for (int i = 0; i < 1000; i++) {
				uint64_t now = clock_monotonic_ns();

				EXPECT(now >= last);
				last = now;
			}
		}
}

static void real_time_can_be_set(void)
{
	int64_t was = clock_realtime_ns(), there = 1'700'000'000'000'000'000;
	uint64_t mono = clock_monotonic_ns();

	clock_set_realtime_ns(there);
	int64_t since = clock_realtime_ns() - there;
	EXPECT(since >= 0 && since <= (int64_t)(clock_monotonic_ns() - mono));
	clock_set_realtime_ns(was + (int64_t)(clock_monotonic_ns() - mono));
	EXPECT(clock_monotonic_ns() >= mono);
}

KTEST_SUITE(timers, KTEST("timers fire in order, never early", fire_in_order),
	    KTEST("a cancelled timer does not fire", cancel), KTEST("arming again moves a timer", arm_again),
	    KTEST("the clock goes forward on every CPU", clock_is_monotonic),
	    KTEST("real time can be set, monotonic time not", real_time_can_be_set));
