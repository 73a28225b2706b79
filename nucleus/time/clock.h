/* SPDX-License-Identifier: MIT */
/* The monotonic clock: the CPU's counter, scaled. The same numbers are in the shared time page. */
#ifndef NUCLEUS_CLOCK_H
#define NUCLEUS_CLOCK_H

#include <nucleus/upcall.h>
#include <stdint.h>

extern struct time_page *time_page; /* in the image: present in every view */
uint64_t clock_ns(void);
/* No counter gets there. Half the range: in the future for who compares with sign, too. */
enum : uint64_t { CLOCK_COUNTER_MAX = INT64_MAX };
/* The counter's value when the clock of this page reaches ns, at most CLOCK_COUNTER_MAX: a sum that wraps would be a
 * moment in the past, for which a timer rings without end. */
static inline uint64_t clock_counter_by(const struct time_page *t, uint64_t ns)
{
	uint64_t since = ns - t->base_ns, seconds = since / 1000000000;

	if (seconds >= (CLOCK_COUNTER_MAX - t->base) / t->counter_hz)
		return CLOCK_COUNTER_MAX;
	return t->base + seconds * t->counter_hz + since % 1000000000 * t->counter_hz / 1000000000;
}
uint64_t clock_counter_at(uint64_t ns);
/* For those who wait for another CPU: as long as a busy host may keep a virtual CPU from running, and so many looks. A
 * host that stops the whole machine for long takes time from it, but no looks. */
enum : uint64_t { PATIENCE_NS = 10000000000, PATIENCE_LOOKS = 1000000 };
struct patience {
	uint64_t begin_ns, looks;
};
static inline struct patience patience_begin(void)
{
	return (struct patience){.begin_ns = clock_ns()};
}
/* After each look in vain: whether that is enough. */
static inline bool patience_over(struct patience *p)
{
	return ++p->looks > PATIENCE_LOOKS && clock_ns() - p->begin_ns > PATIENCE_NS;
}
/* Boot: the counter runs at hz; now is 0. */
void clock_init(uint64_t hz);

#endif
