/* SPDX-License-Identifier: MIT */
/* Who holds preemption back, or a spinlock, for ever is unwound like one that faults; who waits for the lock goes on.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>

static struct spinlock held_for_ever = SPINLOCK_INIT(RANK_NONE);
static struct mutex outer = MUTEX_INIT(outer, RANK_NONE);
static uint32_t holding, waiter_had_it, holder_result;
static volatile uint32_t never;

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_SEQ_CST);
}

static long hold_lock(void *) NO_THREAD_SAFETY
{
	spin_lock(&held_for_ever);
	store(&holding, 1);
	while (!never)
		;
	spin_unlock(&held_for_ever);
	return 0;
}

static long hold_preemption(void *)
{
	preempt_disable();
	store(&holding, 1);
	while (!never)
		;
	preempt_enable();
	return 0;
}

static void hold_guarded(void *fn) NO_THREAD_SAFETY
{
	mutex_lock(&outer);
	long result = guarded((long (*)(void *))fn, nullptr);
	/* What was taken outside the guard is still its. */
	EXPECT(mutex_is_mine(&outer));
	mutex_unlock(&outer);
	EXPECT_EQ(thread_page_current()->preempt_count, 0);
	store(&holder_result, (uint32_t)-result);
}

static void hold_unguarded(void *)
{
	(void)hold_lock(nullptr);
}

static void wait_for_lock(void *)
{
	spin_lock(&held_for_ever);
	spin_unlock(&held_for_ever);
	__atomic_fetch_add(&waiter_had_it, 1, __ATOMIC_SEQ_CST);
}

static void reset(void)
{
	store(&holding, 0);
	store(&waiter_had_it, 0);
	store(&holder_result, 0);
}

/* One spins on the holder's CPU, one on another if there is one. */
static void its_lock_is_released(void)
{
	int last = (int)boot_info()->cpu_count - 1;

	reset();
	if (!start_thread(hold_guarded, hold_lock, last) || !EXPECT(WAIT_UNTIL(load(&holding))))
		return;
	(void)start_thread(wait_for_lock, nullptr, last);
	(void)start_thread(wait_for_lock, nullptr, 0);
	EXPECT(WAIT_UNTIL(load(&waiter_had_it) == 2));
	EXPECT(WAIT_UNTIL(load(&holder_result) == EFAULT));
	EXPECT_EQ(held_for_ever.word, 0);
}

static void preemption(void)
{
	reset();
	if (!start_thread(hold_guarded, hold_preemption, (int)boot_info()->cpu_count - 1))
		return;
	EXPECT(WAIT_UNTIL(load(&holder_result) == EFAULT));
}

/* Nobody sleeps, wakes or waits for a CPU meanwhile, so nothing but the ticks of its CPU finds the holder. */
static void preemption_alone(void)
{
	uint64_t end = ktest_now() + WAIT_NS;

	reset();
	run_on(0);
	if (!start_thread(hold_guarded, hold_preemption, (int)boot_info()->cpu_count - 1))
		return;
	while (load(&holder_result) != EFAULT && ktest_now() < end)
		;
	EXPECT_EQ(load(&holder_result), EFAULT);
}

static void without_a_guard(void)
{
	reset();
	struct thread *t = start_thread(hold_unguarded, nullptr, -1);

	if (!t)
		return;
	uint32_t h = handle_of(t);
	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(h) == -ESRCH));
	EXPECT_EQ(load(&holding), 1);
	wait_for_lock(nullptr);
	EXPECT_EQ(load(&waiter_had_it), 1);
}

KTEST_SUITE(holders, KTEST("who holds a spinlock for ever loses it", its_lock_is_released),
	    KTEST("who holds preemption back for ever is ended", preemption),
	    KTEST("so is who does on a CPU that nobody else wants", preemption_alone, .min_cpus = 2),
	    KTEST("without a guard the holder's thread ends", without_a_guard));
