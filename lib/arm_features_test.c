/* SPDX-License-Identifier: MIT */
/*
 * Host tests for lib/arm_features.c: what a CPU must have to be used beside the first one, what all have in common.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arm_features.c"

constexpr uint64_t GIB = 1ull << 30;

/* As of a Cortex-A53, of a Cortex-A57, and of a CPU that has all that is used (their technical reference manuals,
 * "Identification registers"; DDI 0500, DDI 0488). */
static const struct arm_id_registers a53 = {
	.pfr0 = 0x2222, .isar0 = 0x11120, .mmfr0 = 0x1122, .ctr = 0x84448004, .dczid = 4};
static const struct arm_id_registers a57 = {
	.pfr0 = 0x2222, .isar0 = 0x11120, .mmfr0 = 0x1124, .ctr = 0x8444c004, .dczid = 4};
static const struct arm_id_registers all = {
	.pfr0 = 0x0001000001112222,
	.pfr1 = 0x21,
	.isar0 = 0x1021111110212120,
	.mmfr0 = 0x1125,
	.mmfr1 = 0x00300002,
	.mmfr2 = 1ull << 60 | 1ull << 32,
	.ctr = 0xb444c004,
	.dczid = 4,
};

static const char *lacking(const struct arm_id_registers *first, const struct arm_id_registers *other, uint64_t end)
{
	struct arm_features a, b;

	arm_features_read(first, &a);
	arm_features_read(other, &b);
	return arm_features_lacking(&a, &b, end);
}

static void test_read(void **)
{
	struct arm_features f;

	arm_features_read(&a53, &f);
	assert_true(f.fpu && f.asid16 && f.icache_aliases);
	assert_false(f.pan || f.bti || f.e0pd || f.random || f.idc || f.dic || f.gic_registers || f.unequal_caches);
	assert_int_equal(f.icache_line, 64);
	assert_int_equal(f.dcache_line, 64);
	assert_int_equal(f.zero_block, 64);
	assert_int_equal(f.physical_bits, 40);
	arm_features_read(&all, &f);
	assert_true(f.fpu && f.asid16 && f.pan && f.bti && f.e0pd && f.random && f.idc && f.dic && f.gic_registers);
	assert_false(f.icache_aliases);
	assert_int_equal(f.physical_bits, 48);
	arm_features_read(&(struct arm_id_registers){.dczid = 0x14, .pfr0 = 0xff0000}, &f);
	assert_int_equal(f.zero_block, 0);
	assert_false(f.fpu);
}

static void test_equal_lack_nothing(void **)
{
	assert_null(lacking(&a53, &a53, GIB));
	assert_null(lacking(&all, &all, GIB));
	/* More is no harm. */
	assert_null(lacking(&a53, &a57, GIB));
	assert_null(lacking(&a57, &a53, GIB));
	assert_null(lacking(&a57, &all, GIB));
}

/* Each thing that is in use, taken away alone, is what is named. */
static void test_each_is_named(void **)
{
	static const struct {
		size_t where;
		uint64_t keep, set;
		const char *name;
	} cases[] = {
		{offsetof(struct arm_id_registers, pfr0), ~0xf0000ull, 0xf0000, "floating point"},
		{offsetof(struct arm_id_registers, pfr0), ~0xf00000ull, 0xf00000, "floating point"},
		{offsetof(struct arm_id_registers, pfr0), ~0xf000000ull, 0, "GIC"},
		{offsetof(struct arm_id_registers, mmfr0), ~0xf0ull, 0, "ASID"},
		{offsetof(struct arm_id_registers, mmfr1), ~0xf00000ull, 0, "PAN"},
		{offsetof(struct arm_id_registers, pfr1), ~0xfull, 0, "BTI"},
		{offsetof(struct arm_id_registers, mmfr2), ~(15ull << 60), 0, "E0PD"},
		{offsetof(struct arm_id_registers, dczid), 0, 5, "DC ZVA"},
		{offsetof(struct arm_id_registers, dczid), 0, 0x14, "DC ZVA"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arm_id_registers less = all;
		uint64_t *field = (uint64_t *)((char *)&less + cases[i].where);
		const char *name;

		*field = (*field & cases[i].keep) | cases[i].set;
		name = lacking(&all, &less, GIB);
		assert_non_null(name);
		assert_non_null(strstr(name, cases[i].name));
	}
}

/* What each CPU does for itself, or leaves, is no reason: hardware's notes in page tables, random numbers. */
static void test_not_named(void **)
{
	struct arm_id_registers less = all;

	less.mmfr1 &= ~0xfull;
	less.isar0 = 0;
	assert_null(lacking(&all, &less, GIB));
}

static void test_memory(void **)
{
	assert_non_null(strstr(lacking(&a57, &a53, (1ull << 40) + 1), "PARange"));
	assert_null(lacking(&a57, &a53, 1ull << 40));
}

static void test_join_equal(void **)
{
	struct arm_features used, own;

	arm_features_read(&all, &used);
	arm_features_read(&all, &own);
	arm_features_join(&used, &own);
	assert_false(used.unequal_caches);
	assert_true(used.idc && used.dic && used.random);
	assert_true(used.ctr == all.ctr);
}

static void test_join_caches(void **)
{
	struct arm_id_registers small = a57;
	struct arm_features used, own;

	/* 32 and 16 bytes a line, no IDC, no DIC, aliases. */
	small.ctr = 0x84428003;
	arm_features_read(&all, &used);
	arm_features_read(&small, &own);
	arm_features_join(&used, &own);
	assert_true(used.unequal_caches);
	assert_int_equal(used.dcache_line, 16);
	assert_int_equal(used.icache_line, 32);
	assert_false(used.idc || used.dic || used.random);
	assert_true(used.icache_aliases);
	assert_true(used.ctr == 0x84428003);
	/* In whichever order they come. */
	arm_features_read(&small, &used);
	arm_features_read(&all, &own);
	arm_features_join(&used, &own);
	assert_true(used.unequal_caches && used.ctr == 0x84428003);
	assert_int_equal(used.dcache_line, 16);
}

/* An A53 beside an A57 has the same lines: programs see the register itself, the nucleus minds the aliases. */
static void test_join_policy(void **)
{
	struct arm_features used, own;

	arm_features_read(&a57, &used);
	arm_features_read(&a53, &own);
	arm_features_join(&used, &own);
	assert_true(used.icache_aliases);
	assert_false(used.unequal_caches);
}

static void test_hwcaps(void **)
{
	struct arm_hwcaps caps = arm_hwcaps(&a53);

	/* fp, asimd, aes, pmull, sha1, sha2, crc32 */
	assert_true(caps.one == (1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7) && caps.two == 0);
	caps = arm_hwcaps(&all);
	assert_true(caps.one >> 8 & 1);	 /* atomics */
	assert_true(caps.two >> 16 & 1); /* rng */
	assert_true(arm_hwcaps(&(struct arm_id_registers){.pfr0 = 0xff0000}).one == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	      cmocka_unit_test(test_equal_lack_nothing),
		cmocka_unit_test(test_each_is_named), cmocka_unit_test(test_not_named),
		cmocka_unit_test(test_memory),	      cmocka_unit_test(test_join_equal),
		cmocka_unit_test(test_join_caches),   cmocka_unit_test(test_join_policy),
		cmocka_unit_test(test_hwcaps),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
