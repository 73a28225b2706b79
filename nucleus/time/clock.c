/* SPDX-License-Identifier: MIT */
/*
 * Clock arithmetic: a 64-bit counter difference times mult, through a 128-bit product. Rate and base never change after
 * boot: the counter is constant-rate on every machine we accept.
 */
#include "time/clock.h"
#include "regs.h"

static _Alignas(4096) union {
	struct time_page page;
	unsigned char bytes[4096];
} shared;
struct time_page *time_page = &shared.page;

void clock_init(uint64_t hz)
{
	uint32_t shift = 32;

	/* ns = ticks * (10^9 / hz): as many fraction bits as keep mult below 2^32. 10^9 << 32 still fits into 64 bits.
	 */
	while (shift > 0 && ((1000000000ull << shift) / hz) >> 32)
		shift--;
	shared.page = (struct time_page){
		.shift = shift, .mult = (1000000000ull << shift) / hz, .base = counter_read(), .counter_hz = hz};
}

uint64_t clock_ns(void)
{
	const struct time_page *t = time_page;

	return t->base_ns + (uint64_t)(((unsigned __int128)(counter_read() - t->base) * t->mult) >> t->shift);
}

uint64_t clock_counter_at(uint64_t ns)
{
	return clock_counter_by(time_page, ns);
}
