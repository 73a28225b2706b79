/* SPDX-License-Identifier: MIT */
/* What a PCI function's configuration space says (lib/pci_config.h, with the specifications). */
#include <lib/pci_config.h>

constexpr uint32_t CAPABILITIES_FIRST = 0x40;
constexpr uint32_t MSIX_ENTRY_BYTES = 16;

uint32_t pci_read(const struct pci_config *c, uint32_t offset, uint32_t bytes)
{
	uint32_t word = offset < c->bytes ? c->read32(c->context, offset & ~3u) : UINT32_MAX;

	word >>= 8 * (offset & 3);
	return bytes == 4 ? word : word & ((1u << 8 * bytes) - 1);
}

bool pci_identify(const struct pci_config *c, struct pci_identity *out)
{
	*out = (struct pci_identity){.vendor = (uint16_t)pci_read(c, PCI_VENDOR_ID, 2)};
	/* Zero is no vendor's either: some buses answer so. */
	if (out->vendor == 0xffff || out->vendor == 0)
		return false;
	uint32_t header = pci_read(c, PCI_HEADER_TYPE, 1);
	out->device = (uint16_t)pci_read(c, PCI_DEVICE_ID, 2);
	out->revision = (uint8_t)pci_read(c, PCI_REVISION, 1);
	out->class = pci_read(c, PCI_REVISION, 4) >> 8;
	out->header_type = header & PCI_HEADER_TYPE_MASK;
	out->many_functions = (header & PCI_HEADER_MANY) != 0;
	out->interrupt_pin = (uint8_t)pci_read(c, PCI_INTERRUPT_PIN, 1);
	out->interrupt_line = (uint8_t)pci_read(c, PCI_INTERRUPT_LINE, 1);
	if (out->header_type == PCI_HEADER_DEVICE) {
		out->subsystem_vendor = (uint16_t)pci_read(c, PCI_SUBSYSTEM_VENDOR_ID, 2);
		out->subsystem = (uint16_t)pci_read(c, PCI_SUBSYSTEM_ID, 2);
	} else if (out->header_type == PCI_HEADER_BRIDGE || out->header_type == PCI_HEADER_CARDBUS) {
		/* PC Card 8.0, volume 3, 4.5.1: in the same places. */
		out->secondary_bus = (uint8_t)pci_read(c, PCI_SECONDARY_BUS, 1);
		out->subordinate_bus = (uint8_t)pci_read(c, PCI_SUBORDINATE_BUS, 1);
	}
	return true;
}

/* Walks at most as many entries as there is room for, so that a circle ends. */
uint32_t pci_capability_find(const struct pci_config *c, uint32_t id, uint32_t after)
{
	bool seen = after == 0;

	if ((pci_read(c, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES) == 0)
		return 0;
	uint32_t at = pci_read(c, PCI_CAPABILITIES, 1) & ~3u;
	for (uint32_t i = 0; i < (PCI_CONFIG_BYTES - CAPABILITIES_FIRST) / 4; i++) {
		if (at < CAPABILITIES_FIRST)
			return 0;
		uint32_t found = pci_read(c, at, 1);
		if (found == 0xff)
			return 0;
		if (seen && found == id)
			return at;
		seen = seen || at == after;
		at = pci_read(c, at + 1, 1) & ~3u;
	}
	return 0;
}

uint32_t pcie_capability_find(const struct pci_config *c, uint32_t id, uint32_t after)
{
	uint32_t at = PCIE_EXTENDED_CAPABILITIES;
	bool seen = after == 0;

	for (uint32_t i = 0; i < (PCIE_CONFIG_BYTES - PCIE_EXTENDED_CAPABILITIES) / 8; i++) {
		if (at < PCIE_EXTENDED_CAPABILITIES || at >= c->bytes)
			return 0;
		uint32_t header = pci_read(c, at, 4);
		if (header == 0 || header == UINT32_MAX)
			return 0;
		if (seen && (header & 0xffff) == id)
			return at;
		seen = seen || at == after;
		at = header >> 20 & ~3u;
	}
	return 0;
}

uint32_t pci_plug_slot(const struct pci_config *c)
{
	uint32_t at = pci_capability_find(c, PCI_CAP_PCIE, 0);

	return at != 0 && at + PCIE_SLOT_STATUS + 2 <= PCI_CONFIG_BYTES &&
			       (pci_read(c, at + PCIE_CAPABILITIES, 2) & PCIE_HAS_SLOT) != 0 &&
			       (pci_read(c, at + PCIE_SLOT_CAPABILITIES, 4) & PCIE_SLOT_PLUG) != 0
		       ? at
		       : 0;
}

/* A BAR's size from the bits that could be set: the lowest of them, if all above are set, too. 0: no size. */
static uint64_t bar_size(uint64_t settable, uint64_t all)
{
	uint64_t size = settable & -settable;

	return settable != 0 && settable == (all & ~(size - 1)) ? size : 0;
}

static struct pci_bar decode_io(uint32_t value, uint32_t ones)
{
	/* A function may leave the upper half out (PCI 3.0, 6.2.5.1). */
	uint32_t settable = ones & ~3u;
	uint64_t size = bar_size(settable, settable > 0xffff ? 0xffffffff : 0xffff);

	if (size == 0)
		return (struct pci_bar){};
	return (struct pci_bar){.kind = PCI_BAR_IO, .base = value & ~3u & ~(size - 1), .size = size};
}

static struct pci_bar decode_memory(uint64_t value, uint64_t ones, bool wide)
{
	uint64_t size = bar_size(ones & ~15ull, wide ? UINT64_MAX : UINT32_MAX);

	if (size == 0)
		return (struct pci_bar){};
	return (struct pci_bar){.kind = wide ? PCI_BAR_MEMORY_64 : PCI_BAR_MEMORY,
				.prefetchable = (value & 8) != 0,
				.base = value & ~(size - 1),
				.size = size};
}

void pci_bars_decode(const uint32_t *value, const uint32_t *ones, unsigned count, struct pci_bar *out)
{
	for (unsigned i = 0; i < count; i++) {
		out[i] = (struct pci_bar){};
		if (ones[i] == 0 || (value[i] & 1) != (ones[i] & 1))
			continue;
		if ((value[i] & 1) != 0) {
			out[i] = decode_io(value[i], ones[i]);
			continue;
		}
		bool wide = (value[i] >> 1 & 3) == 2;
		if (!wide) {
			out[i] = decode_memory(value[i], ones[i], false);
		} else if (i + 1 < count) {
			out[i] = decode_memory(value[i] | (uint64_t)value[i + 1] << 32,
					       ones[i] | (uint64_t)ones[i + 1] << 32, true);
			out[++i] = (struct pci_bar){};
		}
	}
}

uint32_t pci_bars_decodable(const uint32_t *ones, const struct pci_bar *bars, unsigned count)
{
	uint32_t decodable = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;

	for (unsigned i = 0; i < count; i++) {
		if (bars[i].kind == PCI_BAR_NONE && ones[i] != 0)
			return 0;
		if (bars[i].kind != PCI_BAR_NONE && bars[i].base == 0)
			decodable &= bars[i].kind == PCI_BAR_IO ? ~PCI_COMMAND_IO : ~PCI_COMMAND_MEMORY;
		/* The next is its upper half. */
		i += bars[i].kind == PCI_BAR_MEMORY_64;
	}
	return decodable;
}

static void decode_io_window(const struct pci_config *c, struct pci_window *w)
{
	uint32_t low = pci_read(c, PCI_IO_WINDOW, 2), high = pci_read(c, PCI_IO_WINDOW_HIGH, 4);
	bool wide = (low & 15) == 1;

	w->base = (low & 0xf0) << 8 | (wide ? (uint64_t)(high & 0xffff) << 16 : 0);
	w->limit = (low & 0xf000) | 0xfff | (wide ? (uint64_t)(high & 0xffff0000) : 0);
}

void pci_windows_decode(const struct pci_config *c, struct pci_windows *out)
{
	uint32_t memory = pci_read(c, PCI_MEMORY_WINDOW, 4), prefetchable = pci_read(c, PCI_PREFETCHABLE_WINDOW, 4);

	decode_io_window(c, &out->io);
	out->memory.base = (uint64_t)(memory & 0xfff0) << 16;
	out->memory.limit = (memory & 0xfff00000) | 0xfffff;
	out->prefetchable.base = (uint64_t)(prefetchable & 0xfff0) << 16;
	out->prefetchable.limit = (prefetchable & 0xfff00000) | 0xfffff;
	if ((prefetchable & 15) == 1) {
		out->prefetchable.base |= (uint64_t)pci_read(c, PCI_PREFETCHABLE_BASE_HIGH, 4) << 32;
		out->prefetchable.limit |= (uint64_t)pci_read(c, PCI_PREFETCHABLE_LIMIT_HIGH, 4) << 32;
	}
}

/* Registers of which one is as if it had been written. */
struct written {
	const struct pci_config *c;
	uint32_t offset, value;
};

static uint32_t read_written(void *context, uint32_t offset)
{
	const struct written *w = context;

	return offset == w->offset ? w->value : w->c->read32(w->c->context, offset);
}

void pci_windows_decode_written(const struct pci_config *c, uint32_t offset, uint32_t value, struct pci_windows *out)
{
	uint32_t fixed = offset <= PCI_PREFETCHABLE_WINDOW ? 0x000f000f : 0;
	struct written w = {c, offset, (value & ~fixed) | (pci_read(c, offset, 4) & fixed)};

	pci_windows_decode(&(struct pci_config){.read32 = read_written, .context = &w, .bytes = c->bytes}, out);
}

static void close_at_zero(struct pci_window *w, uint64_t step)
{
	if (w->base == 0 && w->limit == step - 1)
		*w = (struct pci_window){.base = UINT64_MAX};
}

void pci_windows_placed(const struct pci_config *c, struct pci_windows *out)
{
	constexpr uint64_t IO_STEP = 1 << 12, MEMORY_STEP = 1 << 20;

	pci_windows_decode(c, out);
	close_at_zero(&out->io, IO_STEP);
	close_at_zero(&out->memory, MEMORY_STEP);
	close_at_zero(&out->prefetchable, MEMORY_STEP);
}

/* Whether [offset, offset + bytes) is inside a memory BAR. */
static bool inside_bar(const struct pci_bar *bars, uint32_t bar, uint64_t offset, uint64_t bytes)
{
	if (bar >= PCI_BARS_MAX || (bars[bar].kind != PCI_BAR_MEMORY && bars[bar].kind != PCI_BAR_MEMORY_64))
		return false;
	return offset <= bars[bar].size && bytes <= bars[bar].size - offset;
}

bool pci_msix_decode(const struct pci_config *c, const struct pci_bar *bars, struct pci_msix *out)
{
	uint32_t at = pci_capability_find(c, PCI_CAP_MSIX, 0);

	if (at == 0 || at + 12 > PCI_CONFIG_BYTES)
		return false;
	uint32_t table = pci_read(c, at + 4, 4), pending = pci_read(c, at + 8, 4);
	*out = (struct pci_msix){.at = at,
				 .vectors = (pci_read(c, at + 2, 2) & 0x7ff) + 1,
				 .table_bar = table & 7,
				 .table_offset = table & ~7u,
				 .pending_bar = pending & 7,
				 .pending_offset = pending & ~7u};
	return inside_bar(bars, out->table_bar, out->table_offset, (uint64_t)out->vectors * MSIX_ENTRY_BYTES) &&
	       inside_bar(bars, out->pending_bar, out->pending_offset, (uint64_t)(out->vectors + 63) / 64 * 8);
}
