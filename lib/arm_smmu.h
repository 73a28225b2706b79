/* SPDX-License-Identifier: MIT */
/*
 * The IOMMUs of kind SMMUv3 (IHI 0070) that an ARM machine has, and which PCI functions' reads and writes each of them
 * translates, by a device tree (bindings iommu/arm,smmu-v3.yaml and pci/pci-iommu.txt of Linux) or by ACPI's IORT.
 */
#ifndef LIB_ARM_SMMU_H
#define LIB_ARM_SMMU_H

#include <lib/arm_interrupt.h>
#include <lib/arm_routes.h>

struct arm_smmus {
	struct arm_routes routes; /* the ids are StreamIDs */
	struct arm_smmu_wires {
		struct arm_interrupt event, error; /* id 0: none */
	} wires[ARM_TARGETS_MAX];		   /* by the target's index */
	unsigned reserved; /* memory that devices of the firmware's go on using (IORT's RMR nodes) */
};

#endif
