/* SPDX-License-Identifier: MIT */
/* Host test of lib/bpf.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/bpf.h>
#include <linux/bpf_common.h> /* BPF_*: the numbers are checked against others' */

/* What <linux/filter.h> has besides. */
enum : uint16_t { BPF_TAX = 0, BPF_TXA = 0x80, BPF_A = 0x10 };
enum : int {
	SKF_AD_OFF = -0x1000,
	SKF_NET_OFF = -0x100000,
	SKF_LL_OFF = -0x200000,
	SKF_AD_PROTOCOL = 0,
	SKF_AD_PKTTYPE = 4,
	SKF_AD_IFINDEX = 8,
	SKF_AD_NLATTR = 12,
	SKF_AD_HATYPE = 28,
	SKF_AD_CPU = 36,
	SKF_AD_ALU_XOR_X = 40,
	SKF_AD_VLAN_TAG_PRESENT = 48,
	SKF_AD_MAX = 64,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A UDP packet to port 68 in an Ethernet frame. */
static const uint8_t frame[] = {
	2,    0, 0, 0,	0,    1,  2, 0,	 0, 0,	0, 2,  8, 0,	    /* to, from, IPv4 */
	0x45, 0, 0, 32, 0x12, 52, 0, 0,	 9, 17, 0, 0,		    /* 9 hops, UDP */
	10,   0, 2, 2,	10,   0,  2, 15, 0, 67, 0, 68, 0, 12, 0, 0, /* addresses, ports */
	1,    2, 3, 4,
};

static size_t read_bytes(const void *packet, size_t offset, void *to, size_t n)
{
	memcpy(to, (const uint8_t *)packet + offset, n); /* beyond the end the sanitizer sees it */
	return n;
}

static const struct bpf_packet whole = {.read = read_bytes,
					.packet = frame,
					.length = sizeof(frame),
					.network = 14,
					.protocol = 0x800,
					.hardware = 1,
					.index = 7,
					.type = 4,
					.cpu = 3};

static bool check(const struct sock_filter *f, size_t n)
{
	static uint16_t scratch[FILTER_MAX];

	return bpf_check(f, n, scratch);
}

static uint32_t run(const struct sock_filter *f, size_t n)
{
	assert_true(check(f, n));
	return bpf_run(f, n, &whole);
}
#define RUN(...)                                                                                                       \
	({                                                                                                             \
		const struct sock_filter f_[] = {__VA_ARGS__};                                                         \
		run(f_, COUNT(f_));                                                                                    \
	})
#define PASSES(...)                                                                                                    \
	({                                                                                                             \
		const struct sock_filter f_[] = {__VA_ARGS__};                                                         \
		check(f_, COUNT(f_));                                                                                  \
	})
#define S(code, k)	   ((struct sock_filter){(code), 0, 0, (k)})
#define J(code, k, jt, jf) ((struct sock_filter){(code), (jt), (jf), (k)})
#define RETURN_A	   S(BPF_RET | BPF_A, 0)
#define RETURN(k)	   S(BPF_RET | BPF_K, k)

static void loads(void **)
{
	assert_int_equal(RUN(S(BPF_LD | BPF_H | BPF_ABS, 12), RETURN_A), 0x800);
	assert_int_equal(RUN(S(BPF_LD | BPF_W | BPF_ABS, 26), RETURN_A), 0x0a000202);
	assert_int_equal(RUN(S(BPF_LD | BPF_B | BPF_ABS, 23), RETURN_A), 17);
	assert_int_equal(RUN(S(BPF_LDX | BPF_B | BPF_MSH, 14), S(BPF_LD | BPF_H | BPF_IND, 16), RETURN_A), 68);
	assert_int_equal(RUN(S(BPF_LD | BPF_W | BPF_LEN, 0), RETURN_A), sizeof(frame));
	assert_int_equal(RUN(S(BPF_LDX | BPF_W | BPF_LEN, 0), S(BPF_MISC | BPF_TXA, 0), RETURN_A), sizeof(frame));
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, 9), RETURN_A), 9);
	/* By the network's header and by the link's, whatever the program begins with. */
	assert_int_equal(RUN(S(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF + 9), RETURN_A), 17);
	assert_int_equal(RUN(S(BPF_LD | BPF_H | BPF_ABS, (uint32_t)SKF_LL_OFF + 12), RETURN_A), 0x800);
}

static void what_is_outside_ends_it(void **)
{
	const uint32_t end = sizeof(frame);

	assert_int_equal(RUN(S(BPF_LD | BPF_W | BPF_ABS, end - 4), RETURN_A), 0x01020304);
	assert_int_equal(RUN(S(BPF_LD | BPF_W | BPF_ABS, end - 3), RETURN(5)), 0);
	assert_int_equal(RUN(S(BPF_LD | BPF_B | BPF_ABS, end), RETURN(5)), 0);
	assert_int_equal(RUN(S(BPF_LDX | BPF_IMM, UINT32_MAX), S(BPF_LD | BPF_B | BPF_IND, 15), RETURN_A), 0x45);
	assert_int_equal(RUN(S(BPF_LDX | BPF_IMM, UINT32_MAX), S(BPF_LD | BPF_B | BPF_IND, 0), RETURN(5)), 0);
	assert_int_equal(RUN(S(BPF_LDX | BPF_B | BPF_MSH, end), RETURN(5)), 0);
	assert_int_equal(RUN(S(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF + end - 14), RETURN(5)), 0);
	/* Computed, it is no question about the packet. */
	assert_int_equal(RUN(S(BPF_LDX | BPF_IMM, 0), S(BPF_LD | BPF_B | BPF_IND, (uint32_t)SKF_AD_OFF), RETURN(5)), 0);
}

static void without_the_link_header(void **)
{
	const struct sock_filter f[] = {S(BPF_LD | BPF_B | BPF_ABS, 9), RETURN_A};
	const struct sock_filter link[] = {S(BPF_LD | BPF_H | BPF_ABS, (uint32_t)SKF_LL_OFF + 12), RETURN_A};
	const struct sock_filter last[] = {S(BPF_LD | BPF_B | BPF_ABS, sizeof(frame) - 14), RETURN(5)};
	struct bpf_packet p = whole;

	p.begin = 14;
	p.length -= 14;
	assert_true(check(f, COUNT(f)) && check(link, COUNT(link)) && check(last, COUNT(last)));
	assert_int_equal(bpf_run(f, COUNT(f), &p), 17);
	assert_int_equal(bpf_run(link, COUNT(link), &p), 0x800);
	assert_int_equal(bpf_run(last, COUNT(last), &p), 0);
}

#define AD(what) S(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF + (what)), RETURN_A

static void what_is_not_in_the_packet(void **)
{
	assert_int_equal(RUN(AD(SKF_AD_PROTOCOL)), 0x800);
	assert_int_equal(RUN(AD(SKF_AD_PKTTYPE)), 4);
	assert_int_equal(RUN(AD(SKF_AD_IFINDEX)), 7);
	assert_int_equal(RUN(AD(SKF_AD_HATYPE)), 1);
	assert_int_equal(RUN(AD(SKF_AD_CPU)), 3);
	assert_int_equal(RUN(AD(SKF_AD_VLAN_TAG_PRESENT)), 0);
	assert_int_equal(RUN(S(BPF_LDX | BPF_IMM, 5), S(BPF_LD | BPF_IMM, 6), AD(SKF_AD_ALU_XOR_X)), 3);
	assert_false(PASSES(AD(SKF_AD_NLATTR)));
	assert_false(PASSES(AD(SKF_AD_MAX)));
	assert_false(PASSES(AD(1)));
}

static uint32_t alu(uint16_t operation, uint32_t a, uint32_t b)
{
	uint32_t k = RUN(S(BPF_LD | BPF_IMM, a), S((uint16_t)(BPF_ALU | operation | BPF_K), b), RETURN_A);
	uint32_t x = RUN(S(BPF_LDX | BPF_IMM, b), S(BPF_LD | BPF_IMM, a), S((uint16_t)(BPF_ALU | operation | BPF_X), 0),
			 RETURN_A);

	assert_int_equal(k, x);
	return k;
}

static void arithmetic(void **)
{
	assert_int_equal(alu(BPF_ADD, UINT32_MAX, 2), 1);
	assert_int_equal(alu(BPF_SUB, 1, 2), UINT32_MAX);
	assert_int_equal(alu(BPF_MUL, 0x10001, 0x10000), 0x10000);
	assert_int_equal(alu(BPF_DIV, 17, 5), 3);
	assert_int_equal(alu(BPF_MOD, 17, 5), 2);
	assert_int_equal(alu(BPF_AND, 12, 10), 8);
	assert_int_equal(alu(BPF_OR, 12, 10), 14);
	assert_int_equal(alu(BPF_XOR, 12, 10), 6);
	assert_int_equal(alu(BPF_LSH, 3, 31), 0x80000000);
	assert_int_equal(alu(BPF_RSH, 0x80000000, 31), 1);
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, 1), S(BPF_ALU | BPF_NEG, 0), RETURN_A), UINT32_MAX);
	/* By X, which is 0 at first: the program ends. */
	assert_int_equal(RUN(S(BPF_ALU | BPF_DIV | BPF_X, 0), RETURN(5)), 0);
	assert_int_equal(RUN(S(BPF_ALU | BPF_MOD | BPF_X, 0), RETURN(5)), 0);
	assert_false(PASSES(S(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(5)));
	assert_false(PASSES(S(BPF_ALU | BPF_MOD | BPF_K, 0), RETURN(5)));
	assert_false(PASSES(S(BPF_ALU | BPF_LSH | BPF_K, 32), RETURN(5)));
	assert_false(PASSES(S(BPF_ALU | BPF_NEG | BPF_X, 0), RETURN(5)));
	assert_false(PASSES(S(BPF_ALU | 0xb0, 0), RETURN(5)));
}

static uint32_t jump(uint16_t operation, uint32_t a, uint32_t b)
{
	return RUN(S(BPF_LDX | BPF_IMM, b), S(BPF_LD | BPF_IMM, a), J((uint16_t)(BPF_JMP | operation | BPF_X), 0, 1, 0),
		   RETURN(1), J((uint16_t)(BPF_JMP | operation | BPF_K), b, 0, 1), RETURN(2), RETURN(3));
}

static void jumps(void **)
{
	assert_int_equal(jump(BPF_JEQ, 4, 4), 2);
	assert_int_equal(jump(BPF_JEQ, 4, 5), 1);
	assert_int_equal(jump(BPF_JGT, 5, 4), 2);
	assert_int_equal(jump(BPF_JGT, 4, 4), 1);
	assert_int_equal(jump(BPF_JGE, 4, 4), 2);
	assert_int_equal(jump(BPF_JGE, 3, 4), 1);
	assert_int_equal(jump(BPF_JSET, 6, 2), 2);
	assert_int_equal(jump(BPF_JSET, 6, 1), 1);
	assert_int_equal(RUN(S(BPF_JMP | BPF_JA, 1), RETURN(1), RETURN(2)), 2);
	assert_false(PASSES(S(BPF_JMP | BPF_JA, 1), RETURN(1)));
	assert_false(PASSES(S(BPF_JMP | BPF_JA, UINT32_MAX), RETURN(1)));
	assert_false(PASSES(J(BPF_JMP | BPF_JEQ, 0, 1, 0), RETURN(1)));
	assert_false(PASSES(J(BPF_JMP | BPF_JEQ, 0, 0, 1), RETURN(1)));
	assert_false(PASSES(S(BPF_JMP | 0x50, 0), RETURN(1)));
}

static void memory(void **)
{
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, 8), S(BPF_ST, 15), S(BPF_LDX | BPF_MEM, 15), S(BPF_STX, 0),
			     S(BPF_LD | BPF_IMM, 0), S(BPF_LD | BPF_MEM, 0), RETURN_A),
			 8);
	assert_false(PASSES(S(BPF_ST, 16), RETURN(1)));
	assert_false(PASSES(S(BPF_STX, 16), RETURN(1)));
	assert_false(PASSES(S(BPF_ST, 0), S(BPF_LD | BPF_MEM, 16), RETURN(1)));
	/* Nobody reads what was there before. */
	assert_false(PASSES(S(BPF_LD | BPF_MEM, 0), RETURN_A));
	assert_false(PASSES(S(BPF_LDX | BPF_MEM, 3), RETURN_A));
	/* Written on one way only, and on both. */
	assert_false(PASSES(J(BPF_JMP | BPF_JEQ, 0, 0, 1), S(BPF_ST, 2), S(BPF_LD | BPF_MEM, 2), RETURN_A));
	assert_true(PASSES(J(BPF_JMP | BPF_JEQ, 0, 0, 2), S(BPF_ST, 2), S(BPF_JMP | BPF_JA, 1), S(BPF_ST, 2),
			   S(BPF_LD | BPF_MEM, 2), RETURN_A));
	assert_false(PASSES(S(BPF_JMP | BPF_JA, 1), S(BPF_ST, 2), S(BPF_LD | BPF_MEM, 2), RETURN_A));
}

static void what_is_no_program(void **)
{
	static struct sock_filter f[FILTER_MAX + 1];

	assert_false(check(f, 0));
	for (size_t n = 0; n < COUNT(f); n++)
		f[n] = RETURN(1);
	assert_true(check(f, FILTER_MAX));
	assert_false(check(f, FILTER_MAX + 1));
	assert_false(PASSES(S(BPF_LD | BPF_IMM, 1)));
	assert_false(PASSES(S(BPF_LD | BPF_H | BPF_IMM, 1), RETURN(1)));
	assert_false(PASSES(S(BPF_LDX | BPF_W | BPF_ABS, 1), RETURN(1)));
	assert_false(PASSES(S(BPF_LD | BPF_B | BPF_MSH, 1), RETURN(1)));
	assert_false(PASSES(S(BPF_LD | 0x18 | BPF_ABS, 1), RETURN(1)));
	assert_false(PASSES(S(BPF_MISC | 0x10, 1), RETURN(1)));
	assert_false(PASSES(S(BPF_RET | BPF_X, 1)));
	assert_false(PASSES(S(0x100, 1), RETURN(1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),
		cmocka_unit_test(what_is_outside_ends_it),
		cmocka_unit_test(without_the_link_header),
		cmocka_unit_test(what_is_not_in_the_packet),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(jumps),
		cmocka_unit_test(memory),
		cmocka_unit_test(what_is_no_program),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
