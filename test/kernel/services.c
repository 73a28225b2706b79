/* SPDX-License-Identifier: MIT */
/* The kernel's own threads begin anew after a fault, and what waited for them is not lost. */
#include "ktest.h"

#include "../../kernel/thread/core.h"
#include "../../kernel/thread/service.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/random.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <kernel/thread/guard.h>
#include <kernel/thread/timer.h>
#include <lib/string.h>

enum { TIMERS = 4 };
static struct timer timers[TIMERS];
static uint32_t fired[TIMERS];
static struct timer bad;
static uint32_t bad_calls, bad_faults;

/* No constant, so that the compiler does not see what comes. */
static volatile uint64_t nowhere = 0x10;

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void expire(struct timer *t)
{
	__atomic_fetch_add(&fired[t - timers], 1, __ATOMIC_SEQ_CST);
}

/* Faults in its first calls. */
static void expire_badly(struct timer *)
{
	if (__atomic_fetch_add(&bad_calls, 1, __ATOMIC_SEQ_CST) < load(&bad_faults))
		*(volatile uint64_t *)nowhere = 1;
}

static void arm_all(void)
{
	uint64_t now = ktest_now();

	for (int i = 0; i < TIMERS; i++) {
		if (timers[i].expire != nullptr)
			(void)timer_cancel(&timers[i]);
		else
			timer_init(&timers[i], expire);
		__atomic_store_n(&fired[i], 0, __ATOMIC_SEQ_CST);
		timer_arm(&timers[i], now + (uint64_t)(i + 1) * MS);
	}
}

static bool all_fired(void)
{
	for (int i = 0; i < TIMERS; i++)
		if (load(&fired[i]) == 0)
			return false;
	return true;
}

/* One timer's callback faults `faults` times while others are pending. */
static void let_a_timer_fault(uint32_t faults)
{
	__atomic_store_n(&bad_calls, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&bad_faults, faults, __ATOMIC_SEQ_CST);
	timer_init(&bad, expire_badly);
	arm_all();
	timer_arm(&bad, ktest_now() + MS * 3 / 2);
	EXPECT(WAIT_UNTIL(all_fired()));
}

static void timers_go_on(void)
{
	uint32_t faults = load(&component_core.faults), restarts = load(&component_core.restarts);

	let_a_timer_fault(1);
	/* Called once more, since what it had to do may not be done. */
	EXPECT(WAIT_UNTIL(load(&bad_calls) == 2));
	EXPECT_EQ(load(&component_core.faults), faults + 1);
	EXPECT_EQ(load(&component_core.restarts), restarts + 1);
	/* But not for ever. */
	let_a_timer_fault(UINT32_MAX);
	EXPECT(WAIT_UNTIL(load(&bad_calls) == 4));
	sleep_ns(50 * MS);
	EXPECT_EQ(load(&bad_calls), 4);
	/* Who waits for a callback that faulted does not wait for ever. */
	EXPECT(!timer_cancel(&bad));
	EXPECT(!component_core.down);
	arm_all();
	EXPECT(WAIT_UNTIL(all_fired()));
}

/* Of the service below: whether it is to fault, to end; how often it has faulted, and begun. */
static uint32_t faulty, over, faulted, loops;

static void fault_when_told(void)
{
	__atomic_fetch_add(&loops, 1, __ATOMIC_SEQ_CST);
	do {
		if (__atomic_exchange_n(&faulty, 0, __ATOMIC_SEQ_CST) != 0) {
			__atomic_fetch_add(&faulted, 1, __ATOMIC_SEQ_CST);
			*(volatile uint64_t *)nowhere = 1;
		}
	} while (load(&over) == 0 && !service_park(0));
}
static struct service brittle = {.name = "brittle", .component = &component_ktest, .loop = fault_when_told};

static void let_it_fault(void)
{
	uint32_t before = load(&faulted);

	__atomic_store_n(&faulty, 1, __ATOMIC_SEQ_CST);
	service_wake(&brittle);
	EXPECT(WAIT_UNTIL(load(&faulted) == before + 1));
}

/* Its pauses grow; after too many faults it stays down until it is asked for. */
static void later_each_time_and_not_for_ever(void)
{
	uint64_t pause = MS;

	loops = over = 0;
	brittle.ends = false;
	if (!EXPECT_EQ(service_start(&brittle), 0))
		return;
	EXPECT(WAIT_UNTIL(load(&loops) == 1));
	for (uint32_t n = 0; n < 6; n++, pause *= 2) {
		uint64_t since = ktest_now();

		let_it_fault();
		EXPECT(WAIT_UNTIL(load(&loops) == n + 2));
		EXPECT(ktest_now() - since >= pause);
	}
	EXPECT(!component_ktest.down);
	/* The others have pauses of seconds together. */
	brittle.row = (struct fault_row){.count = FAULTS_IN_ROW_MAX - 1, .last_ns = ktest_now()};
	let_it_fault();
	EXPECT(WAIT_UNTIL(__atomic_load_n(&component_ktest.down, __ATOMIC_ACQUIRE)));
	service_wake(&brittle);
	sleep_ns(20 * MS);
	EXPECT(component_ktest.down && brittle.down);
	EXPECT_EQ(load(&loops), 7);
	EXPECT_EQ(component_restart(&component_ktest), 0);
	EXPECT(WAIT_UNTIL(load(&loops) == 8));
	EXPECT(!component_ktest.down && !brittle.down);
	/* Like one that never faulted. */
	let_it_fault();
	EXPECT(WAIT_UNTIL(load(&loops) == 9));
	EXPECT_EQ(brittle.row.count, 1);
	EXPECT_EQ(component_restart(&component_ktest), 0);
	EXPECT(WAIT_UNTIL(load(&loops) == 10));
	/* It ends for good. */
	uint32_t threads = load(&component_ktest.thread_count);
	brittle.ends = true;
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	service_wake(&brittle);
	EXPECT(WAIT_UNTIL(load(&component_ktest.thread_count) == threads - 1));
}

#if STELLUX_DEBUG

static void nothing(void *)
{
}

/* The thread faults at each of its steps; what it had to do is done all the same. */
static void fault_in(enum fault_point point, const char *thread, void (*work)(void))
{
	uint32_t passed = 0, faulted = 0;
	uint64_t end = ktest_now() + WAIT_NS;

	fault_point_arm(point, thread, 1, 1);
	do {
		work();
		fault_point_counts(&passed, &faulted);
	} while (faulted == 0 && ktest_now() < end);
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	if (!EXPECT_EQ(faulted, 1))
		log_error("ktest: point %s was passed %u times", fault_point_name(point), passed);
	EXPECT(!component_core.down);
	work();
}

static void use_timers(void)
{
	arm_all();
	EXPECT(WAIT_UNTIL(all_fired()));
}

/* Threads' pages come back: there are more of them than memory would have room for if they did not. */
static void end_a_thread(void)
{
	struct thread *t = start_thread(nothing, nullptr, -1);

	if (t == nullptr)
		return;
	uint32_t h = handle_of(t);
	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(h) == -ESRCH));
}

static struct spinlock some_lock = SPINLOCK_INIT(RANK_NONE);

/* With a lock held the log thread has to do the rest. */
static void say_something(void)
{
	spin_lock(&some_lock);
	log_info("ktest: a line for the log thread");
	spin_unlock(&some_lock);
	sleep_ns(MS);
}

static long fault(void *)
{
	*(volatile uint64_t *)nowhere = 1;
	return 0;
}

static void fail_a_component(void)
{
	EXPECT_EQ(guarded(fault, nullptr), -EFAULT);
	sleep_ns(MS);
}

/* Starts it, which otherwise runs only where nothing else seeds the generator, and waits until it has ended: how long
 * it gathers the machine's speed says, and several at a time would only keep each other from getting done. */
static void gather(void)
{
	uint32_t threads = load(&component_core.thread_count);

	EXPECT_EQ(random_gather(), 0);
	EXPECT(WAIT_UNTIL(load(&component_core.thread_count) <= threads));
}

/* An end that comes after a fault: who waits for random numbers is served. */
static void entropy_goes_on(void)
{
	uint32_t restarts = load(&component_core.restarts);

	/* Where the machine needs one of its own, that is done first. */
	EXPECT(WAIT_UNTIL(random_seeded()));
	fault_in(FAULT_POINT_entropy_gather, "entropy", gather);
	fault_in(FAULT_POINT_entropy_gathered, "entropy", gather);
	EXPECT(load(&component_core.restarts) >= restarts + 2);
	EXPECT(random_seeded());
}

static struct {
	size_t from;
	int byte;
} lost;

static void lose_page(void *)
{
	unsigned char *page = (unsigned char *)thread_page_current();

	memset(page + lost.from, lost.byte, sizeof(struct thread_page) - lost.from);
	*(volatile uint64_t *)nowhere = 1;
}

/* A thread that overwrites its own page ends, with one report. */
static void pages_are_lost(void)
{
	static const int bytes[] = {0, 0xa5, 0xff};

	for (size_t i = 0; i < 6; i++) {
		uint32_t faults = load(&component_ktest.faults), threads = load(&component_ktest.thread_count);

		lost.from = i % 2 == 0 ? 0 : offsetof(struct thread_page, lowered);
		lost.byte = bytes[i / 2];
		struct thread *t = start_thread(lose_page, nullptr, -1);
		if (t == nullptr)
			return;
		EXPECT(WAIT_UNTIL(load(&component_ktest.faults) != faults));
		EXPECT(WAIT_UNTIL(load(&component_ktest.thread_count) == threads));
		EXPECT_EQ(load(&component_ktest.faults), faults + 1);
	}
}

/* Who walks past a thread whose page is lost neither faults nor goes round and round; the thread is passed over and,
 * when it comes to mend itself, where it was. */
static void lost_threads_are_passed_over(void)
{
	enum { THREADS = 4 };
	static const int bytes[] = {0, 0xa5, 0xff};
	/* Where pages of threads are, too. */
	struct thread *threads = kmalloc(THREADS * sizeof(struct thread));
	struct list head = LIST_INIT(head);
	constexpr size_t link = offsetof(struct thread, process_link);

	if (!EXPECT(threads != nullptr))
		return;
	for (unsigned n = 0; n < THREADS * ARRAY_LEN(bytes); n++) {
		struct thread *lost = &threads[n % THREADS], *t = nullptr;
		struct list copies[THREADS];

		list_init(&head);
		for (unsigned i = 0; i < THREADS; i++) {
			threads[i].seal = threads[i].last_seal = THREAD_SEAL;
			list_push_back(&head, &threads[i].process_link);
		}
		for (unsigned i = 0; i < THREADS; i++)
			copies[i] = threads[i].process_link;
		memset(lost, bytes[n / THREADS], sizeof(*lost));
		for (unsigned i = 0; i < THREADS; i++)
			if (&threads[i] != lost)
				EXPECT((t = thread_behind(&head, t, link)) == &threads[i]);
		EXPECT(thread_behind(&head, t, link) == nullptr);
		/* It has begun to mend itself while somebody stands on it. */
		lost->seal = lost->last_seal = THREAD_SEAL;
		list_init(&lost->process_link);
		t = thread_behind(&head, lost, link);
		EXPECT(t == (n % THREADS == THREADS - 1 ? nullptr : lost + 1));
		for (unsigned i = 0; i < THREADS; i++)
			EXPECT(memcmp(&threads[i].process_link, &copies[i], sizeof(copies[i])) == 0);
	}
	kfree(threads);
}

static void each_step(void)
{
	fault_in(FAULT_POINT_timer_take, "timer", use_timers);
	fault_in(FAULT_POINT_timer_expire, "timer", use_timers);
	fault_in(FAULT_POINT_timer_expired, "timer", use_timers);
	fault_in(FAULT_POINT_reaper_take, "reaper", end_a_thread);
	fault_in(FAULT_POINT_reaper_stack, "reaper", end_a_thread);
	fault_in(FAULT_POINT_reaper_page, "reaper", end_a_thread);
	fault_in(FAULT_POINT_log_print, "log", say_something);
	fault_in(FAULT_POINT_components_look, "components", fail_a_component);
	use_timers();
}

KTEST_SUITE(services, KTEST("timers fire after one of them faulted", timers_go_on),
	    KTEST("after faults in a row later each time, and not for ever", later_each_time_and_not_for_ever),
	    KTEST("a fault at each step of the kernel's threads", each_step),
	    KTEST("a thread that loses its page", pages_are_lost),
	    KTEST("who walks past a thread that lost its page", lost_threads_are_passed_over),
	    KTEST("a fault while timing jitter is gathered", entropy_goes_on));

#else

KTEST_SUITE(services, KTEST("timers fire after one of them faulted", timers_go_on),
	    KTEST("after faults in a row later each time, and not for ever", later_each_time_and_not_for_ever));

#endif
