/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus: a device for each function, bridges included, below the bridge it is behind (PCI Local Bus 3.0; PCI
 * Express Base 4.0; PCI-to-PCI Bridge 1.2). Its name is SSSS:BB:DD.F, segment, bus, device and function.
 *
 * Before a driver's attach the bus has claimed the function (nucleus/README.md) and switched its memory and ports on,
 * not bus mastering: a driver that does DMA calls pci_master(). Range n of the device (mmio_map) is BAR n; of one with
 * an MSI-X table in it, what comes before the table. Interrupt n (irq_open) is message n of MSI-X, else MSI's only one,
 * else, for n = 0, the wire INTx, which is shared. At the end of a round the nucleus stops bus mastering and messages,
 * and resets the function if it can be.
 *
 * A BAR of ports is reached by ports where CPUs have such, else in the memory where the host bridge shows them. A
 * device tree says where that is; of ACPI's tables none does, but for AML, which is not interpreted: on an arm64
 * machine that ACPI describes mmio_map of such a BAR is refused, and a driver says so.
 */
#ifndef KERNEL_BUS_PCI_H
#define KERNEL_BUS_PCI_H

#include <kernel/device/device.h>
#include <lib/pci_config.h>

extern const struct bus pci_bus;

enum : uint32_t { PCI_ANY = UINT32_MAX };

/* A driver's .match: rows of these, up to one that is all zero. A row fits if each number does; class_mask says which
 * bits of the class (class << 16 | subclass << 8 | interface) have to be those of the row. */
struct pci_match {
	uint32_t vendor, device; /* or PCI_ANY */
	uint32_t class, class_mask;
	bool plugs; /* a port with a slot for plugging (PCIe 6.7) */
};

/* Its number, as <nucleus/device.h> has it. */
uint32_t pci_function(const struct device *dev);
const struct pci_identity *pci_identity(const struct device *dev); /* borrowed: lives as long as the device */
/* A register of 1, 2 or 4 bytes; all ones if the function is gone. Anybody may. */
uint32_t pci_config_read(const struct device *dev, uint32_t offset, uint32_t bytes) NOT_ELEVATED;
/* The first capability of that id behind the offset `after` (0: from the start), or 0. */
uint32_t pci_find_capability(const struct device *dev, uint32_t id, uint32_t after) NOT_ELEVATED;
/* Lets the function read and write memory by itself until the round ends; all bridges above pass it on. The driver's
 * .wants must name WANTS_DMA (-EPERM). In attach or serve. */
[[nodiscard]] int pci_master(struct device *dev) NOT_ELEVATED;
/* Writes a register, if the nucleus knows that to be harmless (-EPERM; calls.def, pci_write). In attach, serve or
 * detach. */
[[nodiscard]] int pci_config_write(struct device *dev, uint32_t offset, uint32_t bytes, uint32_t value) NOT_ELEVATED;
/* Whether nothing comes from the function any more: a slot above it says that it is empty, or without a link. Any
 * thread. */
bool pci_is_cut_off(const struct device *dev) NOT_ELEVATED;
/* How many interrupts irq_open knows: messages, else 1 for a wire, else 0. In attach or serve. */
unsigned pci_interrupts(struct device *dev) NOT_ELEVATED;

/* Looks again at all buses: devices of functions that are there no more go, those of new ones come. Waits for that;
 * -ETIMEDOUT: for ten minutes. Any thread but one of a device; also 1 > /sys/bus/pci/rescan. */
[[nodiscard]] int pci_rescan(void) NOT_ELEVATED;

/* --- for the driver of a port with a slot for plugging --- */

/* Where the port's PCI Express capability is; 0: it has no such slot. */
uint32_t pci_slot(const struct device *dev);
/* Whether something is in the slot, and its link up where the port tells that. Any thread. */
bool pci_slot_is_there(const struct device *port) NOT_ELEVATED;
/* Has the devices behind the port go, or what is there come; the bus's own thread does, and then wakes the port's
 * device. Of several that were not done yet the last one counts. Does not wait. */
enum pci_below : uint32_t { PCI_BELOW_THERE, PCI_BELOW_GONE };
void pci_below_ask(struct device *port, enum pci_below what) NOT_ELEVATED;
/* Whether all that was asked for is done. */
bool pci_below_done(const struct device *port);
/* Whether a function behind it answers, whatever the slot says. */
bool pci_below_answers(const struct device *port) NOT_ELEVATED;
/* Whether there is a device behind it. */
bool pci_below_any(const struct device *port) NOT_ELEVATED;

#endif
