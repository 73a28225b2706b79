/* SPDX-License-Identifier: MIT */
/*
 * arm_features.c - reads and compares identification registers. See arm_features.h.
 */
#include <lib/arm_features.h>
#include <lib/types.h>

/* Fields of CTR_EL0, by their shifts. */
enum : unsigned { CTR_ICACHE_LINE = 0, CTR_ICACHE_POLICY = 14, CTR_DCACHE_LINE = 16, CTR_IDC = 28, CTR_DIC = 29 };
enum : uint64_t { ICACHE_VIPT = 2, ICACHE_PIPT = 3 };
/* What programs go by: the lines and the two that save maintenance. */
enum : uint64_t { CTR_FOR_PROGRAMS = 15ull << CTR_ICACHE_LINE | 15ull << CTR_DCACHE_LINE | 3ull << CTR_IDC };
enum : uint64_t { DCZID_PROHIBITED = 16 };

static uint64_t field(uint64_t value, unsigned shift)
{
	return value >> shift & 15;
}

/* Some fields count downwards from "not there". */
static bool is_there(uint64_t value, unsigned shift)
{
	return field(value, shift) != 15;
}

void arm_features_read(const struct arm_id_registers *ids, struct arm_features *f)
{
	static const uint8_t physical_bits[] = {32, 36, 40, 42, 44, 48, 52, 56};

	*f = (struct arm_features){
		.fpu = is_there(ids->pfr0, 16) && is_there(ids->pfr0, 20),
		.gic_registers = field(ids->pfr0, 24) >= 1,
		.asid16 = field(ids->mmfr0, 4) == 2,
		.pan = field(ids->mmfr1, 20) >= 1,
		.bti = field(ids->pfr1, 0) >= 1,
		.e0pd = field(ids->mmfr2, 60) >= 1,
		.random = field(ids->isar0, 60) >= 1,
		.idc = ids->ctr >> CTR_IDC & 1,
		.dic = ids->ctr >> CTR_DIC & 1,
		.icache_aliases = (ids->ctr >> CTR_ICACHE_POLICY & 3) != ICACHE_PIPT,
		.icache_line = 4u << field(ids->ctr, CTR_ICACHE_LINE),
		.dcache_line = 4u << field(ids->ctr, CTR_DCACHE_LINE),
		.zero_block = ids->dczid & DCZID_PROHIBITED ? 0 : 4u << (ids->dczid & 15),
		.physical_bits = physical_bits[field(ids->mmfr0, 0) & 7],
		.ctr = ids->ctr,
	};
}

const char *arm_features_lacking(const struct arm_features *used, const struct arm_features *own, uint64_t memory_end)
{
	const struct {
		bool lacks;
		const char *name;
	} table[] = {
		{used->fpu && !own->fpu, "floating point (FP, AdvSIMD)"},
		{used->gic_registers && !own->gic_registers, "the interrupt controller's system registers (GIC)"},
		{used->asid16 && !own->asid16, "16-bit address-space numbers (ASIDBits)"},
		{used->pan && !own->pan, "PAN"},
		{used->bti && !own->bti, "BTI"},
		{used->e0pd && !own->e0pd, "E0PD"},
		/* Code that read the size on one CPU may run on another. */
		{used->zero_block != own->zero_block, "DC ZVA blocks of the same size (DCZID_EL0)"},
		{own->physical_bits < 64 && memory_end > 1ull << own->physical_bits,
		 "addresses for all memory (PARange)"},
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].lacks)
			return table[i].name;
	return nullptr;
}

static uint64_t line_field(uint32_t bytes)
{
	return (uint64_t)__builtin_ctz(bytes / 4);
}

void arm_features_join(struct arm_features *used, const struct arm_features *own)
{
	used->random &= own->random;
	if ((used->ctr ^ own->ctr) & CTR_FOR_PROGRAMS)
		used->unequal_caches = true;
	used->idc &= own->idc;
	used->dic &= own->dic;
	used->icache_aliases |= own->icache_aliases;
	used->icache_line = MIN(used->icache_line, own->icache_line);
	used->dcache_line = MIN(used->dcache_line, own->dcache_line);
	used->ctr &= ~(uint64_t)(CTR_FOR_PROGRAMS | 3ull << CTR_ICACHE_POLICY);
	used->ctr |= line_field(used->icache_line) << CTR_ICACHE_LINE |
		     line_field(used->dcache_line) << CTR_DCACHE_LINE | (uint64_t)used->idc << CTR_IDC |
		     (uint64_t)used->dic << CTR_DIC |
		     (used->icache_aliases ? ICACHE_VIPT : ICACHE_PIPT) << CTR_ICACHE_POLICY;
}

struct hwcap_row {
	uint8_t shift, least, bit;
};

static uint64_t collect(uint64_t value, const struct hwcap_row *rows, unsigned n)
{
	uint64_t caps = 0;

	for (unsigned i = 0; i < n; i++)
		if (field(value, rows[i].shift) >= rows[i].least)
			caps |= 1ull << rows[i].bit;
	return caps;
}
#define COLLECT(value, rows) collect(value, rows, sizeof(rows) / sizeof(rows[0]))

/* Field, least value, bit. Nothing that the nucleus keeps off (SVE, SME, MTE, pointer authentication, BTI) or does not
 * emulate (CPUID). */
struct arm_hwcaps arm_hwcaps(const struct arm_id_registers *ids)
{
	static const struct hwcap_row isar0[] = {{4, 1, 3},   {4, 2, 4},   {8, 1, 5},	{12, 1, 6},  {12, 2, 21},
						 {16, 1, 7},  {20, 2, 8},  {28, 1, 12}, {32, 1, 17}, {36, 1, 18},
						 {40, 1, 19}, {44, 1, 20}, {48, 1, 23}, {52, 1, 27}};
	static const struct hwcap_row isar0_2[] = {{52, 2, 7}, {60, 1, 16}};
	static const struct hwcap_row isar1[] = {{0, 1, 16},  {12, 1, 13}, {16, 1, 14},
						 {20, 1, 15}, {20, 2, 26}, {36, 1, 29}};
	static const struct hwcap_row isar1_2[] = {{0, 2, 0}, {32, 1, 8}, {44, 1, 14}, {52, 1, 13}};
	struct arm_hwcaps caps = {
		.one = COLLECT(ids->isar0, isar0) | COLLECT(ids->isar1, isar1),
		.two = COLLECT(ids->isar0, isar0_2) | COLLECT(ids->isar1, isar1_2),
	};

	/* FP and AdvSIMD: 15 is none, 0 without and 1 with half precision. DIT, AT (unaligned atomics), SSBS. */
	if (is_there(ids->pfr0, 16))
		caps.one |= 1 << 0 | (field(ids->pfr0, 16) >= 1 ? 1 << 9 : 0);
	if (is_there(ids->pfr0, 20))
		caps.one |= 1 << 1 | (field(ids->pfr0, 20) >= 1 ? 1 << 10 : 0);
	caps.one |= (field(ids->pfr0, 48) >= 1 ? 1 << 24 : 0) | (field(ids->mmfr2, 32) >= 1 ? 1 << 25 : 0) |
		    (field(ids->pfr1, 4) >= 2 ? 1 << 28 : 0);
	return caps;
}
