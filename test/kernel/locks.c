/* SPDX-License-Identifier: MIT */
/* Locks and wait queues of the lowered kernel, with several threads at them. */
#include "ktest.h"

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <lib/annotate.h>
#include <lib/string.h>

#include "kernel/base/log_read.h"
#include "kernel/base/perturb.h"

enum { WORKERS = 6, ROUNDS = 400 };

static struct mutex mutex = MUTEX_INIT(mutex, RANK_NONE);
static struct rwlock rwlock = RWLOCK_INIT(rwlock, RANK_NONE);
static struct spinlock spin = SPINLOCK_INIT(RANK_NONE);
static struct wait_queue queue = WAIT_QUEUE_INIT(queue);
static volatile uint64_t shared, inside;
static uint32_t over, go, woken;

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
	__atomic_fetch_add(&over, 1, __ATOMIC_SEQ_CST);
}

/* A read and a write far enough apart to be caught in between. */
static void add_slowly(unsigned i)
{
	uint64_t value = shared;

	EXPECT_EQ(++inside, 1);
	if (i % 64 == 0)
		(void)nucleus_yield();
	for (volatile int n = 0; n < 20; n++)
		;
	shared = value + 1;
	inside--;
}

static void mutex_worker(void *)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		mutex_lock(&mutex);
		add_slowly(i);
		mutex_unlock(&mutex);
	}
	end_one();
}

static void spin_worker(void *)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		spin_lock(&spin);
		/* No switch inside. */
		add_slowly(1);
		spin_unlock(&spin);
	}
	end_one();
}

static void rwlock_worker(void *)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (i % 4) {
			read_lock(&rwlock);
			EXPECT_EQ(inside, 0);
			if (i % 16 == 1)
				(void)nucleus_yield();
			read_unlock(&rwlock);
		} else {
			write_lock(&rwlock);
			add_slowly(i);
			write_unlock(&rwlock);
		}
	}
	end_one();
}

static void run_workers(void (*entry)(void *), uint64_t expected)
{
	shared = inside = 0;
	store(&over, 0);
	for (int i = 0; i < WORKERS; i++)
		(void)start_thread(entry, nullptr, -1);
	EXPECT(WAIT_UNTIL(load(&over) == WORKERS));
	EXPECT_EQ(shared, expected);
	EXPECT_EQ(thread_current()->kept->held_count, 0);
}

static void mutex_excludes(void)
{
	run_workers(mutex_worker, WORKERS * ROUNDS);
	EXPECT_EQ(mutex.word, 0);
}

static void spinlock_excludes(void)
{
	run_workers(spin_worker, WORKERS * ROUNDS);
	EXPECT_EQ(spin.word, 0);
}

static void rwlock_excludes_writers(void)
{
	run_workers(rwlock_worker, WORKERS * ROUNDS / 4);
	EXPECT_EQ(rwlock.state, 0);
}

static void try_locks(void) NO_THREAD_SAFETY
{
	EXPECT(mutex_try_lock(&mutex));
	EXPECT(mutex_is_mine(&mutex));
	EXPECT(!mutex_try_lock(&mutex));
	mutex_unlock(&mutex);
	EXPECT(!mutex_is_mine(&mutex));
	EXPECT(spin_try_lock(&spin));
	EXPECT_EQ(thread_page_current()->preempt_count, 1);
	EXPECT(!spin_try_lock(&spin));
	EXPECT_EQ(thread_page_current()->preempt_count, 1);
	spin_unlock(&spin);
	EXPECT_EQ(thread_page_current()->preempt_count, 0);
}

static void reader(void *)
{
	read_lock(&rwlock);
	end_one();
	while (!load(&go))
		sleep_ns(MS / 4);
	read_unlock(&rwlock);
	end_one();
}

static void readers_share(void)
{
	store(&over, 0);
	store(&go, 0);
	for (int i = 0; i < 3; i++)
		(void)start_thread(reader, nullptr, -1);
	EXPECT(WAIT_UNTIL(load(&over) == 3));
	EXPECT_EQ(rwlock.state, 3);
	store(&go, 1);
	EXPECT(WAIT_UNTIL(load(&over) == 6));
	EXPECT_EQ(rwlock.state, 0);
}

static void waiting(void *)
{
	wait_event(&queue, load(&go) != 0);
	__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
}

/* More locks than there is room for are counted; when one in the record goes, nothing stale takes its place. */
static void many_locks_at_once(void) NO_THREAD_SAFETY
{
	static struct mutex many[HELD_LOCKS_MAX + 3];
	const struct thread_kept *t = thread_current()->kept;
	uint32_t before = t->held_count;

	for (uint32_t i = 0; i < ARRAY_LEN(many); i++) {
		mutex_init(&many[i], RANK_NONE);
		mutex_lock(&many[i]);
	}
	EXPECT_EQ(t->held_count, before + ARRAY_LEN(many));
	mutex_unlock(&many[2]);
	for (uint32_t i = 0; i < HELD_LOCKS_MAX; i++)
		for (uint32_t k = 0; k < i; k++)
			EXPECT(t->held[i] == 0 || t->held[i] != t->held[k]);
	for (uint32_t i = 0; i < ARRAY_LEN(many); i++)
		if (i != 2)
			mutex_unlock(&many[i]);
	EXPECT_EQ(t->held_count, before);
}

static void break_the_order(void *) NO_THREAD_SAFETY
{
	static struct mutex first = MUTEX_INIT(first, RANK_MOUNT), second = MUTEX_INIT(second, RANK_FILE);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	end_one();
}

static bool is_checked(void)
{
	return STELLUX_DEBUG;
}

/* tools/run-tests takes a complaint for a failure unless the thread is called so. */
static void broken_orders_are_told(void)
{
	static const char wanted[] =
		"locks: the order is broken: rank 10 is taken under rank 18 by thread breaks-order ";
	struct log_cursor at = log_newest();
	struct log_record record;
	char text[LOG_TEXT_MAX];
	bool told = false;

	store(&over, 0);
	if (!EXPECT_EQ(kthread_start(&component_ktest, "breaks-order", break_the_order, nullptr, nullptr), 0))
		return;
	EXPECT(WAIT_UNTIL(load(&over) == 1));
	while (log_get(&at, &record, text, sizeof(text)))
		told = told || (record.length >= sizeof(wanted) - 1 && memcmp(text, wanted, sizeof(wanted) - 1) == 0);
	EXPECT(told);
}

static void wait_queues(void)
{
	store(&go, 0);
	store(&woken, 0);
	for (int i = 0; i < WORKERS; i++)
		(void)start_thread(waiting, nullptr, -1);
	sleep_ns(5 * MS);
	/* Woken without the condition: they sleep on. */
	wait_wake_all(&queue);
	sleep_ns(5 * MS);
	EXPECT_EQ(load(&woken), 0);
	store(&go, 1);
	wait_wake_all(&queue);
	EXPECT(WAIT_UNTIL(load(&woken) == WORKERS));
	EXPECT(list_empty(&queue.waiters));
	uint64_t deadline = ktest_now() + 3 * MS;

	EXPECT_EQ(wait_event_deadline(&queue, load(&go) == 2, deadline), -ETIMEDOUT);
	EXPECT(ktest_now() >= deadline);
	EXPECT_EQ(wait_event_deadline(&queue, load(&go) == 1, 1), 0);
	EXPECT(list_empty(&queue.waiters));
}

static uint32_t numbers, writer_number, reader_number;

static void numbered_writer(void *)
{
	write_lock(&rwlock);
	store(&writer_number, __atomic_add_fetch(&numbers, 1, __ATOMIC_SEQ_CST));
	write_unlock(&rwlock);
	end_one();
}

static void numbered_reader(void *)
{
	read_lock(&rwlock);
	store(&reader_number, __atomic_add_fetch(&numbers, 1, __ATOMIC_SEQ_CST));
	read_unlock(&rwlock);
	end_one();
}

/* It sleeps, or has got what it wanted. */
static bool sleeps(struct thread *t, const uint32_t *number)
{
	return __atomic_load_n(number, __ATOMIC_SEQ_CST) != 0 || is_parked(handle_of(t));
}

/* Who comes to read while a writer waits waits behind it, though others read still. */
static void writers_are_not_overtaken(void)
{
	struct thread *writer, *later;

	store(&over, 0);
	store(&numbers, 0);
	store(&writer_number, 0);
	store(&reader_number, 0);
	read_lock(&rwlock);
	writer = start_thread(numbered_writer, nullptr, -1);
	EXPECT(writer && WAIT_UNTIL(sleeps(writer, &writer_number)));
	later = start_thread(numbered_reader, nullptr, -1);
	EXPECT(later && WAIT_UNTIL(sleeps(later, &reader_number)));
	EXPECT_EQ(load(&numbers), 0);
	read_unlock(&rwlock);
	EXPECT(WAIT_UNTIL(load(&over) == 2));
	EXPECT_EQ(load(&writer_number), 1);
	EXPECT_EQ(load(&reader_number), 2);
	EXPECT_EQ(rwlock.state, 0);
}

#if STELLUX_DEBUG
static struct spinlock held_up_lock = SPINLOCK_INIT(RANK_NONE);

/* Some seed chooses this place, and who lets a lock go there is held up now and then. */
static void held_up_on_purpose(void)
{
	uint32_t asked_for = perturb_seed;
	uint64_t before = __atomic_load_n(&perturb_count, __ATOMIC_RELAXED);

	for (uint32_t seed = 1; seed <= 64; seed++) {
		__atomic_store_n(&perturb_seed, seed, __ATOMIC_RELAXED);
		for (unsigned n = 0; n < 100; n++) {
			spin_lock(&held_up_lock);
			spin_unlock(&held_up_lock);
		}
	}
	__atomic_store_n(&perturb_seed, asked_for, __ATOMIC_RELAXED);
	EXPECT(__atomic_load_n(&perturb_count, __ATOMIC_RELAXED) > before);
}
#else
static void held_up_on_purpose(void)
{
}
#endif

/* --- a holder that lost its CPU to an interrupt's thread --- */

static struct spinlock lost_lock = SPINLOCK_INIT(RANK_NONE);
static uint32_t lost_held, lost_spins, lost_go, lost_over;

static bool is_set(const uint32_t *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST) != 0;
}

static void set(uint32_t *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
}

/* As if its time to hold preemption back had run out. */
static void loses_its_cpu(void *)
{
	spin_lock(&lost_lock);
	set(&lost_held);
	while (!is_set(&lost_go))
		(void)nucleus_yield();
	spin_unlock(&lost_lock);
}

static void spins_at_interrupt_priority(void *)
{
	set(&lost_spins);
	spin_lock(&lost_lock);
	spin_unlock(&lost_lock);
	/* Who was woken meanwhile still is. */
	EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
	set(&lost_over);
}

static void spinners_let_holders_run(void)
{
	struct thread *spinner;

	lost_held = lost_spins = lost_go = lost_over = 0;
	(void)start_thread(loses_its_cpu, nullptr, 0);
	EXPECT(WAIT_UNTIL(is_set(&lost_held)));
	if (!EXPECT_EQ(
		    thread_create("ktest-spinner", &component_ktest, 0, spins_at_interrupt_priority, nullptr, &spinner),
		    0))
		return;
	uint32_t handle = handle_of(spinner);

	EXPECT_EQ(nucleus_thread_set_affinity(handle, 1), 0);
	EXPECT_EQ(nucleus_thread_set_priority(handle, PRIORITY_INTERRUPT), 0);
	thread_start(spinner);
	EXPECT(WAIT_UNTIL(is_set(&lost_spins)));
	EXPECT_EQ(nucleus_unpark(handle), 0);
	set(&lost_go);
	EXPECT(WAIT_UNTIL(is_set(&lost_over)));
}

static struct spinlock outer_lock = SPINLOCK_INIT(RANK_NONE);

/* With a spinlock held, for which others may wait, it waits for a second one. */
static void waits_with_another(void *)
{
	spin_lock(&outer_lock);
	set(&lost_spins);
	spin_lock(&lost_lock);
	spin_unlock(&lost_lock);
	spin_unlock(&outer_lock);
	set(&lost_over);
}

/* It gives its CPU away, and seldom sleeps. */
static void who_holds_another_seldom_sleeps(void)
{
	enum { TURNS = 400 };
	struct thread_times *t = (struct thread_times *)call_area();
	struct thread *waiter;
	uint32_t slept = 0, gave_way = 0;

	lost_held = lost_spins = lost_go = lost_over = 0;
	(void)start_thread(loses_its_cpu, nullptr, 0);
	EXPECT(WAIT_UNTIL(is_set(&lost_held)));
	if (!EXPECT_EQ(thread_create("ktest-waiter", &component_ktest, 0, waits_with_another, nullptr, &waiter), 0)) {
		set(&lost_go);
		return;
	}
	uint32_t handle = handle_of(waiter);

	EXPECT_EQ(nucleus_thread_set_affinity(handle, 1), 0);
	thread_start(waiter);
	EXPECT(WAIT_UNTIL(is_set(&lost_spins)));
	/* Its holder yields to it, and it to its holder. */
	uint64_t limit = ktest_now() + WAIT_NS;

	while (slept + gave_way < TURNS && ktest_now() < limit) {
		sleep_ns(MS);
		if (!EXPECT_EQ(nucleus_thread_get_times(handle), 0))
			break;
		slept = t->left;
		gave_way = t->preempted;
	}
	EXPECT(slept + gave_way >= TURNS);
	EXPECT(gave_way > 4 * slept);
	set(&lost_go);
	EXPECT(WAIT_UNTIL(is_set(&lost_over)));
}

KTEST_SUITE(locks, KTEST("a mutex excludes", mutex_excludes), KTEST("a spinlock excludes", spinlock_excludes),
	    KTEST("a writer excludes all", rwlock_excludes_writers), KTEST("try_lock tells", try_locks),
	    KTEST("readers share", readers_share),
	    KTEST("a writer that waits is not overtaken", writers_are_not_overtaken),
	    KTEST("more locks than are recorded", many_locks_at_once),
	    KTEST("a broken order is told", broken_orders_are_told, .fits = is_checked),
	    KTEST("wait queues wake, and only on the condition", wait_queues),
	    KTEST("who spins at an interrupt's priority lets the holder run", spinners_let_holders_run),
	    KTEST("who spins with another spinlock held seldom sleeps", who_holds_another_seldom_sleeps),
	    KTEST("threads are held up on purpose", held_up_on_purpose, .fits = is_checked));
