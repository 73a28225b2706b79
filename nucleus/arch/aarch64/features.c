/* SPDX-License-Identifier: MIT */
/* Identification registers, see features.h (DDI 0487, D17.2.34 to D17.2.70). */
#include "features.h"
#include "boot/boot.h"
#include "cpu.h"
#include "frame/frames.h"
#include "pte.h"
#include "regs.h"

struct arm_features cpu_features;
uint64_t pte_guarded;
static struct arm_hwcaps hwcaps; /* of all CPUs */

void features_identify(struct arm_id_registers *ids)
{
	*ids = (struct arm_id_registers){
		.pfr0 = sysreg_read(id_aa64pfr0_el1),
		.pfr1 = sysreg_read(id_aa64pfr1_el1),
		.isar0 = sysreg_read(id_aa64isar0_el1),
		.isar1 = sysreg_read(id_aa64isar1_el1),
		.mmfr0 = sysreg_read(id_aa64mmfr0_el1),
		.mmfr1 = sysreg_read(id_aa64mmfr1_el1),
		.mmfr2 = sysreg_read(SYS_ID_AA64MMFR2),
		.ctr = sysreg_read(ctr_el0),
		.dczid = sysreg_read(dczid_el0),
	};
}

void arch_detect_cpu(void)
{
	struct arm_id_registers ids;

	features_identify(&ids);
	arm_features_read(&ids, &cpu_features);
	hwcaps = arm_hwcaps(&ids);
	cpu_features.fpu_bytes = sizeof(struct user_fpu);
	pte_guarded = cpu_features.bti ? (uint64_t)ARM_GUARDED : 0;
}

const char *features_admit(const struct arm_id_registers *ids)
{
	struct arm_hwcaps caps = arm_hwcaps(ids);
	struct arm_features own;
	const char *lacking;

	arm_features_read(ids, &own);
	lacking = arm_features_lacking(&cpu_features, &own, frame_count << PAGE_SHIFT);
	if (lacking)
		return lacking;
	arm_features_join(&cpu_features, &own);
	hwcaps.one &= caps.one;
	hwcaps.two &= caps.two;
	return nullptr;
}

void features_tell(struct boot_info *info)
{
	info->hwcap = hwcaps.one;
	info->hwcap2 = hwcaps.two;
	info->cpu_identity = sysreg_read(midr_el1);
	info->cpu_has_random = cpu_features.random;
	info->fpu_state_bytes = cpu_features.fpu_bytes;
}

bool features_answered(struct context *c)
{
	/* The syndrome of `mrs xN, ctr_el0` (S3_3_C0_C0_1) but for N: D17.2.37, "ISS encoding for an exception from
	 * MSR, MRS, or System instruction execution". */
	enum : uint64_t {
		READ_CTR = 3 << 20 | 1 << 17 | 3 << 14 | 1 << 0,
		REGISTER_SHIFT = 5,
		REGISTER_MASK = 31,
		ISS_MASK = (1 << 25) - 1,
		ZERO_REGISTER = 31,
		INSTRUCTION_BYTES = 4,
	};
	uint64_t to = c->syndrome >> REGISTER_SHIFT & REGISTER_MASK;

	if (!cpu_features.unequal_caches || (c->syndrome >> ESR_EC_SHIFT & 0x3f) != EC_SYSTEM_REGISTER ||
	    (c->syndrome & ISS_MASK & ~(REGISTER_MASK << REGISTER_SHIFT)) != READ_CTR)
		return false;
	if (to != ZERO_REGISTER)
		c->x[to] = cpu_features.ctr;
	c->pc += INSTRUCTION_BYTES;
	return true;
}
