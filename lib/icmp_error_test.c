/* SPDX-License-Identifier: MIT */
/* Host test of lib/icmp_error.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <abi/errno.h>
#include <lib/icmp_error.h>

static const uint8_t refused4[] = {
	3,    3,    0, 0,  0,  0, 0,	0,		 /* port unreachable */
	0x45, 0,    0, 29, 0,  0, 0x40, 0, 64, 17, 0, 0, /* a whole UDP packet */
	10,   0,    0, 1,  10, 0, 0,	2,		 /* from, to */
	0x12, 0x34, 0, 53,				 /* ports */
};

static void a_refused_port(void **)
{
	struct icmp_error e;

	assert_true(icmp4_error_parse(refused4, sizeof(refused4), &e));
	assert_int_equal(e.error, -ECONNREFUSED);
	assert_true(e.is_final);
	assert_int_equal(e.protocol, 17);
	assert_memory_equal(e.from, refused4 + 20, 4);
	assert_memory_equal(e.to, refused4 + 24, 4);
	assert_int_equal(e.from_port, 0x1234);
	assert_int_equal(e.to_port, 53);
}

static void what_is_cut_is_none(void **)
{
	struct icmp_error e;

	for (size_t n = 0; n < sizeof(refused4); n++)
		assert_false(icmp4_error_parse(refused4, n, &e));
}

static bool with(size_t at, uint8_t value, struct icmp_error *e)
{
	uint8_t m[sizeof(refused4)];

	memcpy(m, refused4, sizeof(m));
	m[at] = value;
	return icmp4_error_parse(m, sizeof(m), e);
}

static void other_messages_of_version_4(void **)
{
	struct icmp_error e;

	assert_false(with(0, 8, &e));	  /* an echo request */
	assert_false(with(8, 0x55, &e));  /* of no version 4 */
	assert_false(with(8, 0x44, &e));  /* a header shorter than one */
	assert_false(with(8, 0x46, &e));  /* and one longer than what came */
	assert_false(with(8 + 7, 1, &e)); /* a later fragment */
	assert_true(with(1, 1, &e));
	assert_true(e.error == -EHOSTUNREACH && !e.is_final);
	assert_true(with(1, 4, &e));
	assert_true(e.error == -EMSGSIZE && !e.is_final);
	assert_true(with(1, 200, &e));
	assert_true(e.error == -EHOSTUNREACH && !e.is_final);
	assert_true(with(0, 12, &e));
	assert_true(e.error == -EPROTO && e.is_final && e.type == 12 && e.info == refused4[4]);
	assert_true(with(4, 7, &e));
	assert_true(e.info == 0 && e.inner == 8 && e.behind == 28);
	assert_true(with(0, 11, &e));
	assert_true(e.error == -EHOSTUNREACH && !e.is_final);
}

static void version_6(void **)
{
	uint8_t m[8 + 40 + 8] = {1, 4};
	struct icmp_error e;

	m[8] = 0x60;
	m[8 + 6] = 17;
	m[8 + 8 + 15] = 1;
	m[8 + 24 + 15] = 2;
	m[8 + 40 + 1] = 7;
	m[8 + 40 + 3] = 9;
	assert_true(icmp6_error_parse(m, sizeof(m), &e));
	assert_true(e.error == -ECONNREFUSED && e.is_final && e.protocol == 17);
	assert_true(e.from[15] == 1 && e.to[15] == 2 && e.from_port == 7 && e.to_port == 9);
	assert_false(icmp6_error_parse(m, 8 + 40 + 3, &e));
	m[0] = 2;
	m[6] = 5;
	assert_true(icmp6_error_parse(m, sizeof(m), &e));
	assert_true(e.error == -EMSGSIZE && e.mtu == 0x500 && e.info == 0x500 && e.type == 2 && e.code == 4);
	assert_true(e.inner == 8 && e.behind == 48);
	m[0] = 128;
	assert_false(icmp6_error_parse(m, sizeof(m), &e));
	m[0] = 1;
	m[8] = 0x45;
	assert_false(icmp6_error_parse(m, sizeof(m), &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_port),
		cmocka_unit_test(what_is_cut_is_none),
		cmocka_unit_test(other_messages_of_version_4),
		cmocka_unit_test(version_6),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
