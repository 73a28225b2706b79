/* SPDX-License-Identifier: MIT */
/*
 * Host test of the rule of fair sharing: a machine of a few CPUs in steps of 100 microseconds, which does with the
 * functions of lib/fair.h what the nucleus does with them, and the bounds that doc/scheduling.md promises.
 */
#include <lib/fair.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum : uint64_t { US = 1000, MS = 1000 * US, STEP = 100 * US, SECOND = 1000 * MS };
enum { CPUS = 8, THREADS = 32 };

struct thread {
	struct fair_thread fair;
	uint64_t allowed;	/* CPUs */
	uint64_t work, sleep;	/* runs so long, then sleeps so long; work 0: for ever */
	uint64_t left, wake_at; /* of its work; 0: awake */
	uint64_t ran, woken_at, late_most, moves;
	int cpu; /* -1: new */
	bool exists, runs, waiting_first;
};
struct cpu {
	struct fair_clock clock;
	struct thread *current;
	uint64_t slice_start, tick_at;
	uint32_t seed;
};

static struct thread threads[THREADS];
static struct cpu cpus[CPUS];
static unsigned cpu_number, used; /* used: threads ever made */
static uint64_t now, machine;

static void machine_of(unsigned n)
{
	memset(threads, 0, sizeof(threads));
	memset(cpus, 0, sizeof(cpus));
	cpu_number = n;
	used = 0;
	now = SECOND;
	machine = FAIR_BEGIN_NS;
	for (unsigned c = 0; c < n; c++)
		cpus[c].clock.now = FAIR_BEGIN_NS;
}

static unsigned index_of(const struct cpu *c)
{
	return (unsigned)(c - cpus);
}

/* The least that waits on a CPU and may run on those of the mask. */
static struct thread *first_waiting(unsigned cpu, uint64_t mask)
{
	struct thread *best = nullptr;

	for (struct thread *t = threads; t < threads + used; t++)
		if (t->exists && !t->runs && !t->wake_at && t->cpu == (int)cpu && t->allowed & mask &&
		    (!best || t->fair.virtual_ns < best->fair.virtual_ns))
			best = t;
	return best;
}

static void follow(struct cpu *c)
{
	struct thread *first = first_waiting(index_of(c), UINT64_MAX);
	uint64_t least = c->current ? c->current->fair.virtual_ns : UINT64_MAX;

	if (first)
		least = MIN(least, first->fair.virtual_ns);
	fair_follow(&c->clock, least == UINT64_MAX ? 0 : least, least == UINT64_MAX, &machine);
}

static void move(struct thread *t, struct cpu *to)
{
	fair_move(&t->fair, &cpus[t->cpu].clock, &to->clock);
	t->cpu = (int)index_of(to);
	t->moves++;
}

static void choose(struct cpu *c)
{
	struct thread *t = first_waiting(index_of(c), UINT64_MAX);

	follow(c);
	for (unsigned i = 0; i < cpu_number && !t; i++)
		if ((t = first_waiting(i, 1ull << index_of(c))))
			move(t, c);
	c->current = t;
	c->slice_start = now;
	c->tick_at = now + FAIR_SLICE_NS;
	if (!t)
		return;
	t->runs = true;
	if (t->waiting_first)
		t->late_most = MAX(t->late_most, now - t->woken_at);
	t->waiting_first = false;
}

static void leave(struct cpu *c)
{
	if (c->current)
		c->current->runs = false;
	c->current = nullptr;
}

static void wake(struct thread *t)
{
	bool new = t->cpu < 0;
	struct cpu *c = &cpus[new ? 0 : t->cpu];

	for (unsigned i = 0; i < cpu_number && c->current; i++)
		if (!cpus[i].current && t->allowed >> i & 1 && !first_waiting(i, UINT64_MAX))
			c = &cpus[i];
	if (!(t->allowed >> index_of(c) & 1))
		c = &cpus[__builtin_ctzll(t->allowed)];
	follow(c);
	if (new)
		fair_start(&t->fair, &c->clock);
	else if (c != &cpus[t->cpu])
		move(t, c);
	fair_wake(&t->fair, &c->clock);
	t->cpu = (int)index_of(c);
	t->wake_at = 0;
	t->left = t->work;
	t->woken_at = now;
	t->waiting_first = true;
	if (!c->current || fair_preempts(&t->fair, c->current->fair.virtual_ns)) {
		leave(c);
		choose(c);
	}
}

static void tick(struct cpu *c)
{
	struct thread *t;
	unsigned peer = fair_next_peer(&c->seed, index_of(c), cpu_number);

	follow(c);
	t = peer == index_of(c) ? nullptr : first_waiting(peer, 1ull << index_of(c));
	if (t && fair_pulls(&t->fair, &cpus[peer].clock, &c->clock))
		move(t, c);
	if (first_waiting(index_of(c), UINT64_MAX) && now - c->slice_start >= FAIR_SLICE_NS / 8 * 7) {
		leave(c);
		choose(c);
	}
	c->tick_at = now + FAIR_SLICE_NS;
}

static void run(uint64_t length)
{
	for (uint64_t end = now + length; now < end; now += STEP) {
		for (struct thread *t = threads; t < threads + used; t++)
			if (t->exists && t->wake_at && t->wake_at <= now)
				wake(t);
		for (struct cpu *c = cpus; c < cpus + cpu_number; c++) {
			struct thread *t = c->current;

			if (!t) {
				choose(c);
				continue;
			}
			t->ran += STEP;
			t->fair.virtual_ns = fair_after(&t->fair, STEP);
			if (t->work && (t->left -= STEP) == 0) {
				t->wake_at = now + t->sleep;
				leave(c);
				choose(c);
			} else if (now >= c->tick_at) {
				tick(c);
			}
		}
	}
}

static struct thread *thread_new(int nice, uint64_t work, uint64_t sleep)
{
	struct thread *t = threads;

	while (t->exists)
		t++;
	used = MAX(used, (unsigned)(t - threads) + 1);
	*t = (struct thread){.fair.pace = fair_pace(nice),
			     .allowed = (1ull << cpu_number) - 1,
			     .work = work,
			     .sleep = sleep,
			     .cpu = -1,
			     .exists = true};
	wake(t);
	return t;
}

static void thread_end(struct thread *t)
{
	if (t->runs)
		leave(&cpus[t->cpu]);
	t->exists = false;
}

/* --- weights --- */

static void paces(void **state)
{
	(void)state;
	assert_int_equal(fair_pace(0), FAIR_PACE);
	for (int nice = -20; nice < 19; nice++) {
		uint64_t here = fair_pace(nice), next = fair_pace(nice + 1);

		assert_true(next * 100 > here * 124 && next * 100 < here * 126);
	}
	/* No overflow within half an hour, no standstill of what is counted in microseconds. */
	struct fair_thread least = {.virtual_ns = 0, .pace = fair_pace(19)}, most = {.pace = fair_pace(-20)};

	assert_true(fair_after(&least, 1800 * SECOND) > 60 * 1800 * SECOND);
	assert_true(fair_after(&most, US) > 0);
}

static void weights_on_one_cpu(void **state)
{
	(void)state;
	for (int nice = -10; nice <= 10; nice += 5) {
		machine_of(1);
		struct thread *plain = thread_new(0, 0, 0), *other = thread_new(nice, 0, 0);

		run(20 * SECOND);
		double ratio = (double)plain->ran / (double)other->ran * FAIR_PACE / fair_pace(nice);

		assert_true(ratio > 0.97 && ratio < 1.03);
	}
}

/* --- latency --- */

/* Beside hogs, whoever sleeps for most of the time runs the moment it wakes. */
static void sleepers_are_not_late(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 4; n *= 2)
		for (unsigned hogs = 0; hogs <= 4 * n; hogs += n) {
			machine_of(n);
			for (unsigned i = 0; i < hogs; i++)
				thread_new(0, 0, 0);
			run(SECOND);
			struct thread *sleeper = thread_new(0, STEP, MS);

			run(100 * MS);
			sleeper->late_most = 0;
			run(5 * SECOND);
			assert_true(sleeper->late_most <= STEP);
		}
}

/* The slice in progress does not matter, only what its thread has had: its time is brought up to date. */
static void running_time_counts(void **state)
{
	(void)state;
	machine_of(1);
	thread_new(0, 0, 0);
	struct thread *t = thread_new(0, MS, 3 * MS);

	run(SECOND);
	t->late_most = 0;
	run(SECOND);
	assert_true(t->late_most <= STEP);
}

/* A sleeper that wants more than its share is late by no more than the slices of the others and what it owes. */
static void greedy_sleepers_wait_their_turn(void **state)
{
	(void)state;
	machine_of(1);
	struct thread *hog = thread_new(0, 0, 0), *greedy = thread_new(0, 9 * MS, MS);

	run(10 * SECOND);
	assert_true(greedy->late_most <= 2 * FAIR_SLICE_NS + FAIR_CREDIT_NS);
	assert_true(hog->ran > 45 * SECOND / 10);
}

/* --- nobody starves --- */

/* However many wake however often: a hog gets its part. */
static void sleepers_do_not_starve_hogs(void **state)
{
	static const uint64_t works[] = {STEP, 200 * US, MS, 5 * MS};

	(void)state;
	for (unsigned w = 0; w < 4; w++) {
		enum { SLEEPERS = 9 };
		machine_of(1);
		struct thread *hog = thread_new(0, 0, 0);

		for (int i = 0; i < SLEEPERS; i++)
			thread_new(0, works[w], STEP);
		run(10 * SECOND);
		assert_true(hog->ran > 9 * SECOND / (SLEEPERS + 1));
	}
}

/* A row of new threads, each gone before its first slice is over. */
static void new_threads_do_not_starve_hogs(void **state)
{
	(void)state;
	machine_of(1);
	struct thread *hog = thread_new(0, 0, 0);

	run(SECOND);
	hog->ran = 0;
	for (int i = 0; i < 2000; i++) {
		struct thread *t = thread_new(0, 0, 0);

		while (t->ran < MS)
			run(STEP);
		thread_end(t);
	}
	assert_true(hog->ran > SECOND);
}

/* Whoever wakes a thread without end, and without giving way, does not keep it from its part. */
static void wakers_do_not_starve_their_target(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		machine_of(n);
		for (unsigned i = 0; i < 2 * n; i++)
			thread_new(0, 0, 0);
		struct thread *target = thread_new(0, STEP, 0);

		run(10 * SECOND);
		assert_true(target->ran > 9 * SECOND * n / (2 * n + 1));
	}
}

/* Long sleep gives no more than the credit. */
static void sleep_is_not_saved_up(void **state)
{
	(void)state;
	machine_of(1);
	struct thread *hog = thread_new(0, 0, 0), *slept = thread_new(0, MS, 10 * SECOND);

	run(SECOND);
	run(slept->wake_at - now);
	slept->work = 0;
	hog->ran = slept->ran = 0;
	run(2 * SECOND);
	assert_true(slept->ran < hog->ran + 2 * FAIR_CREDIT_NS + 2 * FAIR_SLICE_NS);
	assert_true(hog->ran < slept->ran);
}

/* --- several CPUs --- */

static void equal_shares(unsigned n, unsigned hogs)
{
	uint64_t least = UINT64_MAX, most = 0, moves = 0;

	machine_of(n);
	for (unsigned i = 0; i < hogs; i++)
		thread_new(0, 0, 0);
	run(6 * SECOND);
	for (unsigned i = 0; i < hogs; i++) {
		least = MIN(least, threads[i].ran);
		most = MAX(most, threads[i].ran);
		moves += threads[i].moves;
	}
	assert_true(most * 100 <= least * 108);
	/* And no more than one move in a slice for each CPU, much fewer in the mean. */
	assert_true(moves <= 6 * SECOND / FAIR_SKEW_NS * n);
}

static void hogs_on_several_cpus(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= CPUS; n += n < 4 ? 1 : 4)
		for (unsigned hogs = n; hogs <= 3 * n; hogs += 1 + n / 3)
			equal_shares(n, hogs);
}

/* n of each: the parts are as the weights. */
static void weights_on_several_cpus(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= CPUS; n *= 2) {
		uint64_t plain = 0, nice = 0;

		machine_of(n);
		for (unsigned i = 0; i < 2 * n; i++)
			thread_new(i % 2 ? 10 : 0, 0, 0);
		run(6 * SECOND);
		for (unsigned i = 0; i < 2 * n; i++)
			*(i % 2 ? &nice : &plain) += threads[i].ran;
		/* 1024 to 110. */
		assert_true(plain > 7 * nice && plain < 11 * nice);
		for (unsigned i = 0; i < 2 * n; i += 2)
			assert_true(threads[i].ran > 5 * SECOND);
	}
}

/* A thread of more weight than a CPU gets one; the others share the rest. */
static void more_weight_than_a_cpu(void **state)
{
	(void)state;
	machine_of(2);
	struct thread *heavy = thread_new(-20, 0, 0), *a = thread_new(0, 0, 0), *b = thread_new(0, 0, 0);

	run(6 * SECOND);
	assert_true(heavy->ran > 57 * SECOND / 10);
	assert_true(a->ran > 27 * SECOND / 10 && b->ran > 27 * SECOND / 10);
	/* What it could not use is not owed to it. */
	thread_end(heavy);
	struct thread *third = thread_new(0, 0, 0);

	a->ran = b->ran = 0;
	run(6 * SECOND);
	assert_true(a->ran > 37 * SECOND / 10 && b->ran > 37 * SECOND / 10 && third->ran > 37 * SECOND / 10);
}

/* Two that may run on one CPU alone fall behind for ever; when that ends nobody pays for it. */
static void affinity_is_kept_and_forgiven(void **state)
{
	(void)state;
	machine_of(2);
	struct thread *free_one = thread_new(0, 0, 0), *pinned[2];

	for (int i = 0; i < 2; i++) {
		pinned[i] = thread_new(0, 0, 0);
		if (pinned[i]->runs)
			leave(&cpus[pinned[i]->cpu]);
		pinned[i]->allowed = 2;
		pinned[i]->cpu = 1;
	}
	run(20 * SECOND);
	assert_int_equal(pinned[0]->cpu, 1);
	assert_int_equal(pinned[1]->cpu, 1);
	assert_true(free_one->ran > 19 * SECOND);
	assert_true(pinned[0]->ran > 9 * SECOND && pinned[1]->ran > 9 * SECOND);
	pinned[0]->allowed = 3;
	free_one->ran = pinned[0]->ran = pinned[1]->ran = 0;
	run(6 * SECOND);
	/* Two of them may go anywhere, so that all three can have the same. */
	assert_true(free_one->ran > 37 * SECOND / 10 && pinned[1]->ran > 37 * SECOND / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paces),
		cmocka_unit_test(weights_on_one_cpu),
		cmocka_unit_test(sleepers_are_not_late),
		cmocka_unit_test(running_time_counts),
		cmocka_unit_test(greedy_sleepers_wait_their_turn),
		cmocka_unit_test(sleepers_do_not_starve_hogs),
		cmocka_unit_test(new_threads_do_not_starve_hogs),
		cmocka_unit_test(wakers_do_not_starve_their_target),
		cmocka_unit_test(sleep_is_not_saved_up),
		cmocka_unit_test(hogs_on_several_cpus),
		cmocka_unit_test(weights_on_several_cpus),
		cmocka_unit_test(more_weight_than_a_cpu),
		cmocka_unit_test(affinity_is_kept_and_forgiven),
	};

	return cmocka_run_group_tests_name("fair", tests, nullptr, nullptr);
}
