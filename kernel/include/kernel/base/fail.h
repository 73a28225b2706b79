/* SPDX-License-Identifier: MIT */
/* Failures of allocations on order, for tests: core/fail.c. All are about the calling thread; any context. */
#ifndef KERNEL_FAIL_H
#define KERNEL_FAIL_H

#include <kernel/base/thread.h>

/* Counts a request for memory; true: it is the one that must fail. */
bool fail_this_one(void);
static inline bool fail_injected(void)
{
	return STELLUX_DEBUG && __builtin_expect(thread_current()->fail_nth != 0, 0) && fail_this_one();
}

void fail_arm(uint32_t nth); /* 0: none fails */
uint32_t fail_armed(void);   /* what is left of nth; 0: it failed, or none was ordered */
/* Requests in between neither count nor fail. Result: for fail_resume. */
[[nodiscard]] bool fail_pause(void);
void fail_resume(bool before);

#endif
