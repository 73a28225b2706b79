/* SPDX-License-Identifier: MIT */
/* A kick reaches a thread before its process runs on: also one that is in a system call on another CPU. */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>

static bool spins(void)
{
	return __atomic_load_n(&bare_spins, __ATOMIC_SEQ_CST);
}

/* The kernel hears of it on the way to the process, and takes the mark away: the next call finds none. */
static void kicked_in_a_call(void)
{
	struct bare b;

	run_on(0);
	for (int round = 0; round < 3; round++) {
		__atomic_store_n(&bare_spins, 0, __ATOMIC_SEQ_CST);
		if (!bare_create(&b, bare_spinner, BARE_SIZE(spinner), 1))
			return;
		bare_start(&b);
		EXPECT(WAIT_UNTIL(spins()));
		EXPECT_EQ(nucleus_thread_kick(b.handle), 0);
		__atomic_store_n(&bare_spins, 0, __ATOMIC_SEQ_CST);
		EXPECT(WAIT_UNTIL(nucleus_thread_get_times(b.handle) == -ESRCH));
		EXPECT_EQ(bare_kicked, 0);
		bare_destroy(&b);
	}
}

KTEST_SUITE(kick, KTEST("who is kicked in a system call does not go on first", kicked_in_a_call, .min_cpus = 2));
