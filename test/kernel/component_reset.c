/* SPDX-License-Identifier: MIT */
/* A restart resets the data of a component that says so, when nobody is inside or leads there. */
#include "ktest.h"

#include "../kernel_component/scratch.h"

#include <abi/errno.h>
#include <kernel/thread/component.h>
#include <kernel/thread/guard.h>
#include <lib/types.h>

uint32_t scratch_starts, scratch_stops;

static uint64_t *volatile registered; /* what a component must not leave with others */

static long call(long (*fn)(void *), void *arg)
{
	return guard_call(&component_scratch, fn, arg);
}

static uint64_t bss_used(void)
{
	uint64_t used = 0;

	for (size_t i = 0; i < ARRAY_LEN(scratch_bss); i++)
		used += scratch_bss[i] != 0;
	return used;
}

static void data_are_those_of_the_image(void)
{
	uint32_t starts = scratch_starts, stops = scratch_stops, resets = component_scratch.resets;

	EXPECT(starts > 0);
	for (int round = 0; round < 2; round++) {
		EXPECT_EQ(call(scratch_change, nullptr), SCRATCH_FIRST + 1);
		EXPECT_EQ(call(scratch_change, nullptr), SCRATCH_FIRST + 2);
		EXPECT_EQ(bss_used(), ARRAY_LEN(scratch_bss));
		EXPECT_EQ(component_restart(&component_scratch), 0);
		EXPECT_EQ(scratch_data, SCRATCH_FIRST);
		EXPECT_EQ(bss_used(), 0);
	}
	EXPECT_EQ(scratch_starts, starts + 2);
	EXPECT_EQ(scratch_stops, stops + 2);
	EXPECT_EQ(component_scratch.resets, resets + 2);
}

static void a_fault_leaves_nobody_inside(void)
{
	uint32_t resets = component_scratch.resets;

	EXPECT_EQ(call(scratch_change, nullptr), SCRATCH_FIRST + 1);
	EXPECT_EQ(call(scratch_fault, nullptr), -EFAULT);
	EXPECT_EQ(component_scratch.inside, 0);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&component_scratch.resets, __ATOMIC_ACQUIRE) > resets));
	EXPECT_EQ(scratch_data, SCRATCH_FIRST);
}

static uint32_t may_leave, who_left, ended;

static void stay(void *)
{
	(void)call(scratch_stay, &may_leave);
	__atomic_store_n(&who_left, 1, __ATOMIC_RELEASE);
}

static void end_inside(void *)
{
	struct guard g;

	(void)guard_push(&g, &component_scratch);
	__atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
	thread_exit();
}

static void data_stay_while_somebody_is_inside(void)
{
	uint32_t resets = component_scratch.resets;

	may_leave = who_left = ended = 0;
	struct thread *t = start_thread(stay, nullptr, -1);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&scratch_data, __ATOMIC_ACQUIRE) == SCRATCH_FIRST + 1));
	EXPECT_EQ(component_restart(&component_scratch), 0);
	EXPECT_EQ(scratch_data, SCRATCH_FIRST + 1);
	EXPECT_EQ(component_scratch.resets, resets);
	EXPECT_EQ(call(scratch_change, nullptr), SCRATCH_FIRST + 2);
	__atomic_store_n(&may_leave, 1, __ATOMIC_RELEASE);
	if (t != nullptr)
		thread_unpark(t);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&who_left, __ATOMIC_ACQUIRE) != 0));
	/* Who ends inside is not inside. */
	(void)start_thread(end_inside, nullptr, -1);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&ended, __ATOMIC_ACQUIRE) != 0));
	EXPECT(WAIT_UNTIL(__atomic_load_n(&component_scratch.inside, __ATOMIC_ACQUIRE) == 0));
	EXPECT_EQ(component_restart(&component_scratch), 0);
	EXPECT_EQ(scratch_data, SCRATCH_FIRST);
}

static void nobody_comes_in_meanwhile(void)
{
	__atomic_store_n(&component_scratch.closed, true, __ATOMIC_SEQ_CST);
	EXPECT_EQ(call(scratch_change, nullptr), -EFAULT);
	EXPECT_EQ(component_scratch.inside, 0);
	__atomic_store_n(&component_scratch.closed, false, __ATOMIC_SEQ_CST);
	EXPECT_EQ(scratch_data, SCRATCH_FIRST);
}

static bool debug_build(void)
{
	return STELLUX_DEBUG;
}

static void data_stay_while_others_lead_there(void)
{
	uint32_t resets = component_scratch.resets;

	EXPECT_EQ(call(scratch_change, nullptr), SCRATCH_FIRST + 1);
	registered = &scratch_bss[599];
	EXPECT_EQ(component_restart(&component_scratch), 0);
	EXPECT_EQ(scratch_data, SCRATCH_FIRST + 1);
	EXPECT_EQ(component_scratch.resets, resets);
	registered = nullptr;
	EXPECT_EQ(component_restart(&component_scratch), 0);
	EXPECT_EQ(scratch_data, SCRATCH_FIRST);
}

static bool restarted(uint32_t before)
{
	return WAIT_UNTIL(__atomic_load_n(&component_scratch.restarts, __ATOMIC_ACQUIRE) != before);
}

/* After each fault in a row it begins anew later than after the one before; after too many it stays down until it is
 * asked for. */
static void later_each_time_and_not_for_ever(void)
{
	struct component *c = &component_scratch;
	uint64_t pause = MS;

	EXPECT_EQ(component_restart(c), 0);
	for (int n = 0; n < 6; n++, pause *= 2) {
		uint64_t since = ktest_now();
		uint32_t before = c->restarts;

		EXPECT_EQ(call(scratch_fault, nullptr), -EFAULT);
		EXPECT(restarted(before));
		EXPECT(ktest_now() - since >= pause);
		EXPECT(!c->down);
	}
	/* The others have pauses of seconds together. */
	c->row = (struct fault_row){.count = FAULTS_IN_ROW_MAX - 1, .last_ns = ktest_now()};
	uint32_t before = c->restarts;
	EXPECT_EQ(call(scratch_fault, nullptr), -EFAULT);
	EXPECT(restarted(before));
	EXPECT(!c->down);
	before = c->restarts;
	c->row.last_ns = ktest_now();
	EXPECT_EQ(call(scratch_fault, nullptr), -EFAULT);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&c->down, __ATOMIC_ACQUIRE)));
	EXPECT_EQ(call(scratch_fault, nullptr), -EFAULT);
	sleep_ns(20 * MS);
	EXPECT(c->down);
	EXPECT_EQ(c->restarts, before);
	EXPECT_EQ(component_restart(c), 0);
	EXPECT(!c->down);
	EXPECT_EQ(c->restarts, before + 1);
	before = c->restarts;
	EXPECT_EQ(call(scratch_fault, nullptr), -EFAULT);
	EXPECT(restarted(before));
}

KTEST_SUITE(component_reset, KTEST("data and bss are those of the image", data_are_those_of_the_image),
	    KTEST("after a fault, too, which leaves nobody inside", a_fault_leaves_nobody_inside),
	    KTEST("after faults in a row later each time, and not for ever", later_each_time_and_not_for_ever),
	    KTEST("not while somebody is inside", data_stay_while_somebody_is_inside),
	    KTEST("nobody comes in meanwhile", nobody_comes_in_meanwhile),
	    KTEST("not while others lead there, in debug builds", data_stay_while_others_lead_there,
		  .fits = debug_build));
