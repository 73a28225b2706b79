/* SPDX-License-Identifier: MIT */
/* Who runs: yielding, preemption, priorities, sections without preemption. */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/thread/guard.h>
#include <lib/types.h>

enum { SHARERS = 4 };
static struct {
	volatile uint64_t count[SHARERS];
	uint32_t go, stop, over, lost;
} share;

static uint32_t load(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
static void store(uint32_t *at, uint32_t v)
{
	__atomic_store_n(at, v, __ATOMIC_SEQ_CST);
}
static void end_one(void)
{
	__atomic_fetch_add(&share.over, 1, __ATOMIC_SEQ_CST);
}

static long keep_preemption(void *)
{
	preempt_disable();
	store(&share.go, 1);
	while (!load(&share.stop))
		;
	preempt_enable();
	return 0;
}

/* Is not preempted until it is told to stop. A busy host may make that so long that the nucleus takes it for one that
 * never lets go: then share.lost says that the attempt is void. */
static void keep_cpu(void)
{
	if (guard_call(&component_ktest, keep_preemption, nullptr) != -EFAULT)
		return;
	store(&share.lost, 1);
	EXPECT(WAIT_UNTIL(load(&share.stop)));
}

static void end_at_once(void *)
{
	end_one();
}

static void yielding(void *arg)
{
	uint64_t i = (uint64_t)arg;

	while (!load(&share.stop)) {
		share.count[i]++;
		(void)nucleus_yield();
	}
	end_one();
}

static void spinning(void *arg)
{
	uint64_t i = (uint64_t)arg;

	while (!load(&share.stop))
		share.count[i]++;
	end_one();
}

static void reset(void)
{
	for (int i = 0; i < SHARERS; i++)
		share.count[i] = 0;
	store(&share.go, 0);
	store(&share.stop, 0);
	store(&share.over, 0);
	store(&share.lost, 0);
}

/* What the thread ran, as the scheduler counts it; on a busy host what it did in that time says nothing. */
static uint64_t ran_ns(struct thread *t)
{
	if (!EXPECT_EQ(nucleus_thread_get_times(handle_of(t)), 0))
		return 0;
	return ((struct thread_times *)call_area())->kernel_ns;
}

/* All on one CPU for a while; everybody got a share that is not below a quarter of the largest. */
static bool share_fairly(void (*entry)(void *), uint64_t ns)
{
	uint64_t least = UINT64_MAX, most = 0;
	struct thread *t[SHARERS];

	reset();
	for (uint64_t i = 0; i < SHARERS; i++) {
		t[i] = start_thread(entry, (void *)i, (int)boot_info()->cpu_count - 1);
		if (!t[i])
			return false;
	}
	sleep_ns(ns);
	for (int i = 0; i < SHARERS; i++) {
		uint64_t ran = ran_ns(t[i]);

		least = ran < least ? ran : least;
		most = ran > most ? ran : most;
	}
	store(&share.stop, 1);
	EXPECT(WAIT_UNTIL(load(&share.over) == SHARERS));
	return least > 0 && least >= most / 4;
}

static void yield_is_fair(void)
{
	EVENTUALLY(share_fairly(yielding, 60 * MS));
}

static void preemption_is_fair(void)
{
	EVENTUALLY(share_fairly(spinning, 300 * MS));
}

static bool one_gets_less(void)
{
	struct thread *t[2];

	reset();
	for (uint64_t i = 0; i < 2; i++) {
		t[i] = start_thread(spinning, (void *)i, (int)boot_info()->cpu_count - 1);
		if (!t[i])
			return false;
		EXPECT_EQ(nucleus_thread_set_priority(handle_of(t[i]), i ? 15 : -5), 0);
	}
	sleep_ns(400 * MS);
	uint64_t favoured = ran_ns(t[0]), nice = ran_ns(t[1]);

	store(&share.stop, 1);
	EXPECT(WAIT_UNTIL(load(&share.over) == 2));
	return favoured > 2 * nice;
}

static void nice_threads_get_less(void)
{
	EVENTUALLY(one_gets_less());
}

static void mark(void *)
{
	store(&share.go, 1);
	end_one();
}

/* Not for longer than the nucleus allows: on a busy host more time may have passed than this asks for. */
static bool nobody_came_in_between(void)
{
	uint64_t end;

	reset();
	struct thread *t;

	if (!EXPECT_EQ(thread_create("waiting", &component_ktest, 0, mark, nullptr, &t), 0))
		return false;
	EXPECT_EQ(nucleus_thread_set_affinity(handle_of(t), 1), 0);
	EXPECT_EQ(nucleus_thread_set_priority(handle_of(t), PRIORITY_INTERRUPT), 0);
	preempt_disable();
	thread_start(t);
	end = ktest_now() + 30 * MS;
	while (ktest_now() < end)
		;
	uint32_t ran = load(&share.go);
	preempt_enable();
	/* The held-back switch happens here. */
	EXPECT_EQ(load(&share.go), 1);
	EXPECT(WAIT_UNTIL(load(&share.over) == 1));
	return ran == 0;
}

static void no_preemption_while_disabled(void)
{
	run_on(0);
	EVENTUALLY(nobody_came_in_between());
}

static struct thread *urgent_thread(void (*entry)(void *), void *arg, uint64_t cpus)
{
	struct thread *t;

	if (!EXPECT_EQ(thread_create("urgent", &component_ktest, 0, entry, arg, &t), 0))
		return nullptr;
	EXPECT_EQ(nucleus_thread_set_affinity(handle_of(t), cpus), 0);
	EXPECT_EQ(nucleus_thread_set_priority(handle_of(t), PRIORITY_INTERRUPT), 0);
	return t;
}

static bool first_once_allowed(void)
{
	struct thread *t;

	reset();
	if (!(t = urgent_thread(mark, nullptr, 1)))
		return false;
	preempt_disable();
	thread_start(t);
	bool early = load(&share.go);
	preempt_enable();
	EXPECT_EQ(load(&share.over), 1);
	return !early;
}

static void interrupt_threads_go_first(void)
{
	struct thread *t;

	reset();
	run_on(0);
	if (!(t = urgent_thread(mark, nullptr, 1)))
		return;
	thread_start(t);
	/* The call that woke it came back when it was through. */
	EXPECT_EQ(load(&share.over), 1);
	EVENTUALLY(first_once_allowed());
}

static uint32_t order[2], preempted[2], numbers;

/* The number is there before the end is told. */
static void take_number(void *arg)
{
	store(&order[(uint64_t)arg], __atomic_add_fetch(&numbers, 1, __ATOMIC_SEQ_CST));
	if (EXPECT_EQ(nucleus_thread_get_times(own_handle()), 0))
		store(&preempted[(uint64_t)arg], ((struct thread_times *)call_area())->preempted);
	end_one();
}

/* Is asked to move while it does not want to be preempted; when it does, it may stay after all. */
static void hold_back(void *arg)
{
	keep_cpu();
	take_number(arg);
}

static bool wants_to_leave(struct thread *t)
{
	return ((volatile struct thread_page *)thread_page_of(t))->resched;
}

/* Within its slice: on a busy host it may be over by then. That it was asked to leave is waited for: otherwise it would
 * be first whatever becomes of those who are. And it is not first because the other had to leave before it took its
 * number. */
static bool preempted_goes_on_first(void)
{
	struct thread *first = urgent_thread(hold_back, (void *)0, 2),
		      *second = urgent_thread(take_number, (void *)1, 2);
	uint64_t end = ktest_now() + WAIT_NS;

	reset();
	store(&numbers, 0);
	if (!first || !second)
		return false;
	thread_start(first);
	while (!load(&share.go) && ktest_now() < end)
		;
	thread_start(second);
	EXPECT_EQ(nucleus_thread_set_affinity(handle_of(first), 1), 0);
	while (!wants_to_leave(first) && !load(&share.lost) && ktest_now() < end)
		;
	EXPECT(wants_to_leave(first) || load(&share.lost));
	EXPECT_EQ(nucleus_thread_set_affinity(handle_of(first), 2), 0);
	store(&share.stop, 1);
	EXPECT(WAIT_UNTIL(load(&share.over) == 2));
	return load(&order[0]) < load(&order[1]) && load(&preempted[1]) == 0 && !load(&share.lost);
}

static void interrupt_threads_keep_their_turn(void)
{
	run_on(0);
	EVENTUALLY(preempted_goes_on_first());
}

static uint32_t moved_to;

static void tell(void *)
{
	moved_to = ((volatile struct thread_page *)thread_page_current())->cpu;
	end_one();
}

/* Ends only when it is told to, so that nothing that waits behind it on its CPU can run there. */
static void keep_other_cpu(void *)
{
	keep_cpu();
	end_one();
}

/*
 * CPU 1 has a thread that keeps it, some that wait and may run nowhere else, and behind them one which may come here:
 * it was put there when it might not. Only this CPU can take it, as soon as there is nothing to do here.
 */
static bool idle_cpu_looks_behind(bool urgent)
{
	enum { PINNED = 3 };
	struct thread *mover, *pinned;

	reset();
	moved_to = UINT32_MAX;
	(void)start_thread(keep_other_cpu, nullptr, 1);
	EXPECT(WAIT_UNTIL(load(&share.go)));
	for (int i = 0; i < PINNED; i++) {
		pinned = urgent ? urgent_thread(end_at_once, nullptr, 2) : start_thread(end_at_once, nullptr, 1);
		if (!pinned)
			return false;
		if (urgent)
			thread_start(pinned);
	}
	if (!(mover = start_thread(tell, nullptr, 1)))
		return false;
	/* It may be over already, where the other CPU was taken from its holder meanwhile: that attempt is void. */
	long allowed = nucleus_thread_set_affinity(handle_of(mover), 3);
	EXPECT(allowed == 0 || allowed == -ESRCH);
	/* Well below the time after which the kept CPU is taken away. */
	for (int i = 0; i < 100 && !load(&share.over); i++)
		sleep_ns(10 * MS);
	bool moved = load(&share.over) == 1 && moved_to == 0;

	store(&share.stop, 1);
	EXPECT(WAIT_UNTIL(load(&share.over) == PINNED + 2));
	return moved;
}

static void pinned_threads_do_not_hide_others(void)
{
	run_on(0);
	/* Again for a host that stands still for seconds. */
	EVENTUALLY(idle_cpu_looks_behind(false));
}

static void pinned_interrupt_threads_do_not_hide_others(void)
{
	run_on(0);
	EVENTUALLY(idle_cpu_looks_behind(true));
}

static bool both_run(void)
{
	reset();
	for (uint64_t i = 0; i < 2; i++)
		(void)start_thread(spinning, (void *)i, -1);
	sleep_ns(100 * MS);
	bool both = share.count[0] > 0 && share.count[1] > 0;

	store(&share.stop, 1);
	EXPECT(WAIT_UNTIL(load(&share.over) == 2));
	return both;
}

static void idle_cpus_take_work(void)
{
	EVENTUALLY(both_run());
}

KTEST_SUITE(schedule, KTEST("yielding threads share a CPU", yield_is_fair),
	    KTEST("threads that never yield share a CPU", preemption_is_fair),
	    KTEST("nice threads get less", nice_threads_get_less),
	    KTEST("nobody is preempted who asks not to be", no_preemption_while_disabled),
	    KTEST("interrupt threads go first, at once", interrupt_threads_go_first),
	    KTEST("a preempted interrupt thread keeps its turn", interrupt_threads_keep_their_turn, .min_cpus = 2),
	    KTEST("pinned threads do not hide others from idle CPUs", pinned_threads_do_not_hide_others, .min_cpus = 2),
	    KTEST("pinned interrupt threads hide no others either", pinned_interrupt_threads_do_not_hide_others,
		  .min_cpus = 2),
	    KTEST("CPUs with nothing to do take work", idle_cpus_take_work, .min_cpus = 2));
