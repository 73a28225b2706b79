/* SPDX-License-Identifier: MIT */
/* Sleeping and waking: the permit, deadlines, kicks; no wake-up is lost. */
#include "ktest.h"

#include <abi/errno.h>
#include <lib/string.h>

static uint32_t load(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
static void store(uint32_t *at, uint32_t v)
{
	__atomic_store_n(at, v, __ATOMIC_SEQ_CST);
}

/* Empties the caller's permit. */
static void drop_permit(void)
{
	(void)nucleus_park(1, 0);
}

static void permit_is_sticky(void)
{
	drop_permit();
	EXPECT_EQ(nucleus_park(1, 0), -ETIMEDOUT);
	EXPECT_EQ(nucleus_unpark(own_handle()), 0);
	EXPECT_EQ(nucleus_park(0, 0), 0);
	/* It is one, however often it is given, and it counts before an expired deadline. */
	EXPECT_EQ(nucleus_unpark(own_handle()), 0);
	EXPECT_EQ(nucleus_unpark(own_handle()), 0);
	EXPECT_EQ(nucleus_park(1, 0), 0);
	EXPECT_EQ(nucleus_park(ktest_now() + MS, 0), -ETIMEDOUT);
}

static void deadlines_are_not_early(void)
{
	drop_permit();
	for (int i = 0; i < 20; i++) {
		uint64_t deadline = ktest_now() + (uint64_t)i * MS / 4;

		EXPECT_EQ(nucleus_park(deadline, 0), -ETIMEDOUT);
		EXPECT(ktest_now() >= deadline);
	}
}

/* --- order of deadlines --- */

enum { SLEEPERS = 6 };
static struct sleeper {
	uint64_t deadline;
	uint32_t order;
} sleepers[SLEEPERS];
static uint32_t woken;

static void sleeper_thread(void *arg)
{
	struct sleeper *s = arg;

	EXPECT_EQ(nucleus_park(s->deadline, 0), -ETIMEDOUT);
	EXPECT(ktest_now() >= s->deadline);
	s->order = __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
}

static bool wake_in_order(void)
{
	static const uint8_t place[SLEEPERS] = {3, 0, 5, 1, 4, 2};
	uint64_t start = ktest_now() + 50 * MS;
	bool ordered = true;

	store(&woken, 0);
	for (int i = 0; i < SLEEPERS; i++) {
		struct thread *t;

		sleepers[i].deadline = start + place[i] * 5 * MS;
		if (!EXPECT_EQ(thread_create("sleeper", &component_ktest, 0, sleeper_thread, &sleepers[i], &t), 0))
			return false;
		/* First come, first served on one CPU: who wakes first runs first. */
		EXPECT_EQ(nucleus_thread_set_affinity(handle_of(t), 1), 0);
		EXPECT_EQ(nucleus_thread_set_priority(handle_of(t), PRIORITY_INTERRUPT), 0);
		thread_start(t);
	}
	EXPECT(WAIT_UNTIL(load(&woken) == SLEEPERS));
	for (int i = 0; i < SLEEPERS; i++)
		ordered = ordered && sleepers[i].order == place[i];
	return ordered;
}

static void deadlines_in_order(void)
{
	run_on(0);
	/* Several that are late share the CPU. */
	EVENTUALLY(wake_in_order());
}

/* --- another thread --- */

static struct {
	uint32_t ready, done, flags;
	long result, second;
	uint64_t deadline;
} other;

static void parking_thread(void *)
{
	store(&other.ready, 1);
	other.result = nucleus_park(other.deadline, other.flags);
	if (other.flags & PARK_INTERRUPTIBLE) {
		/* The mark stays until it is cleared. */
		other.second = nucleus_park(0, PARK_INTERRUPTIBLE);
		(void)nucleus_thread_clear_kick();
		EXPECT_EQ(nucleus_park(ktest_now() + MS, PARK_INTERRUPTIBLE), -ETIMEDOUT);
	}
	store(&other.done, 1);
}

static struct thread *start_parking(uint32_t flags)
{
	store(&other.ready, 0);
	store(&other.done, 0);
	other.flags = flags;
	other.deadline = 0;
	struct thread *t = start_thread(parking_thread, nullptr, -1);

	if (t)
		EXPECT(WAIT_UNTIL(load(&other.ready)) && WAIT_UNTIL(is_parked(handle_of(t))));
	return t;
}

static void unpark_wakes(void)
{
	struct thread *t = start_parking(0);

	EXPECT_EQ(load(&other.done), 0);
	EXPECT_EQ(nucleus_unpark(handle_of(t)), 0);
	EXPECT(WAIT_UNTIL(load(&other.done)));
	EXPECT_EQ(other.result, 0);
}

static void park_when_told(void *)
{
	store(&other.ready, 1);
	while (!load(&other.flags))
		;
	other.result = nucleus_park(ktest_now() + 3000 * MS, 0);
	store(&other.done, 1);
}

static void unpark_of_a_running_thread_is_kept(void)
{
	store(&other.ready, 0);
	store(&other.done, 0);
	store(&other.flags, 0);
	run_on(0);
	struct thread *t = start_thread(park_when_told, nullptr, 1);

	if (!t || !EXPECT(WAIT_UNTIL(load(&other.ready))))
		return;
	EXPECT_EQ(nucleus_unpark(handle_of(t)), 0);
	store(&other.flags, 1);
	EXPECT(WAIT_UNTIL(load(&other.done)));
	EXPECT_EQ(other.result, 0);
}

static void kick_ends_an_interruptible_park(void)
{
	struct thread *t = start_parking(PARK_INTERRUPTIBLE);

	EXPECT_EQ(load(&other.done), 0);
	EXPECT_EQ(nucleus_thread_kick(handle_of(t)), 0);
	EXPECT(WAIT_UNTIL(load(&other.done)));
	EXPECT_EQ(other.result, -EINTR);
	EXPECT_EQ(other.second, -EINTR);
}

static void kick_leaves_another_park_alone(void)
{
	struct thread *t = start_parking(0);

	EXPECT_EQ(nucleus_thread_kick(handle_of(t)), 0);
	sleep_ns(5 * MS);
	EXPECT_EQ(load(&other.done), 0);
	EXPECT_EQ(nucleus_unpark(handle_of(t)), 0);
	EXPECT(WAIT_UNTIL(load(&other.done)));
	EXPECT_EQ(other.result, 0);
}

static void kick_before_start(void)
{
	struct thread *t;

	other.flags = PARK_INTERRUPTIBLE;
	other.deadline = 0;
	store(&other.done, 0);
	if (!EXPECT_EQ(thread_create("kicked", &component_ktest, 0, parking_thread, nullptr, &t), 0))
		return;
	EXPECT_EQ(nucleus_thread_kick(handle_of(t)), 0);
	sleep_ns(2 * MS);
	EXPECT_EQ(load(&other.done), 0);
	thread_start(t);
	EXPECT(WAIT_UNTIL(load(&other.done)));
	EXPECT_EQ(other.result, -EINTR);
}

static uint64_t interrupts_of(uint32_t cpu)
{
	struct account_cpu a = {};

	if (EXPECT_EQ(nucleus_account_read(ACCOUNT_CPU, cpu), 0))
		memcpy(&a, call_area(), sizeof(a));
	return a.irq;
}

/* The greatest deadline is further away than a fast counter gets; taken for the past it would ring at once, again and
 * again, on the CPU that has nothing else to do. */
static void the_last_deadline_is_never(void)
{
	uint32_t there = boot_info()->cpu_count - 1;
	uint64_t first, start;

	run_on(0);
	store(&other.ready, 0);
	store(&other.done, 0);
	other.flags = 0;
	other.deadline = UINT64_MAX;
	struct thread *t = start_thread(parking_thread, nullptr, (int)there);

	if (!t || !EXPECT(WAIT_UNTIL(load(&other.ready))))
		return;
	EXPECT_EQ(nucleus_account_control(1), 0);
	sleep_ns(5 * MS);
	start = ktest_now();
	first = interrupts_of(there);
	/* Not asleep: no deadline of this thread's comes before the last one. */
	while (ktest_now() < start + 100 * MS)
		;
	/* A few there are: log lines, requests of other CPUs. One in a millisecond, however long it took, is no storm.
	 */
	EXPECT(interrupts_of(there) - first <= (ktest_now() - start) / MS);
	EXPECT_EQ(nucleus_account_control(0), 0);
	EXPECT_EQ(load(&other.done), 0);
	EXPECT_EQ(nucleus_unpark(handle_of(t)), 0);
	EXPECT(WAIT_UNTIL(load(&other.done)));
	EXPECT_EQ(other.result, 0);
}

/* --- ping-pong: one lost wake-up and it stands still --- */

enum { ROUNDS = 300 };
static struct {
	struct thread *side[2];
	uint32_t turn, done;
} game;

static void play(uint32_t me)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		while (load(&game.turn) % 2 != me)
			(void)nucleus_park(0, 0);
		__atomic_fetch_add(&game.turn, 1, __ATOMIC_SEQ_CST);
		thread_unpark(game.side[1 - me]);
	}
	__atomic_fetch_add(&game.done, 1, __ATOMIC_SEQ_CST);
}

static void play_second(void *)
{
	play(1);
}

static void no_wakeup_is_lost_on(int cpu)
{
	store(&game.turn, 0);
	store(&game.done, 0);
	game.side[0] = thread_current();
	struct thread *t;

	if (!EXPECT_EQ(thread_create("ping", &component_ktest, 0, play_second, nullptr, &t), 0))
		return;
	game.side[1] = t;
	if (cpu >= 0)
		EXPECT_EQ(nucleus_thread_set_affinity(handle_of(t), 1ull << cpu), 0);
	thread_start(t);
	play(0);
	EXPECT(WAIT_UNTIL(load(&game.done) == 2));
	EXPECT_EQ(load(&game.turn), 2 * ROUNDS);
}

static void no_wakeup_is_lost(void)
{
	run_on(0);
	no_wakeup_is_lost_on(0);
	if (boot_info()->cpu_count > 1)
		no_wakeup_is_lost_on(1);
}

KTEST_SUITE(park, KTEST("the permit is sticky, and one", permit_is_sticky),
	    KTEST("deadlines are never early", deadlines_are_not_early),
	    KTEST("deadlines expire in order", deadlines_in_order), KTEST("unpark wakes", unpark_wakes),
	    KTEST("an unpark of a running thread is kept", unpark_of_a_running_thread_is_kept, .min_cpus = 2),
	    KTEST("a kick ends an interruptible park and stays until cleared", kick_ends_an_interruptible_park),
	    KTEST("a kick does not end another park", kick_leaves_another_park_alone),
	    KTEST("a kick before the start is kept", kick_before_start),
	    KTEST("the last deadline is never", the_last_deadline_is_never, .min_cpus = 2),
	    KTEST("no wake-up is lost", no_wakeup_is_lost));
