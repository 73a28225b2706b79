/* SPDX-License-Identifier: MIT */
/* What smmu_setup.c (bring-up) and smmu_v3.c (domains, faults) share of the SMMUs. Lock: the nucleus lock after boot.
 */
#ifndef ARCH_SMMU_H
#define ARCH_SMMU_H

#include "device/pci.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "smmu_registers.h"
#include "table_memory.h"
#include <lib/arm_smmu.h>

enum : uint32_t { SMMU_PATIENCE = 10000000 /* looks at a register */, SMMU_COMMANDS_MIN = 64 /* room in the queue */ };

extern struct smmu {
	bool stopped /* what it does not translate is aborted */, works, coherent, two_levels;
	uint64_t phys, streams, commands, events; /* physical */
	uint64_t stream_end;
	uint32_t address_code; /* of IDR5: bits of an address */
	uint32_t commands_shift, events_shift;
	uint32_t errors_told;
	uint32_t command_at, event_at; /* with the bit that tells laps apart */
} smmus[ARM_TARGETS_MAX];	       /* as platform.smmu has them */
extern uint64_t smmu_contexts;	       /* descriptors by domain's number - 1, of all SMMUs; physical, a page */

/* At most SMMU_COMMANDS_MIN with the last one, which waits until those before are done, and accesses that used what
 * they end (4.8). false: the SMMU does not take them. */
void smmu_command(struct smmu *s, uint64_t first, uint64_t second);
[[nodiscard]] bool smmu_synchronise(struct smmu *s);

/* It is on: what all can is what it can, too. */
void smmu_works(struct smmu *s);

static inline volatile void *smmu_at(const struct smmu *s, enum smmu_register offset)
{
	return device_window(s->phys + offset);
}

/* Waits until the bits of the mask are so. */
[[nodiscard]] static inline bool smmu_settles(const struct smmu *s, enum smmu_register offset, uint32_t mask,
					      uint32_t value)
{
	for (uint32_t i = 0; i < SMMU_PATIENCE; i++)
		if ((mmio_read32(smmu_at(s, offset), 0) & mask) == value)
			return true;
	return false;
}

/* What was written there is seen by the SMMU; what it wrote can be read. */
static inline void smmu_publish(const struct smmu *s, const void *what, uint64_t bytes)
{
	if (s->coherent)
		dsb_sy();
	else
		table_memory_publish(what, bytes);
}

#endif
