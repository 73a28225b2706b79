/* SPDX-License-Identifier: MIT */
/*
 * Which addresses lead to a root bus: where there is a device tree, it says so. ACPI's static tables do not (a root
 * bridge's _CRS takes an AML interpreter): there it is the memory below 4 GiB from the first to the last address that
 * firmware gave anything of that root, without what the memory map keeps for others and what a PC has at fixed places;
 * the nucleus refuses RAM, its devices and what is claimed besides. Ranges in which CPUs and functions use different
 * addresses are left out, but for ports: a machine whose CPUs have none shows them in memory, and where, only a device
 * tree says.
 */
#include "pci_internal.h"

#include <arch/portio.h>
#include <kernel/base/log.h>
#include <lib/pci_ranges.h>
#include <lib/types.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>

/* From here on a PC has its interrupt controllers, timers and flash memory, whatever tables say (Intel 64 and IA-32
 * Architectures SDM, volume 3, 11.4.1; I/O Controller Hub 9, 9.4). */
constexpr uint64_t CHIPSET = 0xfec00000;
constexpr struct pci_window CLOSED = {.base = UINT64_MAX};

static void by_tree(const void *fdt, int node, struct pci_windows *out)
{
	struct pci_range r;
	bool more = true;

	for (unsigned i = 0; more; i++) {
		if (!pci_range_from_devicetree(fdt, node, i, &r, &more) || r.cpu != r.bus)
			continue;
		struct pci_window w = {.base = r.cpu, .limit = r.cpu + r.size - 1};
		bool low = w.limit < END_OF_32_BITS;

		/* Of several the first. What has 64 bits is for those BARs that a bridge would let have them, too. */
		if (r.kind == PCI_RANGE_MEMORY && low && !r.prefetchable && out->memory.base > out->memory.limit)
			out->memory = w;
		else if ((r.kind == PCI_RANGE_MEMORY || r.kind == PCI_RANGE_MEMORY_64) &&
			 out->prefetchable.base > out->prefetchable.limit)
			out->prefetchable = w;
	}
}

void pci_root_reserve(void)
{
	const struct boot_info *boot = boot_info();
	unsigned index = 0;

	for (uint32_t i = 0; i < boot->reserved_count; i++)
		if (boot->reserved[i].end > boot->reserved[i].start)
			pci_reserve(index++, boot->reserved[i].start, boot->reserved[i].end - boot->reserved[i].start);
	for (uint32_t i = 0; i < boot->pci_count; i++)
		if (boot->pci[i].phys != 0)
			pci_reserve(index++, boot->pci[i].phys,
				    (uint64_t)(boot->pci[i].last_bus - boot->pci[i].first_bus + 1) << 20);
}

/* What went leaves its place to others. */
static struct pci_window ever_placed(const struct pci_ecam *p)
{
	static struct pci_window of_root[PCI_ECAMS_MAX];
	struct pci_window *ever = &of_root[p - boot_info()->pci];
	uint32_t segment = (uint32_t)p->segment << 16;
	struct pci_window now =
		pci_span(segment | (uint32_t)p->first_bus << 8, segment | (uint32_t)p->last_bus << 8 | 0xff,
			 ARCH_HAS_PORTS ? CHIPSET : END_OF_32_BITS);

	if (ever->limit == 0)
		*ever = CLOSED;
	if (now.base <= now.limit) {
		ever->base = MIN(ever->base, now.base);
		ever->limit = MAX(ever->limit, now.limit);
	}
	return *ever;
}

void pci_root_windows(const struct pci_ecam *p, struct pci_windows *out)
{
	const void *fdt;
	int node = pci_host_node(p->segment, &fdt);

	*out = (struct pci_windows){.io = CLOSED, .memory = CLOSED, .prefetchable = CLOSED};
	if (node >= 0)
		by_tree(fdt, node, out);
	else
		out->memory = ever_placed(p);
}

void pci_root_tell_ports(const struct pci_ecam *p)
{
	const void *fdt;
	int node = ARCH_HAS_PORTS ? -1 : pci_host_node(p->segment, &fdt);
	struct pci_range r;
	bool more = node >= 0;

	for (unsigned i = 0; more; i++)
		if (pci_range_from_devicetree(fdt, node, i, &r, &more) && r.kind == PCI_RANGE_IO &&
		    (r.bus > UINT32_MAX ||
		     nucleus_device_claim(CLAIM_PORT_WINDOW, r.cpu, r.size, (uint32_t)r.bus) != 0))
			log_warn("pci: what shows ports at %#lx is not the nucleus's to watch", r.cpu);
}

bool pci_ports_in_memory(uint32_t segment, uint64_t port, uint64_t bytes, uint64_t *phys)
{
	const void *fdt;
	int node = pci_host_node(segment, &fdt);
	struct pci_range r;
	bool more = node >= 0;

	for (unsigned i = 0; more; i++) {
		if (!pci_range_from_devicetree(fdt, node, i, &r, &more) || r.kind != PCI_RANGE_IO || port < r.bus ||
		    port - r.bus >= r.size || bytes > r.size - (port - r.bus))
			continue;
		*phys = r.cpu + (port - r.bus);
		return true;
	}
	return false;
}
