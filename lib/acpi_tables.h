/* SPDX-License-Identifier: MIT */
/*
 * Reading of the two static ACPI tables that are needed before a real ACPI interpreter runs: the root (RSDP, RSDT/XSDT)
 * and the MADT (ACPI 6.5, 5.2.5 to 5.2.12). Bounds-checked; memory is reached only through the caller's `map`.
 */
#ifndef LIB_ACPI_TABLES_H
#define LIB_ACPI_TABLES_H

#include <stddef.h>
#include <stdint.h>

/* Gives readable memory for [phys, phys+size), or nullptr. */
typedef const void *(*acpi_map)(uint64_t phys, size_t size);

/* The table with this 4-letter signature; its whole length is mapped and its checksum right. nullptr: none. */
const void *acpi_find_table(uint64_t rsdp_phys, const char signature[4], acpi_map map, size_t *length);

struct madt_ioapic {
	uint64_t phys;
	uint32_t id, gsi_base;
};
struct madt_override {
	uint8_t isa_irq;
	uint32_t gsi;
	bool active_low, level;
};
enum { MADT_IOAPICS_MAX = 8, MADT_OVERRIDES_MAX = 24 };
struct madt {
	uint64_t lapic_phys;
	unsigned ioapic_count, override_count;
	struct madt_ioapic ioapic[MADT_IOAPICS_MAX];
	struct madt_override override[MADT_OVERRIDES_MAX];
};
struct acpi_range {
	uint64_t start, end;
};
enum { ACPI_GUARDED_MAX = 32 };
/* Registers that can write memory or send interrupts, as the tables DMAR (Intel VT-d 4.1, chapter 8), IVRS (AMD IOMMU
 * 3.08, 5.2) and HPET (IA-PC HPET 1.0a, 3.2.4) say: how many ranges. Were there more than fit, the last has the rest,
 * and what is between. */
unsigned acpi_find_guarded(uint64_t rsdp_phys, acpi_map map, struct acpi_range out[ACPI_GUARDED_MAX]);
/* false: malformed. */
[[nodiscard]] bool madt_parse(const void *table, size_t length, struct madt *out);

#endif
