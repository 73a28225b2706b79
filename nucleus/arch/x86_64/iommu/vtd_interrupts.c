/* SPDX-License-Identifier: MIT */
/*
 * Interrupts that VT-d remaps (Intel VT-d 4.1, chapter 5): a message names an entry of a table, the line's, and the
 * entry says which vector of which CPU, and of whom it is believed. What names none, or another's, raises nothing.
 * All units share the table. Lock: the nucleus lock, after boot.
 */
#include "apic.h"
#include "device/pci.h"
#include "iommu/vtd.h"
#include "iommu/vtd_registers.h"
#include "irq/irq.h"
#include "mmu/mmu.h"

static uint64_t *table; /* two words an entry; nullptr: they are not remapped */

/* What the I/O APIC of that id is known as to the units. UINT32_MAX: none says. */
static uint32_t ioapic_source(uint32_t id)
{
	for (unsigned i = 0; i < vtd_dmar.unit_count; i++) {
		const struct dmar_unit *u = &vtd_dmar.unit[i];

		for (unsigned n = 0; n < u->scopes.count; n++) {
			const struct dmar_scope *s = &vtd_dmar.scope[u->scopes.first + n];

			if (s->kind == DMAR_IOAPIC && s->id == id)
				return dmar_function(s, u->segment, vtd_bridge);
		}
	}
	return UINT32_MAX;
}

uint64_t vtd_interrupts_init(uint64_t memory)
{
	bool can = vtd_dmar.remaps_interrupts;
	uint32_t id;

	static_assert(IRQS_MAX * 16 == 2 * PAGE_SIZE && 2u << INTERRUPT_TABLE_512 == IRQS_MAX);
	for (unsigned i = 0; i < vtd_unit_count; i++)
		can &= (vtd_units[i].ecap & ECAP_INTERRUPTS) != 0;
	for (unsigned i = 0; apic_io_id(i, &id); i++)
		can &= ioapic_source(id) != UINT32_MAX;
	table = can ? direct_map(memory) : nullptr;
	return can ? memory : 0;
}

bool vtd_remaps(void)
{
	return table;
}

/* The entry is another from here on, and no unit has the one before. */
static void entry_set(uint32_t line, uint64_t low, uint64_t high)
{
	static const struct vtd_descriptor forget = {QUEUE_INTERRUPTS, 0};
	uint64_t *entry = table + 2ull * line;

	__atomic_store_n(&entry[0], 0, __ATOMIC_RELEASE);
	__atomic_store_n(&entry[1], high, __ATOMIC_RELEASE);
	__atomic_store_n(&entry[0], low, __ATOMIC_RELEASE);
	vtd_write_back(entry, 16);
	for (unsigned i = 0; i < vtd_unit_count; i++) {
		vtd_unit_flush_writes(&vtd_units[i]);
		vtd_unit_invalidate(&vtd_units[i], &forget, 1);
	}
}

static uint64_t leads_to(uint32_t apic, uint32_t vector)
{
	return REMAP_PRESENT | (uint64_t)vector << REMAP_VECTOR_SHIFT | (uint64_t)apic << REMAP_APIC_SHIFT;
}

/* Behind a bridge to conventional PCI a message comes under its bus's number, or the bridge's behind it: then those
 * buses are believed. */
void vtd_remap_function(uint32_t line, uint32_t function, uint32_t apic, uint32_t vector)
{
	uint32_t requester = pci_requester(function);
	uint64_t source = requester == function ? REMAP_ONE_SOURCE | (function & 0xffff)
						: REMAP_SOURCE_BUSES | (requester & 0xff00) | (function >> 8 & 0xff);

	entry_set(line, leads_to(apic, vector), source);
}

void vtd_remap_ioapic(uint32_t line, uint32_t id, uint32_t apic, uint32_t vector, bool level)
{
	entry_set(line, leads_to(apic, vector) | (level ? REMAP_LEVEL : 0),
		  REMAP_ONE_SOURCE | (ioapic_source(id) & 0xffff));
}

void vtd_remap_end(uint32_t line)
{
	entry_set(line, 0, 0);
}
