/* SPDX-License-Identifier: MIT */
/*
 * ACPI's IO Remapping Table (DEN 0049E, 3): which translation service takes a PCI function's messages, and which
 * SMMUv3, if any, stands between it and memory.
 */
#ifndef LIB_ARM_IORT_H
#define LIB_ARM_IORT_H

#include <lib/arm_smmu.h>

/* Of a whole IORT whose checksum is right. The services are in `its` before (MADT has them); the SMMUs are added. */
void arm_iort_read(const void *iort, size_t length, struct arm_routes *its, struct arm_smmus *smmus);

#endif
