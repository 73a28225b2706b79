/* SPDX-License-Identifier: MIT */
/* The rule of fair sharing in the running kernel (doc/scheduling.md; lib/fair_test.c tests the rule itself): who wakes
 * goes first at once, and CPUs that are all busy share by weight. */
#include "ktest.h"

#include <abi/errno.h>
#include <lib/types.h>

enum { RUNNERS = 4 };
static struct {
	uint32_t stop, over, woken, parked;
	uint32_t seen[RUNNERS]; /* a bit for each CPU that the thread was on */
} state;
/* The first and the last CPU; one machine may have more than the two that take part. */
static uint64_t last_cpu;

static uint32_t load(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
static void store(uint32_t *at, uint32_t v)
{
	__atomic_store_n(at, v, __ATOMIC_SEQ_CST);
}

static void reset(void)
{
	store(&state.stop, 0);
	store(&state.over, 0);
	store(&state.woken, 0);
	store(&state.parked, 0);
	for (int i = 0; i < RUNNERS; i++)
		store(&state.seen[i], 0);
	last_cpu = boot_info()->cpu_count - 1;
}

static void spin_ns(uint64_t ns)
{
	for (uint64_t end = ktest_now() + ns; ktest_now() < end;)
		;
}

/* --- waking --- */

/* Parks again whenever it is woken. */
static void sleeper(void *)
{
	while (!load(&state.stop)) {
		__atomic_fetch_add(&state.parked, 1, __ATOMIC_SEQ_CST);
		(void)thread_park(0);
		__atomic_fetch_add(&state.woken, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_fetch_add(&state.over, 1, __ATOMIC_SEQ_CST);
}

static struct thread *start_sleeper(void)
{
	reset();
	run_on(0);
	struct thread *t = start_thread(sleeper, nullptr, 0);

	if (t && EXPECT(WAIT_UNTIL(load(&state.parked) == 1)))
		return t;
	return nullptr;
}

static bool stop_sleeper(struct thread *t)
{
	store(&state.stop, 1);
	thread_unpark(t);
	return EXPECT(WAIT_UNTIL(load(&state.over) == 1));
}

/* The call that wakes comes back when the woken has been through, although the caller is within its slice. */
static bool runs_at_once(void)
{
	struct thread *t = start_sleeper();
	bool at_once;

	if (!t)
		return false;
	sleep_ns(10 * MS);
	spin_ns(20 * MS);
	thread_unpark(t);
	at_once = load(&state.woken) == 1;
	return stop_sleeper(t) && at_once;
}

static void a_woken_thread_goes_first(void)
{
	EVENTUALLY(runs_at_once());
}

/* Gives way to the caller some times after each waking, so that both have had the same when it parks. */
static void even_sleeper(void *)
{
	while (!load(&state.stop)) {
		__atomic_fetch_add(&state.parked, 1, __ATOMIC_SEQ_CST);
		(void)thread_park(0);
		__atomic_fetch_add(&state.woken, 1, __ATOMIC_SEQ_CST);
		for (int i = 0; i < 4; i++)
			(void)nucleus_yield();
	}
	__atomic_fetch_add(&state.over, 1, __ATOMIC_SEQ_CST);
}

/* What the caller has run since its last tick, not more than it had then, lets the sleeper go first. Now and then
 * another thread may have run in its time. */
static bool counts_within_a_tick(void)
{
	enum { ROUNDS = 20 };
	uint32_t first = 0;

	reset();
	run_on(0);
	struct thread *t = start_thread(even_sleeper, nullptr, 0);

	if (!t || !EXPECT(WAIT_UNTIL(load(&state.parked) == 1)))
		return false;
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		thread_unpark(t);
		while (load(&state.parked) <= round)
			(void)nucleus_yield();
		spin_ns(5 * MS / 2);
		uint32_t before = load(&state.woken);
		thread_unpark(t);
		first += load(&state.woken) == before + 1;
		while (load(&state.parked) <= round + 1)
			(void)nucleus_yield();
		__atomic_fetch_sub(&state.parked, 1, __ATOMIC_SEQ_CST);
	}
	return stop_sleeper(t) && first > ROUNDS * 3 / 4;
}

static void running_time_is_up_to_date(void)
{
	EVENTUALLY(counts_within_a_tick());
}

/* --- several CPUs --- */

static void runner(void *arg)
{
	uint32_t *seen = &state.seen[(uint64_t)arg];

	while (!load(&state.stop))
		__atomic_fetch_or(seen, 1u << ((volatile struct thread_page *)thread_page_current())->cpu,
				  __ATOMIC_RELAXED);
	__atomic_fetch_add(&state.over, 1, __ATOMIC_SEQ_CST);
}

static struct thread *start_runner(uint64_t i, uint64_t cpus, int nice)
{
	struct thread *t;

	if (!EXPECT_EQ(thread_create("runner", &component_ktest, 0, runner, (void *)i, &t), 0))
		return nullptr;
	EXPECT_EQ(nucleus_thread_set_affinity(handle_of(t), cpus), 0);
	EXPECT_EQ(nucleus_thread_set_priority(handle_of(t), nice), 0);
	thread_start(t);
	return t;
}

static uint64_t ran_ns(struct thread *t)
{
	if (!t || !EXPECT_EQ(nucleus_thread_get_times(handle_of(t)), 0))
		return 0;
	return ((struct thread_times *)call_area())->kernel_ns;
}

static bool stop_runners(uint32_t n)
{
	store(&state.stop, 1);
	return EXPECT(WAIT_UNTIL(load(&state.over) == n));
}

/* Three on two CPUs: nobody has one for itself for long. */
static bool three_share_two(void)
{
	uint64_t least = UINT64_MAX, most = 0;
	struct thread *t[3];

	reset();
	for (uint64_t i = 0; i < 3; i++)
		t[i] = start_runner(i, 1 | 1ull << last_cpu, 0);
	sleep_ns(300 * MS);
	for (int i = 0; i < 3; i++) {
		uint64_t ran = ran_ns(t[i]);

		least = MIN(least, ran);
		most = MAX(most, ran);
	}
	return stop_runners(3) && most * 3 < least * 4;
}

static void busy_cpus_share(void)
{
	EVENTUALLY(three_share_two());
}

/* Both plain ones begin on one CPU, both nice ones on the other; they could stay so. */
static bool weights_count(void)
{
	struct thread *t[4];
	uint64_t before[4];

	reset();
	for (uint64_t i = 0; i < 4; i++)
		t[i] = start_runner(i, i < 2 ? 1 : 1ull << last_cpu, i < 2 ? 0 : 10);
	sleep_ns(30 * MS);
	for (int i = 0; i < 4; i++) {
		before[i] = ran_ns(t[i]);
		EXPECT_EQ(nucleus_thread_set_affinity(handle_of(t[i]), 1 | 1ull << last_cpu), 0);
	}
	sleep_ns(400 * MS);
	for (int i = 0; i < 4; i++)
		before[i] = ran_ns(t[i]) - before[i];
	return stop_runners(4) && MIN(before[0], before[1]) > 4 * MAX(before[2], before[3]);
}

static void busy_cpus_share_by_weight(void)
{
	EVENTUALLY(weights_count());
}

static bool all_ran(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (load(&state.seen[i]) == 0)
			return false;
	return true;
}

/* CPU 0 has one thread, the last CPU two, which may not go elsewhere however long they wait. */
static void affinity_is_kept(void)
{
	reset();
	(void)start_runner(0, 1, 0);
	(void)start_runner(1, 1ull << last_cpu, 0);
	(void)start_runner(2, 1ull << last_cpu, 0);
	EXPECT(WAIT_UNTIL(all_ran(3)));
	sleep_ns(150 * MS);
	EXPECT(stop_runners(3));
	EXPECT_EQ(load(&state.seen[0]), 1);
	EXPECT_EQ(load(&state.seen[1]), 1u << last_cpu);
	EXPECT_EQ(load(&state.seen[2]), 1u << last_cpu);
}

KTEST_SUITE(fairness, KTEST("who wakes goes before who has run", a_woken_thread_goes_first),
	    KTEST("what the running thread has run counts at once", running_time_is_up_to_date),
	    KTEST("busy CPUs share what there is", busy_cpus_share, .min_cpus = 2),
	    KTEST("busy CPUs share by weight", busy_cpus_share_by_weight, .min_cpus = 2),
	    KTEST("busy CPUs leave each other's own threads alone", affinity_is_kept, .min_cpus = 2));
