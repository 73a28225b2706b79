/* SPDX-License-Identifier: MIT */
/*
 * Process contexts without processes: a space, a thread and a few instructions from arch/, which tell by a data page
 * what they saw. They enter the kernel by a system call of the tests' own, so that nothing but the gates and the
 * nucleus is involved.
 */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>
#include <kernel/mem/page.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t READ_WRITE = MAP_PROT_READ | MAP_PROT_WRITE;
constexpr uint64_t EXTRA_VA = 0xa00000;

bool bare_create(struct bare *b, const void *code, size_t bytes, int cpu)
{
	*b = (struct bare){.space = (uint32_t)nucleus_space_create(),
			   .code_pfn = user_frame(),
			   .data_pfn = user_frame(),
			   .stack_pfn = user_frame()};
	memcpy((void *)(uint64_t)window(b->code_pfn), code, bytes);
	if (!EXPECT_EQ(nucleus_space_map(b->space, CODE_VA, b->code_pfn, 1, MAP_PROT_READ | MAP_PROT_EXEC), 0) ||
	    !EXPECT_EQ(nucleus_space_map(b->space, DATA_VA, b->data_pfn, 1, READ_WRITE), 0) ||
	    !EXPECT_EQ(nucleus_space_map(b->space, STACK_VA, b->stack_pfn, 1, READ_WRITE), 0) ||
	    !EXPECT_EQ(thread_create("bare", &component_ktest, b->space, nullptr, nullptr, &b->thread), 0))
		return false;
	b->handle = handle_of(b->thread);
	if (cpu >= 0)
		EXPECT_EQ(nucleus_thread_set_affinity(b->handle, 1ull << cpu), 0);
	struct user_regs *regs = (struct user_regs *)call_area();

	memset(regs, 0, sizeof(*regs));
	bare_regs(regs, CODE_VA, STACK_VA + PAGE_SIZE, DATA_VA);
	return EXPECT_EQ(nucleus_regs_set(b->handle), 0);
}

void bare_start(struct bare *b)
{
	thread_start(b->thread);
}

void bare_destroy(struct bare *b)
{
	/* The record lets go of the space when the thread ends. */
	if (!EXPECT(WAIT_UNTIL(nucleus_thread_get_times(b->handle) == -ESRCH)))
		return;
	EXPECT_EQ(nucleus_space_unmap(b->space, 0, USER_END), 0);
	EXPECT_EQ(nucleus_space_destroy(b->space), 0);
	give_user_frame(b->code_pfn);
	give_user_frame(b->data_pfn);
	give_user_frame(b->stack_pfn);
}

/* A started process with one page more at EXTRA_VA. */
static bool start_with_page(struct bare *b, const void *code, size_t bytes, int cpu, uint64_t extra)
{
	if (!bare_create(b, code, bytes, cpu) ||
	    !EXPECT_EQ(nucleus_space_map(b->space, EXTRA_VA, extra, 1, READ_WRITE), 0))
		return false;
	window(b->data_pfn)[8] = EXTRA_VA;
	bare_start(b);
	return true;
}

static void stop(struct bare *b)
{
	window(b->data_pfn)[9] = 1;
}

static void runs_and_exits(void)
{
	struct bare b;

	if (!bare_create(&b, bare_exit, BARE_SIZE(exit), -1))
		return;
	bare_start(&b);
	bare_destroy(&b);
}

static void registers_over_a_call(void)
{
	struct bare b;

	bare_seen_flags = UINT64_MAX;
	if (!bare_create(&b, bare_syscall, BARE_SIZE(syscall), -1))
		return;
	uint64_t data = b.data_pfn;

	bare_start(&b);
	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(b.handle) == -ESRCH));
	EXPECT_EQ(window(data)[0], 0);
	EXPECT_EQ(window(data)[1], BARE_RESULT);
	EXPECT(bare_flags_kept(window(data)[2]));
	/* The kernel was entered with flags of its own. */
	EXPECT(bare_kernel_flags_ok(bare_seen_flags));
	bare_destroy(&b);
}

static void many_calls(void)
{
	struct bare b;

	if (!bare_create(&b, bare_calls, BARE_SIZE(calls), -1))
		return;
	window(b.data_pfn)[8] = 1000;
	uint64_t before = __atomic_load_n(&bare_call_count, __ATOMIC_RELAXED);

	bare_start(&b);
	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(b.handle) == -ESRCH));
	EXPECT_EQ(bare_call_count - before, 1001);
	EXPECT_EQ(bare_word(&b, 0), 1);
	bare_destroy(&b);
}

/* Several on one CPU, with different registers; and at the end each is moved through the CPUs. */
static void contexts_are_kept_apart(void)
{
	enum { COUNT = 3 };
	struct bare b[COUNT];
	uint64_t tag[COUNT];

	/* Pages that all of them see; the thread pointer of each leads to its own. */
	for (unsigned i = 0; i < COUNT; i++) {
		tag[i] = user_frame();
		window(tag[i])[12] = 0x5a5a0000 + i;
	}
	for (unsigned i = 0; i < COUNT; i++) {
		if (!bare_create(&b[i], bare_pattern, BARE_SIZE(pattern), 0))
			return;
		window(b[i].data_pfn)[8] = 0x0101010101010101ull * (i + 1) + i;
		window(b[i].data_pfn)[12] = 0x5a5a0000 + i;
		for (unsigned k = 0; k < COUNT; k++)
			EXPECT_EQ(nucleus_space_map(b[i].space, EXTRA_VA + k * PAGE_SIZE, tag[k], 1, MAP_PROT_READ), 0);
		EXPECT_EQ(nucleus_regs_get(b[i].handle), 0);
		bare_set_tls((struct user_regs *)call_area(), EXTRA_VA + i * PAGE_SIZE + 96);
		EXPECT_EQ(nucleus_regs_set(b[i].handle), 0);
	}
	for (unsigned i = 0; i < COUNT; i++)
		bare_start(&b[i]);
	sleep_ns(150 * MS);
	for (unsigned n = 0; n < 3 * boot_info()->cpu_count; n++) {
		for (unsigned i = 0; i < COUNT; i++)
			(void)nucleus_thread_set_affinity(b[i].handle, 1ull << (n + i) % boot_info()->cpu_count);
		sleep_ns(10 * MS);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		EXPECT(WAIT_UNTIL(bare_word(&b[i], 0) > 0));
		EXPECT_EQ(bare_word(&b[i], 1), 0);
		/* None has faulted. */
		EXPECT_EQ(nucleus_thread_get_times(b[i].handle), 0);
		stop(&b[i]);
	}
	for (unsigned i = 0; i < COUNT; i++)
		bare_destroy(&b[i]);
	for (unsigned i = 0; i < COUNT; i++)
		give_user_frame(tag[i]);
}

static void harvest_tells_use(void)
{
	struct bare b;
	uint64_t extra = user_frame();

	if (!start_with_page(&b, bare_toucher, BARE_SIZE(toucher), -1, extra))
		return;
	for (uint64_t i = 1; i < 4; i++) {
		uint64_t written = i > 1 ? PTE_WAS_DIRTY : 0;

		EXPECT(WAIT_UNTIL(bare_word(&b, 1) == i));
		EXPECT_EQ(nucleus_space_harvest(b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE), 0);
		EXPECT_EQ(pte_list()->entry[0].bits,
			  extra << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE | PTE_WAS_ACCESSED | written);
		/* It was cleared, and the next use shows again. */
		EXPECT_EQ(nucleus_space_harvest(b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE), 0);
		EXPECT_EQ(pte_list()->entry[0].bits, extra << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE);
		window(b.data_pfn)[9] = i;
	}
	EXPECT(WAIT_UNTIL(bare_word(&b, 1) == 4));
	EXPECT_EQ(nucleus_space_unmap(b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->entry[0].bits & PTE_WAS_DIRTY, PTE_WAS_DIRTY);
	bare_destroy(&b);
	give_user_frame(extra);
}

/* --- changes under a process that runs on another CPU --- */

/* No write arrives in the frame any more. */
static bool is_quiet(uint64_t pfn)
{
	uint64_t before = window(pfn)[0];

	sleep_ns(10 * MS);
	return window(pfn)[0] == before;
}

static bool start_writer(struct bare *b, uint64_t extra)
{
	run_on(0);
	return start_with_page(b, bare_writer, BARE_SIZE(writer), 1, extra) &&
	       EXPECT(WAIT_UNTIL(bare_word(b, 1) > 1000));
}

static void replace_reaches_other_cpus(void)
{
	uint64_t old = user_frame(), new = user_frame();
	struct bare b;

	if (!start_writer(&b, old))
		return;
	EXPECT_EQ(nucleus_space_replace(b.space, EXTRA_VA, new, READ_WRITE) >> PAGE_SHIFT, old);
	EXPECT(is_quiet(old));
	EXPECT(WAIT_UNTIL(!is_quiet(new)));
	stop(&b);
	bare_destroy(&b);
	give_user_frame(old);
	give_user_frame(new);
}

/* The three below end the process by a fault: there is no one to handle it, so the thread ends with a report. */

static void unmap_reaches_other_cpus(void)
{
	uint64_t extra = user_frame();
	struct bare b;

	if (!start_writer(&b, extra))
		return;
	EXPECT_EQ(nucleus_space_unmap(b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE), 0);
	EXPECT(is_quiet(extra));
	stop(&b);
	bare_destroy(&b);
	give_user_frame(extra);
}

static void protect_reaches_other_cpus(void)
{
	uint64_t extra = user_frame();
	struct bare b;

	if (!start_writer(&b, extra))
		return;
	EXPECT_EQ(nucleus_space_protect(b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE, MAP_PROT_READ), 0);
	EXPECT(is_quiet(extra));
	stop(&b);
	bare_destroy(&b);
	give_user_frame(extra);
}

static void clone_reaches_other_cpus(void)
{
	uint64_t extra = user_frame();
	struct bare b;
	uint32_t copy = (uint32_t)nucleus_space_create();

	if (!start_writer(&b, extra))
		return;
	EXPECT_EQ(nucleus_space_clone(copy, b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE, 1), 0);
	EXPECT(is_quiet(extra));
	stop(&b);
	EXPECT_EQ(nucleus_space_unmap(copy, 0, USER_END), 0);
	EXPECT_EQ(nucleus_space_destroy(copy), 0);
	bare_destroy(&b);
	give_user_frame(extra);
}

/* The CPU that asks has the space itself, as the last one that came to it: it must not take itself for the only one. */
static void unmap_reaches_all_that_share(void)
{
	uint64_t extra = user_frame();
	struct bare b;

	if (!start_writer(&b, extra))
		return;
	EXPECT_EQ(nucleus_space_use(b.space), 0);
	EXPECT_EQ(nucleus_space_unmap(b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE), 0);
	EXPECT(is_quiet(extra));
	EXPECT_EQ(nucleus_space_use(0), 0);
	stop(&b);
	bare_destroy(&b);
	give_user_frame(extra);
}

/* Whether the thread runs, and there. */
static bool runs_on(const struct bare *b, uint32_t cpu)
{
	const struct thread_times *t = (const struct thread_times *)call_area();

	return nucleus_thread_get_times(b->handle) == 0 && t->running && t->cpu == cpu;
}

/* The CPU that asks had the space to itself until the process moved on to another. */
static void unmap_reaches_who_has_moved(void)
{
	uint64_t extra = user_frame();
	struct bare b;

	run_on(0);
	if (!start_with_page(&b, bare_writer, BARE_SIZE(writer), 0, extra) ||
	    !EXPECT(WAIT_UNTIL(bare_word(&b, 1) > 1000)))
		return;
	EXPECT_EQ(nucleus_thread_set_affinity(b.handle, 2), 0);
	EXPECT(WAIT_UNTIL(runs_on(&b, 1) && !is_quiet(extra)));
	EXPECT_EQ(nucleus_space_unmap(b.space, EXTRA_VA, EXTRA_VA + PAGE_SIZE), 0);
	EXPECT(is_quiet(extra));
	stop(&b);
	bare_destroy(&b);
	give_user_frame(extra);
}

/* A privileged thread reads its process's memory by its address, and no view is switched between two calls. */
static void replace_reaches_the_own_cpu(void)
{
	uint64_t pfn[2] = {user_frame(), user_frame()};
	uint32_t s = (uint32_t)nucleus_space_create();

	run_on(0);
	window(pfn[0])[0] = 100;
	window(pfn[1])[0] = 101;
	EXPECT_EQ(nucleus_space_map(s, EXTRA_VA, pfn[0], 1, READ_WRITE | MAP_USED), 0);
	EXPECT_EQ(nucleus_space_use(s), 0);
	/* Several times: a preemption in between would hide what is to be seen. */
	for (unsigned i = 0; i < 10; i++) {
		EXPECT_EQ(*(const volatile uint64_t *)EXTRA_VA, 100 + i % 2);
		EXPECT(nucleus_space_replace(s, EXTRA_VA, pfn[(i + 1) % 2], READ_WRITE | MAP_USED) > 0);
	}
	EXPECT_EQ(nucleus_space_use(0), 0);
	EXPECT_EQ(nucleus_space_unmap(s, 0, USER_END), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn[0]);
	give_user_frame(pfn[1]);
}

/* How often the thread has come off a CPU; it has one now if it writes and this stays as it is. */
static uint64_t interruptions(const struct bare *b)
{
	const struct thread_times *t = (const struct thread_times *)call_area();

	EXPECT_EQ(nucleus_thread_get_times(b->handle), 0);
	return t->left + t->preempted;
}

/* Four calls on a thread that writes. False: it did not run all the time between them, and so they say nothing. */
static bool busy_at_each_call(const struct bare *b)
{
	struct user_regs *regs = (struct user_regs *)call_area();
	uint64_t before = interruptions(b), count = bare_word(b, 1);

	if (!EXPECT(WAIT_UNTIL(bare_word(b, 1) != count)))
		return true;
	long get = nucleus_regs_get(b->handle);
	/* Where it is not refused it does no harm: it begins once more. */
	memset(regs, 0, sizeof(*regs));
	bare_regs(regs, CODE_VA, STACK_VA + PAGE_SIZE, DATA_VA);
	long set = nucleus_regs_set(b->handle), fpu = nucleus_fpu_set(b->handle, 0);
	long destroy = nucleus_space_destroy(b->space);

	EXPECT_EQ(destroy, -EBUSY);
	if (interruptions(b) != before)
		return false;
	EXPECT_EQ(get, -EBUSY);
	EXPECT_EQ(set, -EBUSY);
	EXPECT_EQ(fpu, -EBUSY);
	return true;
}

static void running_thread_is_busy(void)
{
	uint64_t extra = user_frame();
	struct bare b;

	if (!start_writer(&b, extra))
		return;
	EVENTUALLY(busy_at_each_call(&b));
	stop(&b);
	bare_destroy(&b);
	give_user_frame(extra);
}

/*
 * More spaces than there are small numbers for them (asid_bits=8), one after the other beside two that go on all the
 * time: each finds its own pages, and keeps them. Frames change hands in another order each time.
 */
static void many_spaces(void)
{
	enum { SPACES = 300, HELD = 7, STEPS = 3 };
	uint64_t extra[2] = {user_frame(), user_frame()}, held[HELD] = {};
	struct bare steady[2], b;

	for (unsigned i = 0; i < 2; i++)
		if (!start_with_page(&steady[i], bare_toucher, BARE_SIZE(toucher), (int)(i % boot_info()->cpu_count),
				     extra[i]))
			return;
	for (unsigned i = 0; i < SPACES; i++) {
		if (held[i % HELD])
			give_user_frame(held[i % HELD]);
		held[i % HELD] = user_frame();
		if (!bare_create(&b, bare_exit, BARE_SIZE(exit), -1))
			return;
		window(b.data_pfn)[0] = i;
		bare_start(&b);
		EXPECT(WAIT_UNTIL(nucleus_thread_get_times(b.handle) == -ESRCH));
		EXPECT_EQ(window(b.data_pfn)[0], i + 1);
		bare_destroy(&b);
		/* They write their pages now and then; the last time after all others. */
		if (i % (SPACES / STEPS) == SPACES / STEPS - 1)
			for (unsigned k = 0; k < 2; k++) {
				uint64_t step = i / (SPACES / STEPS) + 1;

				window(steady[k].data_pfn)[9] = step;
				EXPECT(WAIT_UNTIL(bare_word(&steady[k], 1) == step + 1));
				EXPECT_EQ(window(extra[k])[0], step);
			}
	}
	for (unsigned i = 0; i < HELD; i++)
		give_user_frame(held[i]);
	for (unsigned i = 0; i < 2; i++) {
		bare_destroy(&steady[i]);
		give_user_frame(extra[i]);
	}
}

KTEST_SUITE(process, KTEST("a process runs and ends", runs_and_exits),
	    KTEST("a system call keeps registers, and brings no flags along", registers_over_a_call),
	    KTEST("a thousand system calls", many_calls), KTEST("contexts are kept apart", contexts_are_kept_apart),
	    KTEST("harvest tells what was used", harvest_tells_use),
	    KTEST("many spaces, one after the other", many_spaces),
	    KTEST("a running thread's registers are out of reach", running_thread_is_busy, .min_cpus = 2),
	    KTEST("replace reaches the other CPUs", replace_reaches_other_cpus, .min_cpus = 2),
	    KTEST("unmap reaches the other CPUs", unmap_reaches_other_cpus, .min_cpus = 2),
	    KTEST("protect reaches the other CPUs", protect_reaches_other_cpus, .min_cpus = 2),
	    KTEST("clone reaches the other CPUs", clone_reaches_other_cpus, .min_cpus = 2),
	    KTEST("unmap reaches all CPUs that share a space", unmap_reaches_all_that_share, .min_cpus = 2),
	    KTEST("unmap reaches a process that has moved", unmap_reaches_who_has_moved, .min_cpus = 2),
	    KTEST("replace reaches the own CPU", replace_reaches_the_own_cpu, .modes = IN_DRIVERS));
