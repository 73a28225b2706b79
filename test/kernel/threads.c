/* SPDX-License-Identifier: MIT */
/* Life of threads as the nucleus sees it: thread_create, thread_exit, handles, names, priorities, times. */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/mem/page.h>
#include <lib/string.h>

extern const char nucleus_text_start[], nucleus_data_start[], lowered_text_end[];

/* Where bare threads begin: without struct thread, with their page as argument; words of the page's lowered part are
 * theirs. */
[[noreturn]] static void bare_thread(struct thread_page *page)
{
	volatile uint64_t *words = (volatile uint64_t *)page->lowered;

	words[1] = page->handle;
	/* Word 2 is set to 1 when the thread can never run again. */
	(void)nucleus_thread_exit((uint64_t)&words[2]);
	for (;;)
		(void)nucleus_park(0, 0);
}

struct bare_thread {
	uint64_t page_pfn;
	void *stack;
	uint64_t top;
};

static bool make(struct bare_thread *b)
{
	b->page_pfn = kernel_frame();
	b->stack = page_alloc_kernel(1);
	b->top = (uint64_t)b->stack + 2 * PAGE_SIZE;
	if (!EXPECT(b->stack != nullptr))
		return false;
	memset(page_window(b->page_pfn), 0, PAGE_SIZE);
	return true;
}

static void unmake(struct bare_thread *b)
{
	page_free_kernel(b->stack, 1);
	give_kernel_frame(b->page_pfn);
}

static volatile uint64_t *words_of(const struct bare_thread *b)
{
	return (volatile uint64_t *)((struct thread_page *)page_window(b->page_pfn))->lowered;
}

static void create_errors(void)
{
	uint64_t good = (uint64_t)bare_thread, page = user_frame();
	struct bare_thread b;

	/* First: what it takes is free no more. */
	if (!make(&b))
		return;
	uint32_t stale = (uint32_t)nucleus_space_create();
	const uint64_t entries[] = {0,
				    0x400000,
				    (uint64_t)nucleus_text_start,
				    (uint64_t)nucleus_data_start,
				    (uint64_t)&stale,
				    WINDOW_BASE,
				    (uint64_t)lowered_text_end,
				    UINT64_MAX};
	const uint64_t pages[] = {page,
				  find_frame(FRAME_NUCLEUS),
				  find_frame(FRAME_PAGE_TABLE),
				  find_frame(FRAME_FREE),
				  boot_info()->frame_count,
				  UINT64_MAX >> PAGE_SHIFT,
				  boot_info()->time_page_pfn};

	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		EXPECT_EQ(nucleus_thread_create(b.page_pfn, entries[i], b.top, 0, component_ktest.id), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		EXPECT_EQ(nucleus_thread_create(pages[i], good, b.top, 0, component_ktest.id), -EINVAL);
	EXPECT_EQ(nucleus_thread_create(b.page_pfn, good, b.top - 8, 0, component_ktest.id), -EINVAL);
	EXPECT_EQ(nucleus_thread_create(b.page_pfn, good, b.top, 0, 64), -EINVAL);
	EXPECT_EQ(nucleus_space_destroy(stale), 0);
	EXPECT_EQ(nucleus_thread_create(b.page_pfn, good, b.top, stale, component_ktest.id), -EINVAL);
	EXPECT_EQ(mappings(b.page_pfn), 0);
	unmake(&b);
	give_user_frame(page);
}

/* Every call that names a thread. */
static void expect_no_thread(uint32_t handle)
{
	EXPECT_EQ(nucleus_unpark(handle), -ESRCH);
	EXPECT_EQ(nucleus_thread_kick(handle), -ESRCH);
	EXPECT_EQ(nucleus_thread_set_name(handle, 0x61, 0, 1), -ESRCH);
	EXPECT_EQ(nucleus_thread_set_priority(handle, 0), -ESRCH);
	EXPECT_EQ(nucleus_thread_set_affinity(handle, 1), -ESRCH);
	EXPECT_EQ(nucleus_thread_get_times(handle), -ESRCH);
	EXPECT_EQ(nucleus_regs_get(handle), -ESRCH);
	memset(call_area(), 0, sizeof(struct user_regs));
	EXPECT_EQ(nucleus_regs_set(handle), -ESRCH);
	EXPECT_EQ(nucleus_fpu_set(handle, 0), -ESRCH);
}

static void handles_never_given(void)
{
	expect_no_thread(0);
	expect_no_thread(0xfffff);
	expect_no_thread(UINT32_MAX);
	expect_no_thread(own_handle() ^ 1u << 20);
	expect_no_thread(own_handle() ^ 1u << 31);
}

/* Runs a bare thread to its end; its handle. */
static uint32_t run_bare(struct bare_thread *b)
{
	long handle = nucleus_thread_create(b->page_pfn, (uint64_t)bare_thread, b->top, 0, component_ktest.id);

	if (!EXPECT(handle > 0))
		return 0;
	EXPECT_EQ(mappings(b->page_pfn), 1);
	EXPECT_EQ(((struct thread_page *)page_window(b->page_pfn))->handle, handle);
	EXPECT_EQ(words_of(b)[2], 0);
	EXPECT_EQ(nucleus_unpark((uint32_t)handle), 0);
	EXPECT(WAIT_UNTIL((words_of(b)[2] & UINT32_MAX) == 1));
	EXPECT_EQ(words_of(b)[1], handle);
	EXPECT_EQ(mappings(b->page_pfn), 0);
	return (uint32_t)handle;
}

static void life(void)
{
	struct bare_thread b;

	if (!make(&b))
		return;
	uint32_t handle = run_bare(&b);
	expect_no_thread(handle);
	unmake(&b);
}

static void reused_records(void)
{
	struct bare_thread b;
	uint32_t first, again = 0;

	if (!make(&b))
		return;
	first = run_bare(&b);
	for (int i = 0; i < 200 && (again & 0xfffff) != (first & 0xfffff); i++) {
		words_of(&b)[2] = 0;
		again = run_bare(&b);
	}
	EXPECT_EQ(again & 0xfffff, first & 0xfffff);
	EXPECT(again != first);
	/* While it lives again under its new name, the old one does not reach it. */
	words_of(&b)[2] = 0;
	static uint32_t names[64];
	static struct bare_thread others[64];
	unsigned n = 0;

	for (; n < 64 && make(&others[n]); n++) {
		names[n] = (uint32_t)nucleus_thread_create(others[n].page_pfn, (uint64_t)bare_thread, others[n].top, 0,
							   component_ktest.id);
		if ((names[n] & 0xfffff) == (first & 0xfffff)) {
			expect_no_thread(first);
			n++;
			break;
		}
	}
	while (n-- > 0) {
		EXPECT_EQ(nucleus_unpark(names[n]), 0);
		EXPECT(WAIT_UNTIL((words_of(&others[n])[2] & UINT32_MAX) == 1));
		unmake(&others[n]);
	}
	unmake(&b);
}

static void exit_errors(void)
{
	uint64_t page = user_frame();
	uint64_t own = (uint64_t)thread_page_current()->self;

	EXPECT_EQ(nucleus_thread_exit(own + 1), -EINVAL);
	EXPECT_EQ(nucleus_thread_exit(0x1000), -EINVAL);
	EXPECT_EQ(nucleus_thread_exit((uint64_t)&component_ktest), -EINVAL);
	EXPECT_EQ(nucleus_thread_exit((uint64_t)window(page)), -EINVAL);
	EXPECT_EQ(nucleus_thread_exit((uint64_t)window(find_frame(FRAME_PAGE_TABLE))), -EINVAL);
	EXPECT_EQ(nucleus_thread_exit((uint64_t)window(find_frame(FRAME_NUCLEUS))), -EINVAL);
	EXPECT_EQ(nucleus_thread_exit((uint64_t)window(boot_info()->frame_count)), -EINVAL);
	EXPECT_EQ(nucleus_thread_exit((uint64_t)nucleus_data_start), -EINVAL);
	give_user_frame(page);
}

/* The first record is the first CPU's idle thread. */
static void idle_threads_have_no_handle(void)
{
	EXPECT_EQ(nucleus_thread_get_times(1), -ESRCH);
	EXPECT_EQ(nucleus_thread_set_name(1, 0x61, 0, 1), -ESRCH);
	EXPECT_EQ(nucleus_thread_set_affinity(1, 1), -ESRCH);
	EXPECT_EQ(nucleus_unpark(1), -ESRCH);
}

static uint32_t spinners, spin_no_more;

static void spin_until_told(void *)
{
	while (!__atomic_load_n(&spin_no_more, __ATOMIC_SEQ_CST))
		;
	__atomic_fetch_add(&spinners, 1, __ATOMIC_SEQ_CST);
}

/* Of two that share a CPU one waits in its queue, which is that of its class. */
static void queued_threads_keep_their_class(void)
{
	struct thread *t[2];
	long result = 0;

	__atomic_store_n(&spinners, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&spin_no_more, 0, __ATOMIC_SEQ_CST);
	run_on(0);
	for (unsigned i = 0; i < 2; i++) {
		t[i] = start_thread(spin_until_told, nullptr, 1);
		if (!t[i])
			return;
	}
	uint64_t end = ktest_now() + WAIT_NS;

	for (unsigned i = 0; result != -EBUSY && ktest_now() < end; i++) {
		result = nucleus_thread_set_priority(handle_of(t[i % 2]), PRIORITY_INTERRUPT);
		if (result == 0)
			(void)nucleus_thread_set_priority(handle_of(t[i % 2]), 0);
	}
	EXPECT_EQ(result, -EBUSY);
	__atomic_store_n(&spin_no_more, 1, __ATOMIC_SEQ_CST);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&spinners, __ATOMIC_SEQ_CST) == 2));
}

static void priorities(void)
{
	EXPECT_EQ(nucleus_thread_set_priority(own_handle(), -21), -EINVAL);
	EXPECT_EQ(nucleus_thread_set_priority(own_handle(), 20), -EINVAL);
	EXPECT_EQ(nucleus_thread_set_priority(own_handle(), INT32_MIN), -EINVAL);
	EXPECT_EQ(nucleus_thread_set_priority(own_handle(), -20), 0);
	EXPECT_EQ(nucleus_thread_set_priority(own_handle(), 19), 0);
	EXPECT_EQ(nucleus_thread_set_priority(own_handle(), PRIORITY_INTERRUPT), 0);
	(void)nucleus_yield();
	EXPECT_EQ(nucleus_thread_set_priority(own_handle(), 0), 0);
}

static void affinity_errors(void)
{
	EXPECT_EQ(nucleus_thread_set_affinity(own_handle(), 0), -EINVAL);
	EXPECT_EQ(nucleus_thread_set_affinity(own_handle(), 1ull << boot_info()->cpu_count), -EINVAL);
	EXPECT_EQ(nucleus_thread_set_affinity(own_handle(), 1ull << 63), -EINVAL);
	EXPECT_EQ(nucleus_thread_set_affinity(own_handle(), UINT64_MAX), 0);
}

static void affinity_moves(void)
{
	for (int round = 0; round < 3; round++)
		for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++)
			run_on(cpu);
}

static uint32_t wanderers;

static void stay(void *arg)
{
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(((volatile struct thread_page *)thread_page_current())->cpu, (uint64_t)arg);
		sleep_ns(MS / 5);
	}
	__atomic_fetch_add(&wanderers, 1, __ATOMIC_SEQ_CST);
}

static void affinity_holds(void)
{
	uint32_t count = 2 * boot_info()->cpu_count;

	__atomic_store_n(&wanderers, 0, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < count; i++)
		(void)start_thread(stay, (void *)(uint64_t)(i % boot_info()->cpu_count),
				   (int)(i % boot_info()->cpu_count));
	EXPECT(WAIT_UNTIL(__atomic_load_n(&wanderers, __ATOMIC_SEQ_CST) == count));
}

static struct thread_times own_times(void)
{
	struct thread_times t = {};

	if (EXPECT_EQ(nucleus_thread_get_times(own_handle()), 0))
		memcpy(&t, call_area(), sizeof(t));
	return t;
}

static void times(void)
{
	struct thread_times before = own_times(), after;
	uint64_t end = ktest_now() + WAIT_NS;

	do {
		after = own_times();
	} while (after.kernel_ns < before.kernel_ns + 5 * MS && ktest_now() < end);
	EXPECT_EQ(after.running, 1);
	EXPECT_EQ(after.start_ns, before.start_ns);
	EXPECT(after.start_ns > 0 && after.start_ns < ktest_now());
	EXPECT_EQ(after.user_ns, before.user_ns);
	EXPECT(after.kernel_ns >= before.kernel_ns + 5 * MS);
	EXPECT(after.kernel_ns < ktest_now());
}

/* Of a long sleep little counts. */
static bool sleep_counts_not(void)
{
	struct thread_times before = own_times(), after;

	sleep_ns(50 * MS);
	after = own_times();
	return after.kernel_ns < before.kernel_ns + 25 * MS;
}

static void times_asleep(void)
{
	EVENTUALLY(sleep_counts_not());
}

KTEST_SUITE(threads, KTEST("thread_create refuses bad entries, pages, stacks, spaces", create_errors),
	    KTEST("handles never given are refused by every call", handles_never_given),
	    KTEST("idle threads have no handle", idle_threads_have_no_handle),
	    KTEST("a queued thread keeps its class", queued_threads_keep_their_class, .min_cpus = 2),
	    KTEST("a thread starts, ends and is told of", life),
	    KTEST("the handle of a thread that is gone names no other", reused_records),
	    KTEST("thread_exit refuses a bad address", exit_errors), KTEST("priorities have bounds", priorities),
	    KTEST("an affinity without a CPU is refused", affinity_errors),
	    KTEST("affinity moves a thread", affinity_moves, .min_cpus = 2),
	    KTEST("a thread stays where it may run", affinity_holds, .min_cpus = 2),
	    KTEST("times advance while a thread runs", times), KTEST("times stand while it sleeps", times_asleep));
