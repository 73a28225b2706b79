/* SPDX-License-Identifier: MIT */
/* Gate accounting: each counter rises when, and only when, the thing it counts is done and accounting is on. */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/mem/kmap.h>
#include <lib/string.h>

constexpr uint64_t TIMES = 50;

static struct account_cpu cpu_account(void)
{
	struct account_cpu a = {};

	if (EXPECT_EQ(nucleus_account_read(ACCOUNT_CPU, 0), 0))
		memcpy(&a, call_area(), sizeof(a));
	return a;
}

static struct account_component component_account(void)
{
	struct account_component a = {};

	if (EXPECT_EQ(nucleus_account_read(ACCOUNT_COMPONENT, component_ktest.id), 0))
		memcpy(&a, call_area(), sizeof(a));
	return a;
}

static void control(uint32_t on)
{
	EXPECT_EQ(nucleus_account_control(on), 0);
	/* The other CPUs change over at their next interrupt. */
	sleep_ns(2 * MS);
}

static void elevate(void)
{
	for (uint64_t i = 0; i < TIMES; i++)
		(void)bare_bracket();
}

static void call(void)
{
	for (uint64_t i = 0; i < TIMES; i++)
		(void)nucleus_thread_clear_kick();
}

static struct {
	uint32_t ready, go, over;
} counted;

/* Does nothing that would bring it into the nucleus before it counts. */
static void call_when_told(void *)
{
	__atomic_store_n(&counted.ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&counted.go, __ATOMIC_SEQ_CST))
		;
	call();
	__atomic_store_n(&counted.over, 1, __ATOMIC_SEQ_CST);
}

static uint64_t calls_of(uint32_t cpu)
{
	struct account_cpu a = {};

	if (EXPECT_EQ(nucleus_account_read(ACCOUNT_CPU, cpu), 0))
		memcpy(&a, call_area(), sizeof(a));
	return a.nucleus_call;
}

/* When the call that switches accounting on has returned, all CPUs count: not only once they are interrupted. */
static void other_cpus_count_at_once(void)
{
	run_on(0);
	for (int round = 0; round < 10; round++) {
		counted.ready = counted.go = counted.over = 0;
		uint64_t before = calls_of(1);

		if (!start_thread(call_when_told, nullptr, 1) ||
		    !EXPECT(WAIT_UNTIL(__atomic_load_n(&counted.ready, __ATOMIC_SEQ_CST))))
			return;
		EXPECT_EQ(nucleus_account_control(1), 0);
		__atomic_store_n(&counted.go, 1, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&counted.over, __ATOMIC_SEQ_CST))
			;
		EXPECT(calls_of(1) - before >= TIMES);
		EXPECT_EQ(nucleus_account_control(0), 0);
	}
}

static void spin(uint64_t ns)
{
	uint64_t end = ktest_now() + ns;

	while (ktest_now() < end)
		;
}

/* Of the CPU's count others may have a part: as many as they do on a host that stood still. */
static bool gates_counted_exactly(void)
{
	struct account_cpu before = cpu_account();
	struct account_component mine = component_account();

	elevate();
	call();
	struct account_cpu after = cpu_account();
	struct account_component mine_after = component_account();
	uint64_t calls = after.nucleus_call - before.nucleus_call;

	EXPECT(calls >= TIMES && after.elevate - before.elevate >= TIMES);
	EXPECT_EQ(mine_after.elevate - mine.elevate, TIMES);
	EXPECT(mine_after.nucleus_call - mine.nucleus_call >= TIMES);
	return after.elevate - before.elevate == TIMES && calls < 2 * TIMES;
}

/* Where a thread is privileged at home its brackets and calls do not go through the gate of lowered code in the same
 * way: full only. */
static void gates_counted_while_on(void)
{
	run_on(0);
	control(1);
	EVENTUALLY(gates_counted_exactly());
	control(0);
	struct account_cpu before = cpu_account();

	elevate();
	call();
	struct account_cpu after = cpu_account();

	EXPECT_EQ(after.elevate, before.elevate);
	EXPECT_EQ(after.nucleus_call, before.nucleus_call);
}

/* Other threads may have a part of the time. */
static bool spinning_counts(void)
{
	struct account_cpu before = cpu_account();

	spin(5 * MS);
	call();
	struct account_cpu after = cpu_account();

	EXPECT(after.nucleus_ticks > before.nucleus_ticks);
	/* The test's threads are a component's: lowered except where nothing is. */
	if (boot_info()->mode != MODE_OFF)
		return clock_ticks_ns(after.lowered_ticks - before.lowered_ticks) >= 4 * MS;
	EXPECT_EQ(after.lowered_ticks, before.lowered_ticks);
	return clock_ticks_ns(after.elevated_ticks - before.elevated_ticks) >= 4 * MS;
}

static void times_advance_while_on(void)
{
	run_on(0);
	control(1);
	EVENTUALLY(spinning_counts());
	struct account_cpu before = cpu_account();

	EXPECT(WAIT_UNTIL(cpu_account().idle_ns > before.idle_ns));
	control(0);
	before = cpu_account();
	spin(5 * MS);
	struct account_cpu after = cpu_account();

	EXPECT_EQ(after.lowered_ticks, before.lowered_ticks);
	EXPECT_EQ(after.elevated_ticks, before.elevated_ticks);
	EXPECT_EQ(after.nucleus_ticks, before.nucleus_ticks);
}

/* Every moment of a CPU belongs to one of the five. */
static uint64_t total_ns(const struct account_cpu *a)
{
	return clock_ticks_ns(a->user_ticks + a->lowered_ticks + a->elevated_ticks + a->nucleus_ticks) + a->idle_ns;
}

static void times_add_up(void)
{
	run_on(0);
	control(1);
	uint64_t outer = ktest_now();
	struct account_cpu before = cpu_account();
	uint64_t inner = ktest_now();

	/* Many short sleeps: each ends with an interrupt of the idle CPU. */
	for (uint64_t i = 0; i < TIMES; i++)
		sleep_ns(MS / 10);
	inner = ktest_now() - inner;
	struct account_cpu after = cpu_account();
	outer = ktest_now() - outer;

	EXPECT(after.idle_ns > before.idle_ns);
	EXPECT(total_ns(&after) - total_ns(&before) <= outer);
	EXPECT(total_ns(&after) - total_ns(&before) >= inner / 2);
	control(0);
}

static void run_calls(void)
{
	struct bare b;

	if (!bare_create(&b, bare_calls, BARE_SIZE(calls), 0))
		return;
	window(b.data_pfn)[8] = TIMES;
	bare_start(&b);
	bare_destroy(&b);
}

static void system_calls(void)
{
	run_on(0);
	control(1);
	struct account_cpu before = cpu_account();

	run_calls();
	struct account_cpu after = cpu_account();

	/* The last one does not return, but the first thing the thread did was to go to its process. */
	EXPECT_EQ(after.syscall - before.syscall, TIMES + 1);
	EXPECT_EQ(after.exit - before.exit, TIMES + 1);
	if (boot_info()->mode == MODE_FULL)
		EXPECT(after.view_switch - before.view_switch >= 2 * TIMES);
	EXPECT(after.user_ticks > before.user_ticks);
	control(0);
	before = cpu_account();
	run_calls();
	after = cpu_account();
	EXPECT_EQ(after.syscall, before.syscall);
	EXPECT_EQ(after.exit, before.exit);
	/* Not the thread's switches to and from the process either, which are outside the gates. */
	EXPECT_EQ(after.view_switch, before.view_switch);
}

static void rare_events(void)
{
	uint64_t pfn = kernel_frame(), va = kmap_reserve(1);

	run_on(0);
	struct account_cpu before = cpu_account();

	EXPECT_EQ(nucleus_kmap(va, pfn, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	struct account_cpu after = cpu_account();

	EXPECT(after.tlb_flush > before.tlb_flush);
	uint64_t own = component_account().fault;

	before = cpu_account();
	EXPECT(faults(ACCESS_READ, va));
	after = cpu_account();
	EXPECT_EQ(after.fault - before.fault, 1);
	EXPECT_EQ(component_account().fault - own, 1);
	EXPECT(WAIT_UNTIL(cpu_account().irq > after.irq));
	give_kernel_frame(pfn);
}

KTEST_SUITE(account, KTEST("all CPUs count at once", other_cpus_count_at_once, .min_cpus = 2),
	    KTEST("elevations and nucleus calls count while on", gates_counted_while_on, .modes = IN_FULL | IN_DRIVERS),
	    KTEST("times advance while on", times_advance_while_on, .modes = IN_FULL | IN_DRIVERS),
	    KTEST("the times of a CPU add up to the time", times_add_up),
	    KTEST("system calls count while on", system_calls),
	    KTEST("faults, interrupts and invalidations always count", rare_events));
