/* SPDX-License-Identifier: MIT */
/* Clocks, in nanoseconds, from the nucleus's time page. Any context. */
#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ns(void);
int64_t clock_realtime_ns(void);
void clock_set_realtime_ns(int64_t now);

struct timer; /* kernel/timer.h: callbacks run in the timer thread */

#endif
