/* SPDX-License-Identifier: MIT */
/*
 * arm_features.h - what an AArch64 CPU can do, read out of its identification registers, and what
 * becomes of that where not all CPUs are equal.
 *
 * The kernel decides by the first CPU and what it decided holds for all: another one either lacks
 * something that is in use (then it cannot be used), or both have something in common (then that is
 * used). No allocation, no globals.
 *
 * Specification: Arm Architecture Reference Manual (DDI 0487), D17.2.34 (CTR_EL0), D17.2.36
 * (DCZID_EL0), D17.2.59 to D17.2.70 (ID_AA64*_EL1).
 */
#pragma once

#include <stdint.h>

/* As the CPU gives them. */
struct arm_id_registers {
	uint64_t pfr0, pfr1, isar0, isar1, mmfr0, mmfr1, mmfr2; /* ID_AA64…_EL1 */
	uint64_t ctr, dczid;
};

struct arm_features {
	bool fpu, gic_registers, asid16, pan, bti, e0pd, random;
	bool idc, dic;	     /* instructions need no cleaning of data caches, no forgetting of older ones */
	bool icache_aliases; /* several virtual addresses of a line may be cached separately */
	bool unequal_caches; /* CTR_EL0 is not the same everywhere: programs are told `ctr` instead */
	uint32_t icache_line, dcache_line; /* smallest, bytes */
	uint32_t zero_block;		   /* bytes that DC ZVA clears; 0: may not be used */
	uint32_t physical_bits;
	uint32_t fpu_bytes; /* the nucleus's own: size of saved state */
	uint64_t ctr;	    /* CTR_EL0, or what it would be if the CPUs were one */
};

/* Fills all but fpu_bytes. */
void arm_features_read(const struct arm_id_registers *ids, struct arm_features *f);

/* What a CPU lacks of what is in use, in words; nullptr: nothing. memory_end: the end of RAM. */
[[nodiscard]] const char *arm_features_lacking(const struct arm_features *used, const struct arm_features *own,
					       uint64_t memory_end);

/* Keeps in `used` what that CPU, which lacks nothing, has too: random numbers, and what caches ask for. */
void arm_features_join(struct arm_features *used, const struct arm_features *own);

/* AT_HWCAP and AT_HWCAP2 of programs on that CPU, whose numbers are those of Linux's asm/hwcap.h. */
struct arm_hwcaps {
	uint64_t one, two;
};
[[nodiscard]] struct arm_hwcaps arm_hwcaps(const struct arm_id_registers *ids);
