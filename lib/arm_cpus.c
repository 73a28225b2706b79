/* SPDX-License-Identifier: MIT */
/*
 * arm_cpus.c - reads CPUs out of ACPI's tables or the device tree. See arm_cpus.h.
 */
#include <lib/arm_cpus.h>
#include <lib/devicetree.h>
#include <lib/string.h>

/* The affinity fields of MPIDR_EL1: Aff3, Aff2 to Aff0. */
constexpr uint64_t AFFINITY = 0xff00ffffff;

/* Offsets in the MADT and in its GICC entries. */
enum {
	MADT_FIRST_ENTRY = 44,
	GICC_TYPE = 11,
	GICC_UID = 8,
	GICC_FLAGS = 12,
	GICC_MPIDR = 68,
	GICC_BYTES = 76, /* shorter ones, of ACPI 5.0, have no MPIDR */
};
constexpr uint32_t GICC_ENABLED = 1;

enum { FADT_ARM_BOOT_ARCH = 129 };
constexpr uint16_t ARM_BOOT_PSCI = 1 << 0, ARM_BOOT_PSCI_HVC = 1 << 1;

bool arm_cpu_next_in_madt(const void *madt, size_t length, size_t *at, struct arm_cpu *cpu)
{
	const unsigned char *table = madt;

	if (*at == 0)
		*at = MADT_FIRST_ENTRY;
	while (*at + 2 <= length) {
		const unsigned char *entry = table + *at;
		size_t size = entry[1];

		if (size < 2 || size > length - *at)
			return false;
		*at += size;
		if (entry[0] == GICC_TYPE && size >= GICC_BYTES) {
			uint32_t flags;

			*cpu = (struct arm_cpu){};
			memcpy(&cpu->uid, entry + GICC_UID, sizeof(cpu->uid));
			memcpy(&flags, entry + GICC_FLAGS, sizeof(flags));
			memcpy(&cpu->mpidr, entry + GICC_MPIDR, sizeof(cpu->mpidr));
			cpu->mpidr &= AFFINITY;
			cpu->usable = flags & GICC_ENABLED;
			return true;
		}
	}
	return false;
}

struct arm_cpu_start arm_cpu_start_from_fadt(const void *fadt, size_t length)
{
	struct arm_cpu_start start = {.conduit = ARM_PSCI_NONE};
	uint16_t flags;

	if (length < FADT_ARM_BOOT_ARCH + sizeof(flags))
		return start;
	memcpy(&flags, (const unsigned char *)fadt + FADT_ARM_BOOT_ARCH, sizeof(flags));
	if (flags & ARM_BOOT_PSCI) {
		start.conduit = flags & ARM_BOOT_PSCI_HVC ? ARM_PSCI_HVC : ARM_PSCI_SMC;
		start.cpu_on = ARM_PSCI_CPU_ON;
	}
	return start;
}

bool arm_cpu_next_in_devicetree(const void *fdt, int *node, struct arm_cpu *cpu)
{
	struct devicetree_cpu found;

	*node = devicetree_cpu(fdt, *node, &found);
	if (*node < 0)
		return false;
	*cpu = (struct arm_cpu){
		.mpidr = found.id & AFFINITY,
		.usable = found.method != ENABLE_UNKNOWN,
		.release_address = found.release_address,
	};
	return true;
}

struct arm_cpu_start arm_cpu_start_from_devicetree(const void *fdt)
{
	static const char *const standard[] = {"arm,psci-1.0", "arm,psci-0.2", nullptr}, *const old[] = {"arm,psci",
													 nullptr};
	struct arm_cpu_start start = {.cpu_on = ARM_PSCI_CPU_ON};
	int node = devicetree_find(fdt, -1, standard);
	const char *method;

	/* Version 0.1 had no numbers of its own; the tree gives them. */
	if (node < 0) {
		node = devicetree_find(fdt, -1, old);
		if (node < 0 || !devicetree_u32(fdt, node, "cpu_on", &start.cpu_on))
			return (struct arm_cpu_start){.conduit = ARM_PSCI_NONE};
	}
	method = devicetree_string(fdt, node, "method");
	if (method != nullptr && strcmp(method, "hvc") == 0)
		start.conduit = ARM_PSCI_HVC;
	else if (method != nullptr && strcmp(method, "smc") == 0)
		start.conduit = ARM_PSCI_SMC;
	else
		return (struct arm_cpu_start){.conduit = ARM_PSCI_NONE};
	return start;
}
