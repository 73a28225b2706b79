/* SPDX-License-Identifier: MIT */
/* No kind of IOMMU of this architecture is driven (iommu/iommu.h). */
#include "iommu/iommu.h"

bool arch_iommu_init(void)
{
	return false;
}
bool arch_iommu_covers(uint32_t)
{
	return false;
}
uint32_t arch_iommu_address_bits(void)
{
	return 0;
}
uint32_t arch_iommu_levels(void)
{
	return 0;
}
uint32_t arch_iommu_domains(void)
{
	return 0;
}
uint64_t arch_iommu_leaf(uint64_t, uint32_t)
{
	return 0;
}
uint64_t arch_iommu_table(uint64_t)
{
	return 0;
}
bool arch_iommu_always(uint32_t, unsigned, struct memory_range *)
{
	return false;
}
void arch_iommu_attach(uint32_t, uint32_t, uint64_t)
{
}
void arch_iommu_lent(uint32_t, uint64_t, uint64_t)
{
}
void arch_iommu_forget(uint32_t, uint64_t, uint64_t)
{
}
void arch_iommu_clean(const void *, uint64_t)
{
}
bool arch_iommu_take_fault(struct iommu_fault *)
{
	return false;
}
