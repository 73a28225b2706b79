/* SPDX-License-Identifier: MIT */
/*
 * What a PCI function's configuration space says (PCI Local Bus 3.0, chapter 6; PCI Express Base 4.0, 7.5 to 7.7;
 * PCI-to-PCI Bridge 1.2, chapter 3). Pure: whoever has the registers gives a way to read them. A function is not
 * trusted: lists of capabilities may be circles or point nowhere, sizes may be nonsense, and one that was pulled out
 * answers all ones.
 */
#ifndef LIB_PCI_CONFIG_H
#define LIB_PCI_CONFIG_H

#include <stddef.h>
#include <stdint.h>

constexpr uint32_t PCI_CONFIG_BYTES = 256, PCIE_CONFIG_BYTES = 4096;
constexpr unsigned PCI_BARS_MAX = 6;

/* Registers of every function: byte offsets (PCI 3.0, figure 6-1). */
enum pci_register : uint32_t {
	PCI_VENDOR_ID = 0x00,		    /* R 16: 0xffff means that nobody is there */
	PCI_DEVICE_ID = 0x02,		    /* R 16 */
	PCI_COMMAND = 0x04,		    /* RW 16. 6.2.2 */
	PCI_STATUS = 0x06,		    /* RW1C 16. 6.2.3 */
	PCI_REVISION = 0x08,		    /* R 8 */
	PCI_CLASS = 0x09,		    /* R 24: interface, subclass, class */
	PCI_HEADER_TYPE = 0x0e,		    /* R 8; bit 7: more functions than one */
	PCI_BAR0 = 0x10,		    /* RW 32, six of them (type 0) or two (type 1). 6.2.5.1 */
	PCI_PRIMARY_BUS = 0x18,		    /* RW 8, type 1 */
	PCI_SECONDARY_BUS = 0x19,	    /* RW 8, type 1 */
	PCI_SUBORDINATE_BUS = 0x1a,	    /* RW 8, type 1 */
	PCI_IO_WINDOW = 0x1c,		    /* RW 16: base and limit, type 1. Bridge 3.2.5.6 */
	PCI_MEMORY_WINDOW = 0x20,	    /* RW 32: base and limit, type 1. Bridge 3.2.5.8 */
	PCI_PREFETCHABLE_WINDOW = 0x24,	    /* RW 32, type 1. Bridge 3.2.5.9 */
	PCI_PREFETCHABLE_BASE_HIGH = 0x28,  /* RW 32, type 1 */
	PCI_PREFETCHABLE_LIMIT_HIGH = 0x2c, /* RW 32, type 1 */
	PCI_SUBSYSTEM_VENDOR_ID = 0x2c,	    /* R 16, type 0 */
	PCI_SUBSYSTEM_ID = 0x2e,	    /* R 16, type 0 */
	PCI_IO_WINDOW_HIGH = 0x30,	    /* RW 32: base and limit, type 1 */
	PCI_CAPABILITIES = 0x34,	    /* R 8: first capability, if the status says so */
	PCI_INTERRUPT_LINE = 0x3c,	    /* RW 8: what firmware noted */
	PCI_INTERRUPT_PIN = 0x3d,	    /* R 8: 0 none, 1 INTA … 4 INTD */
	PCIE_EXTENDED_CAPABILITIES = 0x100, /* PCIe 7.6 */
};
enum : uint32_t {
	PCI_COMMAND_IO = 1 << 0,
	PCI_COMMAND_MEMORY = 1 << 1,
	PCI_COMMAND_BUS_MASTER = 1 << 2,
	PCI_COMMAND_INTERRUPT_OFF = 1 << 10,
};
enum : uint32_t { PCI_STATUS_CAPABILITIES = 1 << 4 };
enum : uint32_t {
	PCI_HEADER_DEVICE = 0,
	PCI_HEADER_BRIDGE = 1,
	PCI_HEADER_CARDBUS = 2,
	PCI_HEADER_TYPE_MASK = 0x7f,
	PCI_HEADER_MANY = 0x80
};

/* Capabilities (PCI Code and ID Assignment 1.11, sections 2 and 3). */
enum pci_capability : uint32_t {
	PCI_CAP_POWER = 0x01,
	PCI_CAP_MSI = 0x05,
	PCI_CAP_VENDOR = 0x09,
	PCI_CAP_PCIE = 0x10,
	PCI_CAP_MSIX = 0x11,
	PCI_CAP_ADVANCED = 0x13,
};

/* The PCI Express capability (PCIe 7.5.3): byte offsets in it. */
enum pcie_register : uint32_t {
	PCIE_CAPABILITIES = 0x02,      /* R 16; bit 8: the port has a slot */
	PCIE_LINK_CAPABILITIES = 0x0c, /* R 32; bit 20: it tells whether the link is up */
	PCIE_LINK_STATUS = 0x12,       /* R 16; bit 13: the link is up */
	PCIE_SLOT_CAPABILITIES = 0x14, /* R 32 */
	PCIE_SLOT_CONTROL = 0x18,      /* RW 16 */
	PCIE_SLOT_STATUS = 0x1a,       /* RW1C 16 */
};
enum : uint32_t {
	PCIE_HAS_SLOT = 1 << 8,
	PCIE_LINK_TELLS = 1 << 20,
	PCIE_LINK_UP = 1 << 13,
	PCIE_SLOT_PLUG = 1 << 6,    /* of the slot's capabilities: it is for plugging */
	PCIE_SLOT_PRESENT = 1 << 6, /* of its status: something is in it */
};

struct pci_config {
	/* The aligned 32 bits at that offset; all ones where there is nothing. */
	uint32_t (*read32)(void *context, uint32_t offset);
	void *context;
	uint32_t bytes; /* PCI_CONFIG_BYTES or PCIE_CONFIG_BYTES: what can be reached */
};

/* A register of `bytes` (1, 2 or 4) that does not cross a multiple of four. */
uint32_t pci_read(const struct pci_config *c, uint32_t offset, uint32_t bytes);

struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class; /* class << 16 | subclass << 8 | interface */
	uint8_t revision, header_type, interrupt_pin, interrupt_line;
	bool many_functions;
	uint8_t secondary_bus, subordinate_bus; /* bridges, those to CardBus included */
};
/* Whether a function is there. */
bool pci_identify(const struct pci_config *c, struct pci_identity *out);

/* The offset of the first capability of that id behind the offset `after` (0: from the start), or 0. */
uint32_t pci_capability_find(const struct pci_config *c, uint32_t id, uint32_t after);
/* The same for PCI Express's extended capabilities (16 bits of id). */
uint32_t pcie_capability_find(const struct pci_config *c, uint32_t id, uint32_t after);

/* Where the PCI Express capability of a port with a slot for plugging is; 0: it is no such port. */
uint32_t pci_plug_slot(const struct pci_config *c);

enum pci_bar_kind : uint8_t { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_MEMORY_64 };
struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetchable;
	uint64_t base, size; /* size: a power of two; 0 with PCI_BAR_NONE */
};
/* Decodes BARs from the registers' values and from what they read as after all ones were written to each (with decoding
 * switched off). count: how many the header has, 1 … PCI_BARS_MAX. A 64-bit BAR stands at its first register, the next
 * is PCI_BAR_NONE. What makes no sense is PCI_BAR_NONE: a size that is no power of two, the upper half of nothing. */
void pci_bars_decode(const uint32_t *value, const uint32_t *ones, unsigned count, struct pci_bar *out);

/* Which of PCI_COMMAND_IO and PCI_COMMAND_MEMORY may be on: those of which every BAR has an address (that without one
 * would be RAM's). None if a register can be written and yet is no BAR: nobody knows what it decodes. */
uint32_t pci_bars_decodable(const uint32_t *ones, const struct pci_bar *bars, unsigned count);

struct pci_window {
	uint64_t base, limit; /* [base, limit]; closed: base > limit */
};
struct pci_windows {
	struct pci_window io, memory, prefetchable;
};
/* The address ranges that a bridge passes on. */
void pci_windows_decode(const struct pci_config *c, struct pci_windows *out);
/* The same if one of the registers of its memory windows had been written; what they say of their width stays as it is
 * (Bridge 1.2, 3.2.5.9). */
void pci_windows_decode_written(const struct pci_config *c, uint32_t offset, uint32_t value, struct pci_windows *out);
/* Those that somebody has given it. Registers of zeros, which many bridges have after a reset, make an open window at
 * address 0 (Bridge 1.2, 3.2.5.6 to 3.2.5.10); nobody places anything there, so that counts as closed. */
void pci_windows_placed(const struct pci_config *c, struct pci_windows *out);

/* MSI-X (PCI 3.0, 6.8.2): where the table and the pending bits are. */
struct pci_msix {
	uint32_t at; /* of the capability */
	uint32_t vectors;
	uint32_t table_bar, table_offset, pending_bar, pending_offset;
};
/* False if there is none, or one whose table is said to be in no BAR or goes beyond the end of its BAR. */
bool pci_msix_decode(const struct pci_config *c, const struct pci_bar *bars, struct pci_msix *out);

#endif
