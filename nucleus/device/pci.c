/* SPDX-License-Identifier: MIT */
/* PCI functions: reaching configuration space, and what a claim of one takes; see pci.h. */
#include "device/pci.h"
#include "boot/boot.h"
#include "debug/debug.h"
#include "gate/calls.h"
#include "gate/policy.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include "sched/cpu_area.h"
#include <abi/errno.h>

enum : uint64_t { WINDOW = CPU_DEVICES_BASE + (1u << 30) - PAGE_SIZE };

enum : uint32_t {
	MESSAGE_CONTROL = 2, /* offset in both capabilities */
	MSI_ENABLE = 1 << 0,
	MSI_MANY = 7 << 4, /* messages that are on, as a power of two */
	MSI_WIDE = 1 << 7,
	MSIX_MASK_ALL = 1 << 14,
	MSIX_ENABLE = 1 << 15,
	MSIX_ENTRY = 16, /* bytes: address, its upper half, data, control */
	MSIX_ENTRY_MASKED = 1,
};

static struct pci_ecam ecams[PCI_ECAMS_MAX];
static unsigned ecam_count;
static uint64_t window_phys = UINT64_MAX;
static const struct cpu *window_cpu; /* others may have cached what was there before */

void *device_window(uint64_t phys)
{
	uint64_t page = align_down(phys, PAGE_SIZE);

	if (page != window_phys || window_cpu != cpu_this()) {
		pte_t *e = table_find(kernel_root_phys, WINDOW, 1);

		pte_store(e, 0);
		arch_flush_local(nullptr, WINDOW, WINDOW + PAGE_SIZE);
		pte_store(e, pte_leaf(page, PTE_NUCLEUS_DEVICE, false));
		window_phys = page;
		window_cpu = cpu_this();
	}
	return (void *)(WINDOW + (phys - page));
}

void pci_init(const struct pci_ecam *found, unsigned count)
{
	struct boot_info *info = boot_state.info;

	if (!table_make(kernel_root_phys, WINDOW, 1, 0)) {
		log_printf("pci: no memory for a page table: configuration space is not reached\n");
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		/* Beyond what an entry can hold there is nothing. */
		if (pte_phys(found[i].phys + pci_ecam_bytes(&found[i]) - PAGE_SIZE) <= found[i].phys)
			continue;
		info->pci[info->pci_count++] = found[i];
		ecams[ecam_count++] = found[i];
		claim_withhold(found[i].phys, found[i].phys + pci_ecam_bytes(&found[i]));
		log_printf("pci: segment %u, buses %u to %u at %lx\n", found[i].segment, found[i].first_bus,
			   found[i].last_bus, found[i].phys);
	}
	if (!ecam_count && ARCH_PORTS > 0)
		info->pci[info->pci_count++] = (struct pci_ecam){.last_bus = 0xff};
}

/* --- registers --- */

/* Where a function's registers are; 0: not in memory. */
static uint64_t config_phys(uint32_t function)
{
	uint32_t bus = function >> 8 & 0xff;

	for (unsigned i = 0; i < ecam_count; i++)
		if (ecams[i].segment == function >> 16 && bus >= ecams[i].first_bus && bus <= ecams[i].last_bus)
			return ecams[i].phys + ((uint64_t)(bus - ecams[i].first_bus) << 20 | (function & 0xff) << 12);
	return 0;
}

static uint32_t read32(void *function_at, uint32_t offset)
{
	uint32_t function = *(const uint32_t *)function_at;
	uint64_t phys = config_phys(function);

	if (debug_hides(function) ||
	    (!phys && (!ARCH_PORTS || ecam_count || function >> 16 || offset >= PCI_CONFIG_BYTES)))
		return UINT32_MAX;
	return phys ? mmio_read32(device_window(phys), offset) : arch_pci_read32(function, offset);
}

void pci_register_write(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	uint64_t phys = config_phys(function);

	if (!phys && ARCH_PORTS > 0)
		arch_pci_write(function, offset, bytes, value);
	else if (!phys)
		return;
	else if (bytes == 1)
		mmio_write8(device_window(phys), offset, (uint8_t)value);
	else if (bytes == 2)
		mmio_write16(device_window(phys), offset, (uint16_t)value);
	else
		mmio_write32(device_window(phys), offset, value);
}

static struct pci_config registers_of(uint32_t *function)
{
	return (struct pci_config){.read32 = read32,
				   .context = function,
				   .bytes = config_phys(*function) ? PCIE_CONFIG_BYTES : PCI_CONFIG_BYTES};
}

uint32_t pci_register(uint32_t function, uint32_t offset, uint32_t bytes)
{
	struct pci_config config = registers_of(&function);

	return pci_read(&config, offset, bytes);
}

uint32_t pci_capability(uint32_t function, enum pci_capability id)
{
	struct pci_config config = registers_of(&function);

	return pci_capability_find(&config, id, 0);
}

void pci_register_change(uint32_t function, uint32_t at, uint32_t clear, uint32_t set)
{
	pci_register_write(function, at, 2, (pci_register(function, at, 2) & ~clear) | set);
}

/* --- BARs --- */

/* Nothing is decoded meanwhile: all ones are an address, too. But what is behind a bridge goes on: nothing is at its
 * all ones. */
void pci_measure(uint32_t function, unsigned count, struct pci_bars *out)
{
	uint32_t command = pci_register(function, PCI_COMMAND, 2);
	uint32_t off = count < PCI_BARS_MAX ? 0 : PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER;

	*out = (struct pci_bars){};
	pci_register_write(function, PCI_COMMAND, 2, command & ~off);
	for (uint32_t i = 0; i < count; i++) {
		out->value[i] = pci_register(function, PCI_BAR0 + 4 * i, 4);
		pci_register_write(function, PCI_BAR0 + 4 * i, 4, UINT32_MAX);
		out->ones[i] = pci_register(function, PCI_BAR0 + 4 * i, 4);
		pci_register_write(function, PCI_BAR0 + 4 * i, 4, out->value[i]);
	}
	pci_register_write(function, PCI_COMMAND, 2, command);
}

struct claim_range pci_bar_range(const struct pci_bar *b)
{
	uint64_t space = b->kind == PCI_BAR_IO ? CLAIM_PORT_SPACE : 0;

	return (struct claim_range){b->base | space, (b->base + b->size) | space};
}

/* Whether another function of the bus has registers in a page of the claim. Only such can have: what a bridge passes on
 * is whole pages. At most eight reads for each of 256 functions, of which there are few. */
static bool page_shared(const struct claim *c)
{
	for (uint32_t other = c->function & ~0xffu, end = other + 0x100; other < end; other++) {
		bool there = pci_register(other, PCI_VENDOR_ID, 2) != 0xffff;
		uint32_t header = there ? pci_register(other, PCI_HEADER_TYPE, 1) : 0;
		unsigned bars = (header & PCI_HEADER_TYPE_MASK) == PCI_HEADER_DEVICE ? 6 : 2;

		for (uint32_t i = 0; there && other != c->function && i < bars; i++) {
			uint32_t low = pci_register(other, PCI_BAR0 + 4 * i, 4);
			bool wide = !(low & 1) && (low & 6) == 4 && i + 1 < bars;
			uint64_t high = wide ? pci_register(other, PCI_BAR0 + 4 * ++i, 4) : 0;

			if (!(low & 1) && claim_pages_from(c, align_down((low & ~15u) | high << 32, PAGE_SIZE)))
				return true;
		}
		/* A device has further functions if its first says so. */
		if (!(other & 7) && !(header & PCI_HEADER_MANY))
			other |= 7;
	}
	return false;
}

void pci_windows(uint32_t function, uint32_t offset, uint32_t value, struct pci_windows *out)
{
	struct pci_config config = registers_of(&function);

	pci_windows_decode_written(&config, offset, value, out);
}

/* Bridges, interrupt controllers and IOMMUs (PCI Code and ID Assignment 1.11, section 1) decide for others. */
static bool decides_for_others(const struct pci_identity *id)
{
	uint32_t class = id->class >> 8;

	return id->header_type != PCI_HEADER_DEVICE || class >> 8 == 6 || class == 0x0800 || class == 0x0806;
}

static struct claim_range bar_part(const struct pci_bar *b, uint32_t offset, uint32_t bytes)
{
	return (struct claim_range){align_down(b->base + offset, PAGE_SIZE),
				    align_up(b->base + offset + bytes, PAGE_SIZE)};
}

static void take_msix(struct claim *c, const struct pci_config *config, const struct pci_bar *bars)
{
	struct pci_msix x;

	if (c->flags & CLAIM_WITHOUT_MSIX || !pci_msix_decode(config, bars, &x) || !bars[x.table_bar].base)
		return;
	c->msix_table = bars[x.table_bar].base + x.table_offset;
	c->msix_vectors = x.vectors;
	c->kept[0] = bar_part(&bars[x.table_bar], x.table_offset, x.vectors * MSIX_ENTRY);
	c->kept[1] = bar_part(&bars[x.pending_bar], x.pending_offset, (x.vectors + 63) / 64 * 8);
}

long pci_claim(struct claim *c, uint32_t function)
{
	struct pci_config config = registers_of(&function);
	struct pci_identity id;
	struct pci_bar bars[PCI_BARS_MAX] = {};
	struct pci_bars raw;
	bool small = false;

	if (!pci_identify(&config, &id))
		return -ENODEV;
	/* Its slot may be claimed, by who may take from others what stands behind it. */
	c->is_port = policy_allows(KEEPS_DEVICES, c->component) && id.header_type == PCI_HEADER_BRIDGE &&
		     pci_plug_slot(&config);
	if ((decides_for_others(&id) && !c->is_port) || claim_of_function(function))
		return -EPERM;
	c->bars = c->is_port ? 2 : PCI_BARS_MAX;
	pci_measure(function, c->bars, &raw);
	pci_bars_decode(raw.value, raw.ones, c->bars, bars);
	c->function = function;
	c->decodes =
		pci_bars_decodable(raw.ones, bars, c->bars) & ~(c->flags & CLAIM_WITHOUT_PORTS ? PCI_COMMAND_IO : 0);
	for (unsigned i = 0; i < c->bars; i++) {
		c->bar_value[i] = raw.value[i];
		if (bars[i].base >= CLAIM_PORT_SPACE)
			return -EPERM;
		if (!bars[i].size || !bars[i].base || (c->flags & CLAIM_WITHOUT_PORTS && bars[i].kind == PCI_BAR_IO))
			continue;
		small |= bars[i].size < PAGE_SIZE && bars[i].kind != PCI_BAR_IO;
		c->range[c->count++] = pci_bar_range(&bars[i]);
	}
	if (small && page_shared(c))
		return -EPERM;
	take_msix(c, &config, bars);
	return 0;
}

/* After a reset the registers are empty. */
void pci_restore_bars(const struct claim *c)
{
	pci_register_change(c->function, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 0);
	for (uint32_t i = 0; i < c->bars; i++)
		pci_register_write(c->function, PCI_BAR0 + 4 * i, 4, c->bar_value[i]);
}

void pci_command_write(const struct claim *c, uint32_t value)
{
	if (!(pci_register(c->function, PCI_COMMAND, 2) & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)))
		pci_restore_bars(c);
	pci_register_write(c->function, PCI_COMMAND, 2, value);
}

/* --- messages (PCI 3.0, 6.8) --- */

void pci_quieten(const struct claim *c)
{
	uint32_t msi = pci_capability(c->function, PCI_CAP_MSI), msix = pci_capability(c->function, PCI_CAP_MSIX);

	pci_register_change(c->function, PCI_COMMAND,
			    c->is_port ? 0 : PCI_COMMAND_BUS_MASTER | (~c->decodes & PCI_COMMAND_IO),
			    PCI_COMMAND_INTERRUPT_OFF);
	if (msi)
		pci_register_change(c->function, msi + MESSAGE_CONTROL, MSI_ENABLE, 0);
	if (msix)
		pci_register_change(c->function, msix + MESSAGE_CONTROL, MSIX_ENABLE, MSIX_MASK_ALL);
}

uint32_t pci_message_count(const struct claim *c)
{
	return c->msix_vectors ? c->msix_vectors : pci_capability(c->function, PCI_CAP_MSI) ? 1 : 0;
}

static volatile void *msix_entry(const struct claim *c, uint32_t index)
{
	return device_window(c->msix_table + (uint64_t)index * MSIX_ENTRY);
}

void pci_message_mask(const struct claim *c, uint32_t index)
{
	uint32_t command = pci_register(c->function, PCI_COMMAND, 2);

	if (!c->msix_vectors) {
		pci_register_change(c->function, pci_capability(c->function, PCI_CAP_MSI) + MESSAGE_CONTROL, MSI_ENABLE,
				    0);
	} else if (!c->ready_ns) { /* a reset masks all */
		/* The table is reached whether its driver decodes or not: it may do so again. */
		pci_command_write(c, command | PCI_COMMAND_MEMORY);
		mmio_write32(msix_entry(c, index), 12, MSIX_ENTRY_MASKED);
		pci_register_write(c->function, PCI_COMMAND, 2, command);
	}
}

/* Nobody knows what firmware left in the table. Once a claim, and the 2048 writes that it may take are posted. */
static void msix_start(const struct claim *c, uint32_t at)
{
	if (pci_register(c->function, at + MESSAGE_CONTROL, 2) & MSIX_ENABLE)
		return;
	pci_register_change(c->function, at + MESSAGE_CONTROL, 0, MSIX_ENABLE | MSIX_MASK_ALL);
	for (uint32_t i = 0; i < c->msix_vectors; i++)
		mmio_write32(msix_entry(c, i), 12, MSIX_ENTRY_MASKED);
}

void pci_message_set(const struct claim *c, uint32_t index, uint64_t address, uint32_t data)
{
	uint32_t msi = pci_capability(c->function, PCI_CAP_MSI), msix = pci_capability(c->function, PCI_CAP_MSIX);

	if (c->msix_vectors) {
		msix_start(c, msix);
		mmio_write32(msix_entry(c, index), 0, (uint32_t)address);
		mmio_write32(msix_entry(c, index), 4, (uint32_t)(address >> 32));
		mmio_write32(msix_entry(c, index), 8, data);
		mmio_write32(msix_entry(c, index), 12, 0);
		pci_register_change(c->function, msix + MESSAGE_CONTROL, MSIX_MASK_ALL, 0);
	} else {
		bool wide = pci_register(c->function, msi + MESSAGE_CONTROL, 2) & MSI_WIDE;

		pci_register_write(c->function, msi + 4, 4, (uint32_t)address);
		if (wide)
			pci_register_write(c->function, msi + 8, 4, (uint32_t)(address >> 32));
		pci_register_write(c->function, msi + (wide ? 12 : 8), 2, data);
		pci_register_change(c->function, msi + MESSAGE_CONTROL, MSI_MANY, MSI_ENABLE);
	}
	pci_register_change(c->function, PCI_COMMAND, 0, PCI_COMMAND_INTERRUPT_OFF);
}
