/* SPDX-License-Identifier: MIT */
/*
 * The 16550A UART (registers: ns16550_regs.h), behind ports or in memory. In memory its registers are `1 << reg-shift`
 * bytes apart, begin at `reg-offset`, and are read and written as bytes or as words of four (`reg-io-width`): the
 * Linux kernel's binding document serial/8250.yaml. The interrupt of a PC's ports is edge-triggered.
 *
 * Speed: 115200 baud where the clock is known; else it stays what firmware set.
 */
#include "ns16550.h"

#include "ns16550_regs.h"

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/init.h>
#include <kernel/bus/platform.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/driver/serial/serial.h>
#include <kernel/tty/serial.h>

constexpr size_t BURST_BYTES = 14; /* of the 16 that an empty FIFO takes */
constexpr unsigned IDLE_SPINS_MAX = 100000;
constexpr uint32_t BAUD = 115200, PC_CLOCK_HZ = 16 * BAUD;
constexpr unsigned SHIFT_MAX = 3;

static uint8_t read_register(const struct ns16550 *u, enum uart_register r)
{
	size_t at = u->offset + ((size_t)r << u->shift);

	return u->words ? (uint8_t)mmio_read32(u->registers, at) : mmio_read8(u->registers, at);
}

static void write_register(const struct ns16550 *u, enum uart_register r, uint8_t value)
{
	size_t at = u->offset + ((size_t)r << u->shift);

	if (u->words)
		mmio_write32(u->registers, at, value);
	else
		mmio_write8(u->registers, at, value);
}

/* A UART's scratch register keeps what is written; a missing one reads all ones. */
static bool probe(const struct ns16550 *u)
{
	if (read_register(u, UART_LSR) == 0xff)
		return false;
	for (uint8_t pattern = 0x55;; pattern = 0xaa) {
		write_register(u, UART_SCRATCH, pattern);
		if (read_register(u, UART_SCRATCH) != pattern)
			return false;
		if (pattern == 0xaa)
			return true;
	}
}

/* Lines, FIFOs, no interrupts. divisor 0: the speed stays. */
static void set_up(const struct ns16550 *u, uint16_t divisor)
{
	/* What the nucleus wrote is still on its way. */
	for (unsigned i = 0; i < IDLE_SPINS_MAX && (read_register(u, UART_LSR) & LSR_IDLE) == 0; i++)
		;
	write_register(u, UART_IER, 0);
	if (divisor != 0) {
		write_register(u, UART_LCR, LCR_DLAB | LCR_8_BITS);
		write_register(u, UART_DATA, (uint8_t)divisor);
		write_register(u, UART_IER, (uint8_t)(divisor >> 8));
	}
	write_register(u, UART_LCR, LCR_8_BITS);
	write_register(u, UART_FCR, FCR_ENABLE | FCR_TRIGGER_8);
	write_register(u, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	(void)read_register(u, UART_LSR);
	(void)read_register(u, UART_IIR);
}

/* Where nobody is, all is ones: no line says that it has data, room and every error. A card may be pulled out. */
static uint8_t line_status(const void *uart)
{
	uint8_t line = read_register(uart, UART_LSR);

	return line == UINT8_MAX ? 0 : line;
}

static uint32_t status(const void *uart)
{
	uint8_t line = line_status(uart);

	return ((line & LSR_DATA) != 0 ? SERIAL_HAS_DATA : 0) |
	       ((line & LSR_HOLDING_EMPTY) != 0 ? SERIAL_HAS_ROOM : 0) | ((line & LSR_IDLE) != 0 ? SERIAL_IDLE : 0);
}

static int receive(const void *uart)
{
	uint8_t line = line_status(uart);

	if ((line & LSR_DATA) == 0)
		return SERIAL_NOTHING;
	FAULT_POINT(driver_serial_receive);
	uint8_t c = read_register(uart, UART_DATA);
	return (line & LSR_BREAK) != 0 ? SERIAL_BREAK : c;
}

static size_t room(const void *uart)
{
	return (line_status(uart) & LSR_HOLDING_EMPTY) != 0 ? BURST_BYTES : 0;
}

static void send(const void *uart, const unsigned char *bytes, size_t n)
{
	const struct ns16550 *u = uart;

	FAULT_POINT(driver_serial_send);
	if (!u->words) {
		mmio_write8_burst(u->registers, u->offset + UART_DATA, bytes, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		write_register(u, UART_DATA, bytes[i]);
}

static void set_interrupts(const void *uart, bool received, bool has_room)
{
	write_register(uart, UART_IER,
		       IER_LINE_STATUS | (received ? IER_RECEIVED : 0) | (has_room ? IER_TRANSMIT_EMPTY : 0));
}

/* Reading clears a transmitter interrupt that was served. */
static void acknowledge(const void *uart)
{
	(void)read_register(uart, UART_IIR);
}

static size_t offset(const void *uart)
{
	return ((const struct ns16550 *)uart)->offset;
}

static const struct serial_ops ops = {
	.kind = "16550A",
	.prefix = "ttyS",
	.major = 4,
	.first_minor = 64,
	.status = status,
	.receive = receive,
	.room = room,
	.send = send,
	.set_interrupts = set_interrupts,
	.acknowledge = acknowledge,
	.offset = offset,
};

static uint64_t number(const struct device *dev, const char *property, uint64_t otherwise)
{
	uint64_t value;

	return platform_number(dev, property, &value) ? value : otherwise;
}

/* How its registers lie, as firmware says, and within what it says is theirs. */
static int take_layout(struct device *dev, struct ns16550 *u)
{
	uint64_t shift = number(dev, "reg-shift", 0), width = number(dev, "reg-io-width", 1);
	uint64_t offset = number(dev, "reg-offset", 0);

	if (shift > SHIFT_MAX || (width != 1 && width != sizeof(uint32_t)) || offset >= u->registers->bytes ||
	    (offset | 1ull << shift) % width != 0 ||
	    u->registers->bytes - offset < ((uint64_t)UART_SCRATCH << shift) + width)
		return -EINVAL;
	u->shift = (uint8_t)shift;
	u->words = width != 1;
	u->offset = offset;
	return 0;
}

static uint16_t divisor_of(const struct device *dev, const struct ns16550 *u)
{
	uint64_t clock = number(dev, "clock-frequency", u->registers->is_port ? PC_CLOCK_HZ : 0);
	uint64_t divisor = (clock + 8 * BAUD) / (16 * BAUD);

	return divisor <= UINT16_MAX ? (uint16_t)divisor : 0;
}

unsigned ns16550_first_index(void)
{
	return ARCH_HAS_PORTS ? PC_PORTS : boot_info()->console.kind == ARM_UART_16550;
}

int ns16550_bring_up(const struct ns16550 *u, uint16_t divisor)
{
	if (!probe(u))
		return -ENODEV;
	set_up(u, divisor);
	return 0;
}

int ns16550_register(struct device *dev, struct ns16550_card *c, unsigned slot, unsigned index, bool fixed)
{
	int error = serial_register(dev, &ops, &c->uart[slot], slot, index, fixed, &c->port[c->count]);

	c->count += error == 0;
	return error;
}

void ns16550_serve(struct device *dev)
{
	struct ns16550_card *c = device_private(dev);

	serial_serve(c->port, c->count, &c->irq);
}

void ns16550_detach(struct device *dev)
{
	const struct ns16550_card *c = device_private(dev);

	for (unsigned i = 0; i < NS16550_PORTS_MAX; i++) {
		if (c->uart[i].registers == &c->registers)
			write_register(&c->uart[i], UART_IER, 0);
	}
}

/* A PC's ports have their own numbers; the console is the first where there are none, others come after. */
static int register_port(struct device *dev, struct ns16550_card *c)
{
	uint64_t line;

	if (platform_number(dev, "line", &line))
		return ns16550_register(dev, c, 0, (unsigned)line, true);
	bool is_console = platform_is_console(dev);
	return ns16550_register(dev, c, 0, is_console ? 0 : ns16550_first_index(), is_console);
}

static int attach(struct device *dev)
{
	struct ns16550_card *c = device_private(dev);
	struct ns16550 *u = &c->uart[0];
	int error = mmio_map(dev, 0, &c->registers);

	u->registers = &c->registers;
	if (error == 0)
		error = take_layout(dev, u);
	if (error == 0)
		error = ns16550_bring_up(u, divisor_of(dev, u));
	if (error < 0)
		return error;
	serial_open_irq(dev, &c->irq);
	return register_port(dev, c);
}

static const char *const names[] = {"ns16550a", "ns16550", "snps,dw-apb-uart", nullptr};

DRIVER(ns16550, .component = &component_serial, .bus = &platform_bus, .match = names,
       .private_bytes = sizeof(struct ns16550_card), .wants = WANTS_MMIO | WANTS_PORTS | WANTS_IRQ, .attach = attach,
       .serve = ns16550_serve, .detach = ns16550_detach);
