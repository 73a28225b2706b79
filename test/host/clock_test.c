/* SPDX-License-Identifier: MIT */
/* Host test of nucleus/time/clock.h: a deadline becomes the counter's value, and a far one never a value in the past.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nucleus/time/clock.h"

static const uint64_t speeds[] = {1000000, 19200000, 62500000, 1000000000, 4000000000};
static const uint64_t bases[] = {0, 12345, 1ull << 40, 1ull << 60};
constexpr uint64_t SECOND = 1000000000;

static void for_each_clock(void (*try)(const struct time_page *))
{
	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		for (size_t k = 0; k < sizeof(bases) / sizeof(bases[0]); k++)
			try(&(struct time_page){.counter_hz = speeds[i], .base = bases[k]});
}

static void near_deadlines(const struct time_page *t)
{
	assert_int_equal(clock_counter_by(t, 0), t->base);
	assert_int_equal(clock_counter_by(t, SECOND), t->base + t->counter_hz);
	assert_int_equal(clock_counter_by(t, 3 * SECOND / 2), t->base + t->counter_hz + t->counter_hz / 2);
	/* A year. */
	assert_int_equal(clock_counter_by(t, 31536000 * SECOND), t->base + 31536000 * t->counter_hz);
}

static void far_deadlines(const struct time_page *t)
{
	uint64_t last = 0;

	for (unsigned shift = 0; shift < 64; shift++) {
		uint64_t at = clock_counter_by(t, UINT64_MAX >> (63 - shift));

		assert_true(at >= t->base && at >= last && at <= CLOCK_COUNTER_MAX);
		last = at;
	}
	for (uint64_t less = 0; less < 1ull << 40; less = 2 * less + 1)
		assert_true(clock_counter_by(t, UINT64_MAX - less) >= last - 2048 * t->counter_hz);
}

static void test_near(void **)
{
	for_each_clock(near_deadlines);
}

static void test_far(void **)
{
	for_each_clock(far_deadlines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_far),
	};

	return cmocka_run_group_tests_name("clock", tests, nullptr, nullptr);
}
