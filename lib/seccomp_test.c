/* SPDX-License-Identifier: MIT */
/* Host test of lib/seccomp.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/seccomp.h>
#include <linux/bpf_common.h> /* BPF_*: the numbers are checked against others' */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool looks;

static bool check(const struct sock_filter *f, size_t n)
{
	static uint16_t scratch[FILTER_MAX];

	return seccomp_check(f, n, scratch, &looks);
}

/* Whether one instruction, and a return behind it, may run. */
static bool check_one(uint16_t code, uint32_t k)
{
	const struct sock_filter f[] = {{BPF_ST, 0, 0, 3}, {code, 0, 0, k}, {BPF_RET | BPF_K, 0, 0, 0}};

	return check(f, COUNT(f));
}

static void loads(void **)
{
	for (uint32_t k = 0; k < 80; k++)
		assert_true(check_one(BPF_LD | BPF_W | BPF_ABS, k) == (k % 4 == 0 && k < 64));
	assert_false(check_one(BPF_LD | BPF_W | BPF_ABS, 0xfffff000u)); /* SKF_AD_PROTOCOL */
	assert_false(check_one(BPF_LD | BPF_H | BPF_ABS, 0));
	assert_false(check_one(BPF_LD | BPF_B | BPF_ABS, 0));
	assert_false(check_one(BPF_LD | BPF_W | BPF_IND, 0));
	assert_false(check_one(BPF_LDX | BPF_B | BPF_MSH, 0));
	assert_false(check_one(BPF_LDX | BPF_W | BPF_ABS, 0));
	assert_true(check_one(BPF_LD | BPF_IMM, 9));
	assert_true(check_one(BPF_LDX | BPF_IMM, 9));
	assert_true(check_one(BPF_LD | BPF_W | BPF_LEN, 0));
	assert_true(check_one(BPF_LDX | BPF_W | BPF_LEN, 0));
	assert_true(check_one(BPF_LD | BPF_MEM, 3));
	assert_false(check_one(BPF_LD | BPF_MEM, 4)); /* not written */
}

static void arithmetic(void **)
{
	static const uint16_t known[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
					 BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH};

	for (size_t n = 0; n < COUNT(known); n++) {
		assert_true(check_one(BPF_ALU | known[n] | BPF_K, 1));
		assert_true(check_one(BPF_ALU | known[n] | BPF_X, 0));
	}
	assert_true(check_one(BPF_ALU | BPF_NEG, 0));
	assert_false(check_one(BPF_ALU | BPF_MOD | BPF_K, 3));
	assert_false(check_one(BPF_ALU | BPF_MOD | BPF_X, 0));
	assert_false(check_one(BPF_ALU | BPF_DIV | BPF_K, 0));
}

static void ends(void **)
{
	const struct sock_filter f[] = {{BPF_JMP | BPF_JA, 0, 0, 1}, {BPF_RET | BPF_K, 0, 0, 0}};

	assert_false(check(f, 0));
	assert_false(check(f, 1));
	assert_false(check(f, 2)); /* leads beyond the end */
	assert_true(check(f + 1, 1));
	assert_false(looks);
}

static void the_call_is_looked_at(void **)
{
	struct seccomp_data d = {.number = 39, .arch = 0xc000003e, .instruction = 0x1122334455667788};
	for (uint32_t n = 0; n < 6; n++)
		d.arguments[n] = 0xa0000000b0000000u + n * 0x100000001u;

	for (uint32_t k = 0; k < 64; k += 4) {
		const struct sock_filter f[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, k}, {BPF_RET | 0x10, 0, 0, 0}};
		uint32_t word;

		assert_true(check(f, 2));
		assert_true(looks == (k == 8 || k == 12));
		memcpy(&word, (const char *)&d + k, sizeof(word));
		assert_int_equal(seccomp_run(f, 2, &d), word);
	}
	const struct sock_filter length[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_RET | 0x10, 0, 0, 0}};
	assert_int_equal(seccomp_run(length, 2, &d), 64);
	/* What is divided by 0 is killed. */
	const struct sock_filter zero[] = {{BPF_ALU | BPF_DIV | BPF_X, 0, 0, 0},
					   {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
	assert_true(check(zero, 2));
	assert_int_equal(seccomp_run(zero, 2, &d), SECCOMP_RET_KILL_THREAD);
}

static void the_stricter_holds(void **)
{
	static const uint32_t order[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
					 SECCOMP_RET_ERRNO,	   SECCOMP_RET_USER_NOTIF,  SECCOMP_RET_TRACE,
					 SECCOMP_RET_LOG,	   SECCOMP_RET_ALLOW};

	for (size_t a = 0; a < COUNT(order); a++)
		for (size_t b = 0; b < COUNT(order); b++)
			assert_int_equal(seccomp_stricter(order[a] | 1, order[b] | 2),
					 a <= b ? order[a] | 1 : order[b] | 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(ends),
		cmocka_unit_test(the_call_is_looked_at),
		cmocka_unit_test(the_stricter_holds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
