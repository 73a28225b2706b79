/* SPDX-License-Identifier: MIT */
/* The monotonic clock: the CPU's counter, scaled. The same numbers are in the shared time page. */
#ifndef NUCLEUS_CLOCK_H
#define NUCLEUS_CLOCK_H

#include <nucleus/upcall.h>
#include <stdint.h>

extern struct time_page *time_page; /* in the image: present in every view */
uint64_t clock_ns(void);
/* The counter's value when the clock reaches ns. */
uint64_t clock_counter_at(uint64_t ns);
/* Boot: the counter runs at hz; now is 0. */
void clock_init(uint64_t hz);

#endif
