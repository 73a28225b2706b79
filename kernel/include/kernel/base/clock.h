/* SPDX-License-Identifier: MIT */
/* Clocks, in nanoseconds, from the nucleus's time page. Any context. */
#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ns(void);
/* How long so many ticks of the counter take, which the nucleus counts time in. */
uint64_t clock_ticks_ns(uint64_t ticks);
int64_t clock_realtime_ns(void);
void clock_set_realtime_ns(int64_t now);
void clock_step_realtime(int64_t by_ns);
/* How much faster the real-time clock runs than the monotonic one, in 2^-40 (VDSO_RATE_SHIFT); no step. */
void clock_set_rate(int64_t rate);
/* The monotonic time at which the real-time clock shows date_ns, as it runs now; maybe a little less. Negative: before
 * the machine started. */
int64_t clock_monotonic_at(int64_t date_ns);
/* CLOCK_TAI's distance from it, and the time zone that settimeofday keeps for programs. */
void clock_set_tai(int32_t seconds);
int32_t clock_tai_seconds(void);
void clock_set_zone(int32_t minutes_west, int32_t dst_time);
void clock_zone(int32_t *minutes_west, int32_t *dst_time);

struct timer; /* kernel/thread/timer.h: callbacks run in the timer thread */

/* The page that processes read the date from: write is called at once and at each change, one caller at a time, with a
 * spinlock held. Once, at boot. */
struct vdso_clock;
void clock_set_publisher(void (*write)(const struct vdso_clock *c));

#endif
