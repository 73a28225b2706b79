/* SPDX-License-Identifier: MIT */
/*
 * The PC's 16550A serial ports, at their old port addresses. Each register access is a bracket (arch/portio.h). The
 * interrupt is edge-triggered.
 */
#include "uart16550.h"

#include <arch/portio.h>
#include <arch/serial.h>
#include <kernel/driver/serial/serial.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr unsigned WORD_BYTES = 8; /* what one bracket writes */
constexpr size_t BURST_BYTES = 14; /* of the 16 that an empty FIFO takes */
constexpr unsigned IDLE_SPINS_MAX = 100000;

static uint8_t read_register(const struct serial_port *p, enum uart_register r)
{
	return portio_read8((uint16_t)p->base + r);
}

static void write_register(const struct serial_port *p, enum uart_register r, uint8_t value)
{
	portio_write8((uint16_t)p->base + r, value);
}

/* A UART's scratch register keeps what is written; a missing one reads all ones. */
static bool probe(struct serial_port *p)
{
	if (read_register(p, UART_LSR) == 0xff)
		return false;
	for (uint8_t pattern = 0x55;; pattern = 0xaa) {
		write_register(p, UART_SCRATCH, pattern);
		if (read_register(p, UART_SCRATCH) != pattern)
			return false;
		if (pattern == 0xaa)
			return true;
	}
}

static void set_up(struct serial_port *p)
{
	/* What the nucleus wrote is still on its way. */
	for (unsigned i = 0; i < IDLE_SPINS_MAX && (read_register(p, UART_LSR) & LSR_IDLE) == 0; i++)
		;
	write_register(p, UART_IER, 0);
	write_register(p, UART_LCR, LCR_DLAB | LCR_8_BITS);
	write_register(p, UART_DATA, 1); /* divisor: 115200 baud */
	write_register(p, UART_IER, 0);
	write_register(p, UART_LCR, LCR_8_BITS);
	write_register(p, UART_FCR, FCR_ENABLE | FCR_TRIGGER_8);
	write_register(p, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	(void)read_register(p, UART_LSR);
	(void)read_register(p, UART_IIR);
}

static uint32_t status(const struct serial_port *p)
{
	uint8_t line = read_register(p, UART_LSR);

	return ((line & LSR_DATA) != 0 ? SERIAL_HAS_DATA : 0) |
	       ((line & LSR_HOLDING_EMPTY) != 0 ? SERIAL_HAS_ROOM : 0) | ((line & LSR_IDLE) != 0 ? SERIAL_IDLE : 0);
}

static int receive(const struct serial_port *p)
{
	uint8_t line = read_register(p, UART_LSR);

	if ((line & LSR_DATA) == 0)
		return SERIAL_NOTHING;
	uint8_t c = read_register(p, UART_DATA);
	return (line & LSR_BREAK) != 0 ? SERIAL_BREAK : c;
}

static size_t room(const struct serial_port *p)
{
	return (read_register(p, UART_LSR) & LSR_HOLDING_EMPTY) != 0 ? BURST_BYTES : 0;
}

static void send(const struct serial_port *p, const unsigned char *bytes, size_t n)
{
	uint64_t words[2] = {};

	memcpy(words, bytes, n);
	portio_write8_burst((uint16_t)p->base + UART_DATA, words[0], (uint32_t)MIN(n, (size_t)WORD_BYTES));
	if (n > WORD_BYTES)
		portio_write8_burst((uint16_t)p->base + UART_DATA, words[1], (uint32_t)(n - WORD_BYTES));
}

static void set_interrupts(const struct serial_port *p, bool received, bool has_room)
{
	write_register(p, UART_IER,
		       IER_LINE_STATUS | (received ? IER_RECEIVED : 0) | (has_room ? IER_TRANSMIT_EMPTY : 0));
}

/* Reading clears a transmitter interrupt that was served. */
static void acknowledge(const struct serial_port *p)
{
	(void)read_register(p, UART_IIR);
}

static const struct serial_kind kind = {
	.name = "16550A",
	.major = 4,
	.first_minor = 64,
	.probe = probe,
	.set_up = set_up,
	.status = status,
	.receive = receive,
	.room = room,
	.send = send,
	.set_interrupts = set_interrupts,
	.acknowledge = acknowledge,
};

static struct serial_port ports[] = {
	{.kind = &kind, .name = "ttyS0", .base = 0x3f8, .gsi = 4, .has_irq = true, .minor = 0},
	{.kind = &kind, .name = "ttyS1", .base = 0x2f8, .gsi = 3, .has_irq = true, .minor = 1},
};

int arch_serial_find(void)
{
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		int error = serial_add(&ports[i]);

		if (error < 0)
			return error;
	}
	return 0;
}
