/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-d: units, what they cache, and interrupts that they remap. vtd.c finds units and keeps their tables of
 * domains, vtd_unit.c is the hardware of one, vtd_interrupts.c the table of interrupts, which all units share.
 */
#ifndef ARCH_VTD_H
#define ARCH_VTD_H

#include <lib/acpi_dmar.h>
#include <stdint.h>

struct iommu_fault;

struct vtd_unit {
	const struct dmar_unit *described;
	volatile void *registers;
	uint64_t cap, ecap;
	uint64_t root;	 /* physical: of its root table */
	uint64_t *queue; /* a page of descriptors */
	uint32_t tail;	 /* the next one */
	bool left_on;	 /* by firmware */
};

extern struct dmar vtd_dmar;
/* For vtd_dmar's scopes. */
bool vtd_bridge(uint32_t function, uint8_t *secondary, uint8_t *last);
extern struct vtd_unit vtd_units[DMAR_UNITS_MAX];
extern unsigned vtd_unit_count;

/* --- vtd_unit.c --- */

/* Maps the registers of the index-th unit. Says why, if it is not usable. */
[[nodiscard]] bool vtd_unit_find(struct vtd_unit *u, unsigned index);
/* Takes it over from firmware, with a root table of which nothing is present and a page for its queue. interrupts: the
 * physical address of a table for these, or 0. Translation is on when it returns. */
void vtd_unit_start(struct vtd_unit *u, uint64_t root, uint64_t queue, uint64_t interrupts);
/* Descriptors are given, and waited for. */
struct vtd_descriptor {
	uint64_t low, high;
};
void vtd_unit_invalidate(struct vtd_unit *u, const struct vtd_descriptor *d, unsigned count);
/* Tables in memory changed so that more is present. */
void vtd_unit_flush_writes(struct vtd_unit *u);
[[nodiscard]] bool vtd_unit_take_fault(struct vtd_unit *u, struct iommu_fault *f);
/* Of `bytes` at `at`, caches have nothing that memory has not. */
void vtd_write_back(const void *at, uint64_t bytes);

/* --- vtd_interrupts.c --- */

/* Boot: interrupts are remapped, if all units can and each I/O APIC has a number to be told by. Result: the table's
 * physical address, or 0. `memory`: two pages for it. */
uint64_t vtd_interrupts_init(uint64_t memory);
/* For the APIC's code: whether interrupts are remapped (else the others may not be called); has the line's entry lead
 * to that vector, for messages of that function alone; for pins of the I/O APIC of that id; no more. */
bool vtd_remaps(void);
void vtd_remap_function(uint32_t line, uint32_t function, uint32_t apic, uint32_t vector);
void vtd_remap_ioapic(uint32_t line, uint32_t id, uint32_t apic, uint32_t vector, bool level);
void vtd_remap_end(uint32_t line);

#endif
