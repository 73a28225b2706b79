/* SPDX-License-Identifier: MIT */
/*
 * 16550s on PCI cards: functions whose class says that they are compatible with one (PCI Code and ID Assignment 1.11,
 * 1.8: 07 00 02). The UARTs are one behind the other in the first BAR, eight registers each, at a PC's clock: so are
 * QEMU's cards of one, two and four (docs/specs/pci-serial.rst). They share one interrupt.
 */
#include "ns16550.h"

#include "ns16550_regs.h"

#include <abi/errno.h>
#include <kernel/bus/pci.h>
#include <kernel/driver/serial/serial.h>
#include <lib/types.h>

constexpr size_t UART_BYTES = UART_SCRATCH + 1;
constexpr uint16_t DIVISOR = 1; /* 115200 baud */

static int attach(struct device *dev)
{
	struct ns16550_card *c = device_private(dev);
	bool there[NS16550_PORTS_MAX] = {}, any = false;
	int error = mmio_map(dev, 0, &c->registers);

	if (error < 0)
		return error;
	for (size_t i = 0; i < MIN(c->registers.bytes / UART_BYTES, (size_t)NS16550_PORTS_MAX); i++) {
		c->uart[i] = (struct ns16550){.registers = &c->registers, .offset = i * UART_BYTES};
		there[i] = ns16550_bring_up(&c->uart[i], DIVISOR) == 0;
		any = any || there[i];
	}
	if (!any)
		return -ENODEV;
	serial_open_irq(dev, &c->irq);
	for (unsigned i = 0; i < NS16550_PORTS_MAX && error == 0; i++) {
		if (there[i])
			error = ns16550_register(dev, c, i, ns16550_first_index(), false);
	}
	return error;
}

static const struct pci_match functions[] = {
	{.vendor = PCI_ANY, .device = PCI_ANY, .class = 0x070002, .class_mask = 0xffffff},
	{},
};

DRIVER(ns16550_pci, .component = &component_serial, .bus = &pci_bus, .match = functions,
       .private_bytes = sizeof(struct ns16550_card), .wants = WANTS_MMIO | WANTS_PORTS | WANTS_IRQ, .attach = attach,
       .serve = ns16550_serve, .detach = ns16550_detach);
