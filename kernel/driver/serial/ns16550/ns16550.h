/* SPDX-License-Identifier: MIT */
/* What the two ways to find a 16550 share: ns16550.c (the UART, and those of the platform), ns16550_pci.c (cards). */
#ifndef SERIAL_NS16550_H
#define SERIAL_NS16550_H

#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/tty/serial.h>

constexpr unsigned NS16550_PORTS_MAX = 4; /* of one card */
constexpr unsigned PC_PORTS = 4;	  /* indices that a PC's own ports have */

struct ns16550 {
	const struct mmio *registers; /* its card's; nullptr: there is no such UART */
	size_t offset;
	uint8_t shift;
	bool words;
};

/* A device's private data: its UARTs, which share registers and interrupt. */
struct ns16550_card {
	struct mmio registers;
	struct irq irq;
	struct ns16550 uart[NS16550_PORTS_MAX];
	struct serial_port *port[NS16550_PORTS_MAX]; /* the first `count` */
	unsigned count;
};

/* Sets it up if it is there (-ENODEV). divisor 0: its speed stays. */
[[nodiscard]] int ns16550_bring_up(const struct ns16550 *u, uint16_t divisor);
/* A terminal for c->uart[slot]: as serial_register. */
[[nodiscard]] int ns16550_register(struct device *dev, struct ns16550_card *c, unsigned slot, unsigned index,
				   bool fixed);
/* The first index for what has none of its own. */
unsigned ns16550_first_index(void);
/* Functions of a driver whose private data is a card. */
void ns16550_serve(struct device *dev);
void ns16550_detach(struct device *dev);

#endif
