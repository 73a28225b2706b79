/* SPDX-License-Identifier: MIT */
/*
 * Reading of the ACPI table DMAR (Intel VT-d 4.1, chapter 8): where IOMMUs are, which PCI functions each translates,
 * which memory firmware goes on using by DMA. Bounds-checked; what it says is not believed beyond that.
 *
 * A scope names a function by its way from a bus: a bridge's bus behind each step is known to the bridge alone, and may
 * change, so who asks gives a way to read it.
 */
#ifndef LIB_ACPI_DMAR_H
#define LIB_ACPI_DMAR_H

#include <stddef.h>
#include <stdint.h>

enum { DMAR_UNITS_MAX = 16, DMAR_RANGES_MAX = 16, DMAR_SCOPES_MAX = 128, DMAR_STEPS_MAX = 6 };

enum dmar_scope_kind : uint8_t {
	DMAR_ENDPOINT = 1,
	DMAR_BRIDGE = 2, /* and all that is behind it */
	DMAR_IOAPIC = 3,
	DMAR_HPET = 4,
};
struct dmar_scope {
	enum dmar_scope_kind kind;
	uint8_t id; /* of an I/O APIC: as the MADT has it */
	uint8_t bus, steps;
	uint8_t path[DMAR_STEPS_MAX]; /* device << 3 | function, the last one is the function itself */
};
struct dmar_scopes {
	uint16_t first, count;
};
struct dmar_unit {
	uint64_t base; /* physical address of its registers */
	uint16_t segment;
	bool all; /* of the segment that no other unit has */
	struct dmar_scopes scopes;
};
/* Memory that functions use without being told (RMRR): bytes, whole pages. */
struct dmar_range {
	uint64_t start, end;
	uint16_t segment;
	struct dmar_scopes scopes;
};
struct dmar {
	unsigned address_bits; /* of the machine's addresses */
	bool remaps_interrupts;
	unsigned unit_count, range_count, scope_count;
	struct dmar_unit unit[DMAR_UNITS_MAX];
	struct dmar_range range[DMAR_RANGES_MAX];
	struct dmar_scope scope[DMAR_SCOPES_MAX];
};

/* nullptr: it was read; else what is wrong: malformed, or more than there is room for. */
[[nodiscard]] const char *dmar_parse(const void *table, size_t length, struct dmar *out);

/* What is behind the bridge of that number (<nucleus/device.h>): secondary bus, last bus. false: it is no bridge. */
typedef bool (*dmar_bridge)(uint32_t function, uint8_t *secondary, uint8_t *last);
/* The number of the function that a scope of the segment names; UINT32_MAX: there is none. */
uint32_t dmar_function(const struct dmar_scope *s, uint16_t segment, dmar_bridge bridge);
/* Whether one of the scopes, of the segment, is of that function or has it behind it. */
bool dmar_has(const struct dmar *d, struct dmar_scopes scopes, uint16_t segment, uint32_t function, dmar_bridge bridge);
/* The unit that translates what the function does; nullptr: none. */
const struct dmar_unit *dmar_unit_of(const struct dmar *d, uint32_t function, dmar_bridge bridge);

#endif
