/* SPDX-License-Identifier: MIT */
/* Containment: a fault ends what the guard guards, releases what was taken inside, and nothing else. */
#include "ktest.h"

#include "faults.h"

#include <abi/errno.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/syscall.h>
#include <kernel/base/wait.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>

static struct mutex outer_mutex = MUTEX_INIT(outer_mutex, RANK_NONE), inner_mutex = MUTEX_INIT(inner_mutex, RANK_NONE);
static struct rwlock inner_rwlock = RWLOCK_INIT(inner_rwlock, RANK_NONE),
		     read_rwlock = RWLOCK_INIT(read_rwlock, RANK_NONE);
static struct spinlock inner_spinlock = SPINLOCK_INIT(RANK_NONE);

/* No constant, so that the compiler does not see what comes. */
static volatile uint64_t nowhere = 0x10;

static long fault(void *)
{
	*(volatile uint64_t *)nowhere = 1;
	return 1;
}

static long answer(void *arg)
{
	return (long)arg + 1;
}

static void results(void)
{
	EXPECT_EQ(guarded(answer, (void *)41), 42);
	EXPECT_EQ(guarded(fault, nullptr), -EFAULT);
	EXPECT_EQ(guarded(answer, (void *)-3), -2);
	EXPECT(thread_current()->guards != nullptr);
}

[[gnu::noinline]] static void change_and_fault(bool *changed)
{
	*changed = true;
	(void)fault(nullptr);
}

/* How far a guarded call came is known where the guard is. */
static void changes_are_seen(void)
{
	bool changed = false;

	GUARD_SHARES(changed);
	if (guard_run_void(&component_ktest, change_and_fault(&changed))) {
		EXPECT(false);
		return;
	}
	EXPECT(changed);
}

static long leave_with(void *result)
{
	return syscall_own_code((long)result);
}

/* What a system call returned: codes that make it again stay for the delivery of signals, which the thread is sent to;
 * anything else that is no error of the ABI is a bug. */
static void own_codes_do_not_leave(void)
{
	static const long again[] = {ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK};
	static const long never[] = {515, 517, 530, 4095};

	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(guarded(leave_with, (void *)-again[i]), -again[i]);
		(void)nucleus_park(1, 0);
		EXPECT_EQ(nucleus_park(0, PARK_INTERRUPTIBLE), -EINTR);
		EXPECT_EQ(nucleus_thread_clear_kick(), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(guarded(leave_with, (void *)-never[i]), -EFAULT);
}

static long lock_and_fault(void *) NO_THREAD_SAFETY
{
	mutex_lock(&inner_mutex);
	write_lock(&inner_rwlock);
	read_lock(&read_rwlock);
	spin_lock(&inner_spinlock);
	return fault(nullptr);
}

static void locks_are_released(void) NO_THREAD_SAFETY
{
	uint32_t held, preempt = thread_page_current()->preempt_count;

	mutex_lock(&outer_mutex);
	held = thread_current()->kept->held_count;
	EXPECT_EQ(guarded(lock_and_fault, nullptr), -EFAULT);
	EXPECT_EQ(thread_current()->kept->held_count, held);
	EXPECT_EQ(thread_page_current()->preempt_count, preempt);
	EXPECT(mutex_is_mine(&outer_mutex));
	EXPECT_EQ(outer_mutex.word, 1);
	EXPECT_EQ(inner_mutex.word, 0);
	EXPECT_EQ(inner_rwlock.state, 0);
	EXPECT_EQ(read_rwlock.state, 0);
	EXPECT_EQ(inner_spinlock.word, 0);
	mutex_unlock(&outer_mutex);
	/* And can be taken again. */
	mutex_lock(&inner_mutex);
	mutex_unlock(&inner_mutex);
	write_lock(&read_rwlock);
	write_unlock(&read_rwlock);
}

static struct wait_queue outer_queue, inner_queues[3];

static long wait_and_fault(void *)
{
	struct waiter one, once, last;

	wait_add(&inner_queues[0], &one);
	wait_add_once(&inner_queues[1], &once);
	wait_add(&inner_queues[2], &last);
	wait_remove(&last);
	return fault(nullptr);
}

static bool awaited(struct wait_queue *q)
{
	spin_lock(&q->lock);
	bool some = !list_empty(&q->waiters);
	spin_unlock(&q->lock);
	return some;
}

/* They are on a stack that is used for something else afterwards. */
static void waits_are_given_up(void)
{
	uint32_t before = thread_current()->kept->wait_count;
	struct waiter outer;

	wait_queue_init(&outer_queue);
	for (unsigned i = 0; i < ARRAY_LEN(inner_queues); i++)
		wait_queue_init(&inner_queues[i]);
	wait_add(&outer_queue, &outer);
	EXPECT_EQ(guarded(wait_and_fault, nullptr), -EFAULT);
	EXPECT_EQ(thread_current()->kept->wait_count, before + 1);
	for (unsigned i = 0; i < ARRAY_LEN(inner_queues); i++)
		EXPECT(!awaited(&inner_queues[i]));
	EXPECT(awaited(&outer_queue));
	wait_remove(&outer);
	EXPECT(!awaited(&outer_queue));
	EXPECT_EQ(thread_current()->kept->wait_count, before);
}

static struct mutex many[HELD_LOCKS_MAX + 1], taken_last = MUTEX_INIT(taken_last, RANK_NONE);

/* The last of `many` has no room in the record; when it goes, two of the recorded ones have gone before. */
static long lock_many_and_fault(void *) NO_THREAD_SAFETY
{
	for (uint32_t i = 0; i < ARRAY_LEN(many); i++) {
		mutex_init(&many[i], RANK_NONE);
		mutex_lock(&many[i]);
	}
	mutex_unlock(&many[0]);
	mutex_unlock(&many[1]);
	mutex_lock(&taken_last);
	mutex_unlock(&many[HELD_LOCKS_MAX]);
	return fault(nullptr);
}

static void more_locks_than_are_recorded(void)
{
	uint32_t held = thread_current()->kept->held_count;

	EXPECT_EQ(guarded(lock_many_and_fault, nullptr), -EFAULT);
	EXPECT_EQ(thread_current()->kept->held_count, held);
	EXPECT_EQ(taken_last.word, 0);
	for (uint32_t i = 0; i < ARRAY_LEN(many); i++)
		EXPECT_EQ(many[i].word, 0);
}

static uint32_t waiter_had_it;

static void wait_for_mutex(void *)
{
	mutex_lock(&inner_mutex);
	__atomic_store_n(&waiter_had_it, 1, __ATOMIC_SEQ_CST);
	mutex_unlock(&inner_mutex);
}

static long lock_wait_fault(void *) NO_THREAD_SAFETY
{
	mutex_lock(&inner_mutex);
	struct thread *t = start_thread(wait_for_mutex, nullptr, -1);

	EXPECT(t && WAIT_UNTIL(is_parked(handle_of(t))));
	EXPECT_EQ(__atomic_load_n(&waiter_had_it, __ATOMIC_SEQ_CST), 0);
	return fault(nullptr);
}

static void waiters_go_on(void)
{
	__atomic_store_n(&waiter_had_it, 0, __ATOMIC_SEQ_CST);
	EXPECT_EQ(guarded(lock_wait_fault, nullptr), -EFAULT);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&waiter_had_it, __ATOMIC_SEQ_CST)));
}

static long nest(void *) NO_THREAD_SAFETY
{
	mutex_lock(&inner_mutex);
	long inner = guarded(fault, nullptr);

	/* What was taken outside the inner guard is still held. */
	EXPECT(mutex_is_mine(&inner_mutex));
	mutex_unlock(&inner_mutex);
	return inner == -EFAULT ? 7 : 0;
}

static long nest_and_fault(void *)
{
	(void)nest(nullptr);
	return fault(nullptr);
}

static void nested(void)
{
	EXPECT_EQ(guarded(nest, nullptr), 7);
	EXPECT_EQ(guarded(nest_and_fault, nullptr), -EFAULT);
	EXPECT_EQ(inner_mutex.word, 0);
}

static long overflow(void *arg)
{
	volatile char space[512];

	space[0] = (char)(uint64_t)arg;
	space[511] = space[0];
	return nowhere ? overflow((void *)&space[1]) + space[511] : 0;
}

static long bug(void *)
{
	KASSERT(nowhere == 0);
	return 0;
}

static long double_free(void *)
{
	void *p = kmalloc(40);

	kfree(p);
	kfree(p);
	return 0;
}

static long call_nothing(void *)
{
	((void (*)(void))nowhere)();
	return 0;
}

static void kinds_of_fault(void)
{
	EXPECT_EQ(guarded(overflow, nullptr), -EFAULT);
	EXPECT_EQ(guarded(bug, nullptr), -EFAULT);
	EXPECT_EQ(guarded(double_free, nullptr), -EFAULT);
	EXPECT_EQ(guarded(call_nothing, nullptr), -EFAULT);
	for (unsigned i = 0; i < arch_fault_count; i++)
		EXPECT_EQ(guarded(arch_faults[i], nullptr), -EFAULT);
	EXPECT(thread_page_current()->self == thread_page_current());
}

/* Many faults, one after the other, are many; only a storm of them stops a thread. */
static void many_faults(void)
{
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(guarded(fault, nullptr), -EFAULT);
}

enum { STORM = 20 };
static uint32_t storm_count, storm_over, unguarded_ran;

static void storm(void *)
{
	for (int i = 0; i < STORM; i++) {
		__atomic_fetch_add(&storm_count, 1, __ATOMIC_SEQ_CST);
		(void)guard_call(&component_ktest, fault, nullptr);
	}
	__atomic_store_n(&storm_over, 1, __ATOMIC_SEQ_CST);
}

static void storms_end_the_thread(void)
{
	struct thread *t = start_thread(storm, nullptr, -1);

	if (!t)
		return;
	uint32_t h = handle_of(t);

	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(h) == -ESRCH));
	EXPECT_EQ(__atomic_load_n(&storm_over, __ATOMIC_SEQ_CST), 0);
	EXPECT(__atomic_load_n(&storm_count, __ATOMIC_SEQ_CST) < STORM);
}

static void unguarded(void *)
{
	__atomic_store_n(&unguarded_ran, 1, __ATOMIC_SEQ_CST);
	(void)fault(nullptr);
	__atomic_store_n(&unguarded_ran, 2, __ATOMIC_SEQ_CST);
}

static void unguarded_threads_end(void)
{
	struct thread *t = start_thread(unguarded, nullptr, -1);

	if (!t)
		return;
	uint32_t h = handle_of(t), faults_before = component_ktest.faults;

	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(h) == -ESRCH));
	EXPECT_EQ(__atomic_load_n(&unguarded_ran, __ATOMIC_SEQ_CST), 1);
	EXPECT(component_ktest.faults >= faults_before);
}

[[noreturn]] void gate_exit(long result); /* arch/gates.S */

static long leave(void *)
{
	gate_exit(0);
}

/* There is no process to go to. */
static void exit_gate_of_a_kernel_thread(void)
{
	EXPECT_EQ(guarded(leave, nullptr), -EFAULT);
}

KTEST_SUITE(guard, KTEST("a guard yields the result, or EFAULT", results),
	    KTEST("what a guarded call changed is seen after its fault", changes_are_seen),
	    KTEST("codes of the kernel's own are no results", own_codes_do_not_leave),
	    KTEST("locks taken inside are released, others kept", locks_are_released),
	    KTEST("queues entered inside are left, others kept", waits_are_given_up),
	    KTEST("more locks than are recorded", more_locks_than_are_recorded),
	    KTEST("who waits for such a lock goes on", waiters_go_on), KTEST("guards nest", nested),
	    KTEST("all kinds of fault are contained", kinds_of_fault),
	    KTEST("the way to a process from a thread that has none", exit_gate_of_a_kernel_thread),
	    KTEST("many faults are not a storm", many_faults),
	    KTEST("a storm of faults ends the thread", storms_end_the_thread),
	    KTEST("a thread without a guard ends alone", unguarded_threads_end));
