/* SPDX-License-Identifier: MIT */
/*
 * IOMMUs of x86_64 (iommu/iommu.h): Intel VT-d, in its legacy mode with tables of second level (Intel VT-d 4.1,
 * chapters 3.4, 8 and 9). Each unit has a root table of its own, with a context table for each bus that somebody
 * claimed something on; these stay. The numbers of domains, and the width of addresses, are what all units can.
 */
#include "iommu/vtd.h"
#include "boot/boot.h"
#include "device/pci.h"
#include "iommu/iommu.h"
#include "iommu/vtd_registers.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include <lib/acpi_tables.h>

struct dmar vtd_dmar;
struct vtd_unit vtd_units[DMAR_UNITS_MAX];
unsigned vtd_unit_count;

static struct vtd_unit *unit_of_domain[IOMMU_DOMAINS_MAX + 1];
static unsigned levels;
static uint32_t address_bits, domain_numbers;
static bool coherent; /* all units look into caches */

bool vtd_bridge(uint32_t function, uint8_t *secondary, uint8_t *last)
{
	if ((pci_register(function, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK) != PCI_HEADER_BRIDGE)
		return false;
	*secondary = (uint8_t)pci_register(function, PCI_SECONDARY_BUS, 1);
	*last = (uint8_t)pci_register(function, PCI_SUBORDINATE_BUS, 1);
	return *secondary != 0;
}

static struct vtd_unit *unit_of(uint32_t function)
{
	const struct dmar_unit *u = dmar_unit_of(&vtd_dmar, function, vtd_bridge);

	return u ? &vtd_units[u - vtd_dmar.unit] : nullptr;
}

/* --- boot --- */

static bool read_table(void)
{
	size_t length;
	const void *table = acpi_find_table(boot_state.rsdp_phys, "DMAR", kernel_view_firmware, &length);
	const char *wrong = table ? dmar_parse(table, length, &vtd_dmar) : nullptr;

	if (wrong)
		log_printf("iommu: the firmware's DMAR table is not used: %s\n", wrong);
	return table && !wrong && vtd_dmar.unit_count;
}

/* All units, or none: what one of them leaves open is open. */
static bool find_units(void)
{
	uint64_t sagaw = CAP_THREE_LEVELS | CAP_FOUR_LEVELS;

	address_bits = vtd_dmar.address_bits;
	domain_numbers = IOMMU_DOMAINS_MAX;
	coherent = true;
	for (unsigned i = 0; i < vtd_dmar.unit_count; i++) {
		struct vtd_unit *u = &vtd_units[i];
		uint32_t numbers;

		u->described = &vtd_dmar.unit[i];
		if (!vtd_unit_find(u, i))
			return false;
		sagaw &= u->cap;
		numbers = (16u << 2 * (u->cap & CAP_DOMAINS)) - 1; /* 0 is left out: it may have a meaning (6.1) */
		address_bits = MIN(address_bits, cap_address_bits(u->cap));
		domain_numbers = MIN(domain_numbers, numbers);
		coherent &= u->ecap & ECAP_COHERENT;
	}
	levels = sagaw & CAP_FOUR_LEVELS ? 4 : 3;
	address_bits = MIN(address_bits, PAGE_SHIFT + 9 * levels);
	if (!sagaw)
		log_printf("iommu: the units have no width of addresses in common, and are not used\n");
	vtd_unit_count = vtd_dmar.unit_count;
	return sagaw;
}

static void tell_reserved(void)
{
	for (unsigned i = 0; i < vtd_dmar.range_count; i++)
		log_printf(
			"iommu: %lx to %lx is reserved for devices of firmware, which reach it while they are claimed\n",
			vtd_dmar.range[i].start, vtd_dmar.range[i].end);
}

bool arch_iommu_init(void)
{
	uint64_t memory, interrupts;
	bool left_on = false;

	if (!read_table() || !find_units())
		return false;
	/* The table of interrupts, then a root table and a queue for each unit. */
	memory = frame_block_take();
	if (!memory) {
		log_printf("iommu: no memory for its tables\n");
		return false;
	}
	interrupts = vtd_interrupts_init(memory);
	memory += 2 * PAGE_SIZE;
	for (unsigned i = 0; i < vtd_unit_count; i++, memory += 2 * PAGE_SIZE) {
		vtd_unit_start(&vtd_units[i], memory, memory + PAGE_SIZE, interrupts);
		left_on |= vtd_units[i].left_on;
	}
	log_printf("iommu: VT-d, %u unit%s%s, %u bits of address, %u domains, interrupts %s\n", vtd_unit_count,
		   vtd_unit_count == 1 ? "" : "s", left_on ? " that firmware had left on" : "", address_bits,
		   domain_numbers, interrupts ? "remapped" : "not remapped: a device can forge their messages");
	tell_reserved();
	return true;
}

/* --- what the common half asks --- */

bool arch_iommu_covers(uint32_t *requester)
{
	return unit_of(*requester);
}

const char *arch_iommu_uncovered(uint32_t)
{
	return "no IOMMU is before it, so it reaches all memory";
}

uint32_t arch_iommu_address_bits(void)
{
	return address_bits;
}
uint32_t arch_iommu_levels(void)
{
	return levels;
}
uint32_t arch_iommu_domains(void)
{
	return domain_numbers;
}

uint64_t arch_iommu_leaf(uint64_t phys, uint32_t access)
{
	return phys | (access & DMA_ACCESS_READ ? SECOND_READ : 0) | (access & DMA_ACCESS_WRITE ? SECOND_WRITE : 0);
}
uint64_t arch_iommu_table(uint64_t phys)
{
	return phys | SECOND_READ | SECOND_WRITE;
}

bool arch_iommu_always(uint32_t requester, unsigned index, struct memory_range *r)
{
	for (const struct dmar_range *d = vtd_dmar.range; d < vtd_dmar.range + vtd_dmar.range_count; d++) {
		if (!dmar_has(&vtd_dmar, d->scopes, d->segment, requester, vtd_bridge) || index--)
			continue;
		*r = (struct memory_range){d->start, d->end};
		return true;
	}
	return false;
}

void arch_iommu_clean(const void *at, uint64_t bytes)
{
	if (!coherent)
		vtd_write_back(at, bytes);
}

static void store(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	arch_iommu_clean(at, sizeof(*at));
}

/* The requester's entry in the context table of its bus, which is made if there is none. */
static uint64_t *context_entry(struct vtd_unit *u, uint32_t requester)
{
	uint64_t *root = (uint64_t *)direct_map(u->root) + 2 * (requester >> 8 & 0xff);

	if (!*root) {
		uint64_t phys = frame_table_alloc(0, 0);

		frames[phys >> PAGE_SHIFT] = (struct frame){.type = FRAME_IOMMU};
		arch_iommu_clean(direct_map(phys), PAGE_SIZE);
		store(root, phys | ENTRY_PRESENT);
	}
	return (uint64_t *)direct_map(align_down(*root, PAGE_SIZE)) + 2 * (requester & 0xff);
}

void arch_iommu_attach(uint32_t requester, uint32_t domain, uint64_t root)
{
	/* It ends where it began: a bridge that was pulled out names nothing behind it any more. */
	struct vtd_unit *u = unit_of_domain[domain] = root ? unit_of(requester) : unit_of_domain[domain];
	uint64_t *entry = context_entry(u, requester);
	struct vtd_descriptor forget[] = {
		{QUEUE_CONTEXT, 0}, {QUEUE_IOTLB | QUEUE_IOTLB_DOMAIN | (uint64_t)domain << QUEUE_DOMAIN_SHIFT, 0}};

	store(&entry[0], 0);
	store(&entry[1],
	      (levels == 4 ? CONTEXT_FOUR_LEVELS : CONTEXT_THREE_LEVELS) | (uint64_t)domain << CONTEXT_DOMAIN_SHIFT);
	if (root)
		store(&entry[0], root | ENTRY_PRESENT);
	vtd_unit_flush_writes(u);
	vtd_unit_invalidate(u, forget, 2);
}

void arch_iommu_lent(uint32_t domain, uint64_t address, uint64_t pages)
{
	struct vtd_unit *u = unit_of_domain[domain];

	if (u->cap & CAP_CACHES_ABSENT)
		arch_iommu_forget(domain, address, pages);
	else
		vtd_unit_flush_writes(u);
}

void arch_iommu_forget(uint32_t domain, uint64_t address, uint64_t pages)
{
	struct vtd_unit *u = unit_of_domain[domain];
	struct vtd_descriptor d = {.low = QUEUE_IOTLB | (uint64_t)domain << QUEUE_DOMAIN_SHIFT};
	uint64_t bits = 0;

	/* A power of two of pages, at a multiple of itself, that has them all. */
	while (bits <= cap_mask_max(u->cap) &&
	       align_down(address, PAGE_SIZE << bits) + (PAGE_SIZE << bits) < address + pages * PAGE_SIZE)
		bits++;
	if (u->cap & CAP_PAGE_SELECTIVE && bits <= cap_mask_max(u->cap)) {
		d.low |= QUEUE_IOTLB_PAGES;
		d.high = align_down(address, PAGE_SIZE << bits) | bits;
	} else {
		d.low |= QUEUE_IOTLB_DOMAIN;
	}
	vtd_unit_flush_writes(u);
	vtd_unit_invalidate(u, &d, 1);
}

bool arch_iommu_take_fault(struct iommu_fault *f)
{
	for (unsigned i = 0; i < vtd_unit_count; i++)
		if (vtd_unit_take_fault(&vtd_units[i], f))
			return true;
	return false;
}
