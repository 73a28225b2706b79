/* SPDX-License-Identifier: MIT */
/*
 * Failures on order, in debug builds: a thread that wrote N to /proc/self/fail-nth finds that the Nth request for
 * memory from then on fails, as if there were none: of the heap, of pages, of kernel stacks, and of the nucleus. Tests
 * count N up until a call succeeds without, and look for what the failed ones left behind (doc/proc.md). Page faults of
 * the process itself do not count: they could only kill it.
 */
#include <kernel/base/fail.h>

bool fail_this_one(void)
{
	struct thread *t = thread_current();

	if (t->fail_nth == 0 || t->fail_paused)
		return false;
	return --t->fail_nth == 0;
}

bool fail_pause(void)
{
	struct thread *t = thread_current();
	bool before = t->fail_paused;

	t->fail_paused = true;
	return before;
}

void fail_resume(bool before)
{
	thread_current()->fail_paused = before;
}

void fail_arm(uint32_t nth)
{
	thread_current()->fail_nth = nth;
}

uint32_t fail_armed(void)
{
	return thread_current()->fail_nth;
}
