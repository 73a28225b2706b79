/* SPDX-License-Identifier: MIT */
/*
 * The PL011 UART (registers and sections: pl011_regs.h). Its registers are mapped, so none of this needs privilege. The
 * interrupt is a level; the transmitter's is asserted when the FIFO drains through its threshold, and the FIFO was full
 * when we ask for it. Speed and clock stay as firmware set them.
 */
#include "pl011_regs.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/init.h>
#include <kernel/bus/platform.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/driver/serial/serial.h>
#include <kernel/tty/serial.h>

constexpr size_t BURST_BYTES = 14; /* of the 16 that an empty FIFO takes at least */
constexpr unsigned IDLE_SPINS_MAX = 1000000;

struct pl011 {
	struct mmio registers;
	struct irq irq;
	struct serial_port *port;
};

static uint32_t read_register(const struct pl011 *u, enum pl011_register r)
{
	return mmio_read32(&u->registers, r);
}

static void write_register(const struct pl011 *u, enum pl011_register r, uint32_t value)
{
	mmio_write32(&u->registers, r, value);
}

static void set_up(const struct pl011 *u)
{
	/* What the nucleus wrote is still on its way, and the line may only be changed when it is gone (3.3.7). */
	for (unsigned i = 0; i < IDLE_SPINS_MAX && (read_register(u, PL011_FR) & PL011_FR_BUSY) != 0; i++)
		;
	write_register(u, PL011_IMSC, 0);
	write_register(u, PL011_CR, 0);
	write_register(u, PL011_LCR_H, PL011_LCR_8_BITS | PL011_LCR_FIFO);
	write_register(u, PL011_IFLS, PL011_IFLS_TX_QUARTER | PL011_IFLS_RX_EIGHTH);
	write_register(u, PL011_ICR, PL011_INT_ALL);
	write_register(u, PL011_CR,
		       PL011_CR_ENABLE | PL011_CR_TX_ENABLE | PL011_CR_RX_ENABLE | PL011_CR_DTR | PL011_CR_RTS);
}

static uint32_t status(const void *uart)
{
	uint32_t flags = read_register(uart, PL011_FR);

	return ((flags & PL011_FR_RX_EMPTY) == 0 ? SERIAL_HAS_DATA : 0) |
	       ((flags & PL011_FR_TX_FULL) == 0 ? SERIAL_HAS_ROOM : 0) |
	       ((flags & (PL011_FR_TX_EMPTY | PL011_FR_BUSY)) == PL011_FR_TX_EMPTY ? SERIAL_IDLE : 0);
}

static int receive(const void *uart)
{
	if ((read_register(uart, PL011_FR) & PL011_FR_RX_EMPTY) != 0)
		return SERIAL_NOTHING;
	FAULT_POINT(driver_serial_receive);
	uint32_t data = read_register(uart, PL011_DR);
	return (data & PL011_DR_BREAK) != 0 ? SERIAL_BREAK : (int)(data & 0xff);
}

static size_t room(const void *uart)
{
	uint32_t flags = read_register(uart, PL011_FR);

	if ((flags & PL011_FR_TX_EMPTY) != 0)
		return BURST_BYTES;
	return (flags & PL011_FR_TX_FULL) != 0 ? 0 : 1;
}

static void send(const void *uart, const unsigned char *bytes, size_t n)
{
	FAULT_POINT(driver_serial_send);
	for (size_t i = 0; i < n; i++)
		write_register(uart, PL011_DR, bytes[i]);
}

static void set_interrupts(const void *uart, bool received, bool has_room)
{
	write_register(uart, PL011_IMSC,
		       (received ? PL011_INT_RX | PL011_INT_RX_TIMEOUT : 0) | (has_room ? PL011_INT_TX : 0));
}

/* The others end when their cause does. */
static void acknowledge(const void *uart)
{
	write_register(uart, PL011_ICR, PL011_INT_RX_TIMEOUT | PL011_INT_ERRORS);
}

static const struct serial_ops ops = {
	.kind = "PL011",
	.prefix = "ttyAMA",
	.major = 204,
	.first_minor = 64,
	.status = status,
	.receive = receive,
	.room = room,
	.send = send,
	.set_interrupts = set_interrupts,
	.acknowledge = acknowledge,
};

static int attach(struct device *dev)
{
	struct pl011 *u = device_private(dev);
	bool is_console = platform_is_console(dev);
	int error = mmio_map(dev, 0, &u->registers);

	if (error == 0 && u->registers.bytes < PL011_ICR + sizeof(uint32_t))
		error = -EINVAL;
	if (error < 0)
		return error;
	set_up(u);
	serial_open_irq(dev, &u->irq);
	/* The console is the first, whatever the order. */
	bool first_is_taken = is_console || boot_info()->console.kind == ARM_UART_PL011;
	return serial_register(dev, &ops, u, 0, first_is_taken && !is_console, is_console, &u->port);
}

static void serve(struct device *dev)
{
	struct pl011 *u = device_private(dev);

	serial_serve(&u->port, 1, &u->irq);
}

static void detach(struct device *dev)
{
	write_register(device_private(dev), PL011_IMSC, 0);
}

static const char *const names[] = {"arm,pl011", "arm,sbsa-uart", nullptr};

DRIVER(pl011, .component = &component_serial, .bus = &platform_bus, .match = names,
       .private_bytes = sizeof(struct pl011), .wants = WANTS_MMIO | WANTS_IRQ, .attach = attach, .serve = serve,
       .detach = detach);
