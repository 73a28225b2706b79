/* SPDX-License-Identifier: MIT */
/* The slot of a PCI Express port (PCIe Base 4.0, 7.5.3.9 to 7.5.3.11); offsets are in <lib/pci_config.h>. */
#ifndef PCIE_PORT_SLOT_REGS_H
#define PCIE_PORT_SLOT_REGS_H

#include <stdint.h>

/* PCIE_SLOT_CAPABILITIES */
enum : uint32_t {
	SLOT_HAS_BUTTON = 1 << 0,
	SLOT_HAS_POWER = 1 << 1,
	SLOT_HAS_POWER_LIGHT = 1 << 4,
	SLOT_COMPLETES_NOTHING = 1 << 18, /* it does not say when a command is done */
	SLOT_NUMBER_SHIFT = 19,
};
/* PCIE_SLOT_CONTROL */
enum : uint32_t {
	CONTROL_EVENTS = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 12, /* button, power fault, presence, link */
	CONTROL_INTERRUPT = 1 << 5,
	CONTROL_COMPLETION = 1 << 4,
	CONTROL_LIGHT = 3 << 8,
	CONTROL_LIGHT_ON = 1 << 8,
	CONTROL_LIGHT_BLINKS = 2 << 8,
	CONTROL_LIGHT_OFF = 3 << 8,
	CONTROL_POWER_OFF = 1 << 10,
};
/* PCIE_SLOT_STATUS; all but STATUS_PRESENT are cleared by a one. */
enum : uint32_t {
	STATUS_BUTTON = 1 << 0,
	STATUS_POWER_FAULT = 1 << 1,
	STATUS_PRESENCE = 1 << 3,
	STATUS_COMPLETED = 1 << 4,
	STATUS_PRESENT = 1 << 6,
	STATUS_LINK = 1 << 8,
	STATUS_EVENTS = STATUS_BUTTON | STATUS_POWER_FAULT | STATUS_PRESENCE | STATUS_LINK,
};

#endif
