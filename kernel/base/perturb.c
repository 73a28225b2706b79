/* SPDX-License-Identifier: MIT */
/*
 * A thread that lost its CPU between two instructions shows what no other run shows: that somebody took "it is told"
 * for "it is finished". On an idle machine that happens once in a thousand runs. Here the seed chooses a quarter of all
 * places that let a lock go or have just woken a thread, and who passes there is held up for up to some milliseconds,
 * but not again before many times as long has passed: so places that are passed all the time are held up as evenly as
 * those that are passed seldom, and a loop under a lock (who wakes a thousand) is not held up at each turn.
 */
#include "perturb.h"

#if STELLUX_DEBUG

#include <arch/cpu_relax.h>
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/log.h>
#include <kernel/base/thread.h>

enum : uint32_t { PLACES = 1024, CHOSEN_OF = 4 };
enum : uint64_t { SHORTEST_NS = 50'000, LOCKED_NS = 200'000, COST = 40 };

uint32_t perturb_seed;
uint64_t perturb_count;

static struct {
	uint64_t passes, next_ns; /* atomic; of all sites whose hash this is */
} places[PLACES];

/* splitmix64's mixing step (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void perturb_hold_up(const void *site)
{
	uint64_t of_site = mix((uint64_t)site + ((uint64_t)perturb_seed << 32));
	uint32_t at = of_site % PLACES;

	if (of_site / PLACES % CHOSEN_OF != 0)
		return;
	uint64_t pass = __atomic_fetch_add(&places[at].passes, 1, __ATOMIC_RELAXED);
	uint64_t dice = mix(of_site + pass);
	uint64_t now = clock_monotonic_ns();

	if (dice % 4 == 0 || __atomic_load_n(&places[at].next_ns, __ATOMIC_RELAXED) > now)
		return;
	/* 50 us to 6.4 ms, small ones as often as large ones. */
	uint64_t length = SHORTEST_NS << dice / 4 % 8;
	bool locked = thread_page_current()->preempt_count > 0;
	if (locked && length > LOCKED_NS)
		length = LOCKED_NS;
	__atomic_fetch_add(&perturb_count, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&places[at].next_ns, now + length * COST, __ATOMIC_RELAXED);
	while (clock_monotonic_ns() - now < length) {
		if (locked)
			cpu_relax();
		else
			thread_yield();
	}
}

void perturb_init(void)
{
	char value[12];
	uint64_t seed = 0;

	if (cmdline_get("perturb", value, sizeof(value)) == nullptr)
		return;
	for (const char *c = value; *c != '\0'; c++)
		seed = *c >= '0' && *c <= '9' && seed <= UINT32_MAX ? seed * 10 + (uint64_t)(*c - '0') : UINT64_MAX;
	if (seed == 0 || seed > UINT32_MAX) {
		log_warn("perturb=%s: not a number from 1 to %u; nothing is held up", value, UINT32_MAX);
		return;
	}
	log_info("perturb: threads are held up as seed %u says", (uint32_t)seed);
	__atomic_store_n(&perturb_seed, (uint32_t)seed, __ATOMIC_RELAXED);
}

#endif
