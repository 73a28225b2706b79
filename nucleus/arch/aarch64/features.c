/* SPDX-License-Identifier: MIT */
/* Identification registers (DDI 0487, D17.2.53 to D17.2.70): what the nucleus uses itself, and the bits of AT_HWCAP,
 * whose numbers are those of Linux's asm/hwcap.h. */
#include "features.h"
#include "boot/boot.h"
#include "cpu.h"
#include "pte.h"
#include "regs.h"

struct cpu_features cpu_features;
uint64_t pte_guarded;

static uint64_t field(uint64_t value, unsigned shift)
{
	return value >> shift & 15;
}

void arch_detect_cpu(void)
{
	uint64_t mmfr0 = sysreg_read(id_aa64mmfr0_el1), mmfr1 = sysreg_read(id_aa64mmfr1_el1);
	uint64_t mmfr2 = sysreg_read(SYS_ID_AA64MMFR2), ctr = sysreg_read(ctr_el0);
	struct cpu_features *f = &cpu_features;

	f->asid16 = field(mmfr0, 4) == 2;
	f->hw_access = field(mmfr1, 0) >= 1;
	f->hw_dirty = field(mmfr1, 0) >= 2;
	f->pan = field(mmfr1, 20) >= 1;
	f->e0pd = field(mmfr2, 60) >= 1;
	f->bti = field(sysreg_read(id_aa64pfr1_el1), 0) >= 1;
	f->random = field(sysreg_read(id_aa64isar0_el1), 60) >= 1;
	f->idc = ctr >> 28 & 1;
	f->dic = ctr >> 29 & 1;
	f->icache_line = 4u << (ctr & 15);
	f->dcache_line = 4u << (ctr >> 16 & 15);
	f->icache_aliases = (ctr >> 14 & 3) != 3;
	f->fpu_bytes = sizeof(struct user_fpu);
	pte_guarded = f->bti ? (uint64_t)ARM_GUARDED : 0;
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
void features_tell(struct boot_info *info)
{
	static const struct hwcap_row isar0[] = {{4, 1, 3},   {4, 2, 4},   {8, 1, 5},	{12, 1, 6},  {12, 2, 21},
						 {16, 1, 7},  {20, 2, 8},  {28, 1, 12}, {32, 1, 17}, {36, 1, 18},
						 {40, 1, 19}, {44, 1, 20}, {48, 1, 23}, {52, 1, 27}};
	static const struct hwcap_row isar0_2[] = {{52, 2, 7}, {60, 1, 16}};
	static const struct hwcap_row isar1[] = {{0, 1, 16},  {12, 1, 13}, {16, 1, 14},
						 {20, 1, 15}, {20, 2, 26}, {36, 1, 29}};
	static const struct hwcap_row isar1_2[] = {{0, 2, 0}, {32, 1, 8}, {44, 1, 14}, {52, 1, 13}};
	uint64_t i0 = sysreg_read(id_aa64isar0_el1), i1 = sysreg_read(id_aa64isar1_el1);
	uint64_t p0 = sysreg_read(id_aa64pfr0_el1), p1 = sysreg_read(id_aa64pfr1_el1);
	uint64_t m2 = sysreg_read(SYS_ID_AA64MMFR2);

	info->hwcap = COLLECT(i0, isar0) | COLLECT(i1, isar1);
	info->hwcap2 = COLLECT(i0, isar0_2) | COLLECT(i1, isar1_2);
	/* FP and AdvSIMD: 15 is none, 0 without and 1 with half precision. DIT, AT (unaligned atomics), SSBS. */
	if (field(p0, 16) != 15)
		info->hwcap |= 1 << 0 | (field(p0, 16) >= 1 ? 1 << 9 : 0);
	if (field(p0, 20) != 15)
		info->hwcap |= 1 << 1 | (field(p0, 20) >= 1 ? 1 << 10 : 0);
	info->hwcap |= (field(p0, 48) >= 1 ? 1 << 24 : 0) | (field(m2, 32) >= 1 ? 1 << 25 : 0) |
		       (field(p1, 4) >= 2 ? 1 << 28 : 0);
	info->cpu_identity = sysreg_read(midr_el1);
	info->cpu_has_random = cpu_features.random;
	info->fpu_state_bytes = cpu_features.fpu_bytes;
}
