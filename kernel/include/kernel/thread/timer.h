/* SPDX-License-Identifier: MIT */
/* One-shot timers; callbacks run in the timer thread (lowered, may take locks, must be short). */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include <lib/list.h>
#include <stdint.h>

struct timer {
	struct list link;
	uint64_t deadline_ns;
	void (*expire)(struct timer *t);
	bool armed;
};
void timer_init(struct timer *t, void (*expire)(struct timer *t));
void timer_arm(struct timer *t, uint64_t deadline_ns); /* monotonic; re-arms */
bool timer_cancel(struct timer *t);		       /* true: it was armed; on return the callback is not running */

#endif
