/* SPDX-License-Identifier: MIT */
/* Host test of lib/uart_wait.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lib/uart_wait.h>

static unsigned looks, ready_at; /* 0: never */
static struct uart_wait uart;

static bool ready(void)
{
	looks++;
	return ready_at > 0 && looks >= ready_at;
}

static unsigned wait_until(unsigned look)
{
	looks = 0;
	ready_at = look;
	uart_wait(&uart, ready);
	return looks;
}

static void a_live_one_is_waited_for(void **)
{
	uart = (struct uart_wait){};
	assert_int_equal(wait_until(1), 1);
	assert_int_equal(wait_until(700), 700);
	assert_int_equal(wait_until(UART_LOOKS), UART_LOOKS);
	assert_false(uart.dead);
}

static void a_dead_one_is_waited_for_once(void **)
{
	uart = (struct uart_wait){};
	assert_int_equal(wait_until(0), UART_LOOKS);
	assert_true(uart.dead);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(wait_until(0), 1);
}

static void one_that_shows_life_is_waited_for_again(void **)
{
	uart = (struct uart_wait){};
	assert_int_equal(wait_until(0), UART_LOOKS);
	assert_int_equal(wait_until(2), 1);
	assert_int_equal(wait_until(1), 1);
	assert_int_equal(wait_until(300), 300);
	assert_int_equal(wait_until(0), UART_LOOKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_one_is_waited_for),
		cmocka_unit_test(a_dead_one_is_waited_for_once),
		cmocka_unit_test(one_that_shows_life_is_waited_for_again),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
