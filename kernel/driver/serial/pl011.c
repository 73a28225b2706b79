/* SPDX-License-Identifier: MIT */
/*
 * The PL011 UART (registers and sections: pl011_regs.h). Its registers are mapped, so none of this needs privilege. The
 * interrupt is a level; the transmitter's is asserted when the FIFO drains through its threshold, and the FIFO was full
 * when we ask for it. Speed and clock stay as firmware set them.
 */
#include "pl011_regs.h"
#include "serial.h"

#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/kmap.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

constexpr size_t BURST_BYTES = 14; /* of the 16 that an empty FIFO takes at least */
constexpr unsigned IDLE_SPINS_MAX = 1000000;

static uint32_t read_register(const struct serial_port *p, enum pl011_register r)
{
	return p->mapped[r / sizeof(uint32_t)];
}

static void write_register(const struct serial_port *p, enum pl011_register r, uint32_t value)
{
	p->mapped[r / sizeof(uint32_t)] = value;
}

static bool probe(struct serial_port *p)
{
	if (p->mapped != nullptr)
		return true;
	uint64_t at = kmap_reserve(1);
	if (at == 0)
		return false;
	long error = nucleus_device_map(at, p->base & ~(uint64_t)(PAGE_SIZE - 1), 1);
	if (error < 0) {
		log_error("serial: %s: the registers at %#lx cannot be mapped (%ld)", p->name, p->base, error);
		return false;
	}
	p->mapped = (volatile uint32_t *)(at + p->base % PAGE_SIZE);
	return true;
}

static void set_up(struct serial_port *p)
{
	/* What the nucleus wrote is still on its way, and the line may only be changed when it is gone (3.3.7). */
	for (unsigned i = 0; i < IDLE_SPINS_MAX && (read_register(p, PL011_FR) & PL011_FR_BUSY) != 0; i++)
		;
	write_register(p, PL011_IMSC, 0);
	write_register(p, PL011_CR, 0);
	write_register(p, PL011_LCR_H, PL011_LCR_8_BITS | PL011_LCR_FIFO);
	write_register(p, PL011_IFLS, PL011_IFLS_TX_QUARTER | PL011_IFLS_RX_EIGHTH);
	write_register(p, PL011_ICR, PL011_INT_ALL);
	write_register(p, PL011_CR,
		       PL011_CR_ENABLE | PL011_CR_TX_ENABLE | PL011_CR_RX_ENABLE | PL011_CR_DTR | PL011_CR_RTS);
}

static uint32_t status(const struct serial_port *p)
{
	uint32_t flags = read_register(p, PL011_FR);

	return ((flags & PL011_FR_RX_EMPTY) == 0 ? SERIAL_HAS_DATA : 0) |
	       ((flags & PL011_FR_TX_FULL) == 0 ? SERIAL_HAS_ROOM : 0) |
	       ((flags & (PL011_FR_TX_EMPTY | PL011_FR_BUSY)) == PL011_FR_TX_EMPTY ? SERIAL_IDLE : 0);
}

static int receive(const struct serial_port *p)
{
	if ((read_register(p, PL011_FR) & PL011_FR_RX_EMPTY) != 0)
		return SERIAL_NOTHING;
	uint32_t data = read_register(p, PL011_DR);
	return (data & PL011_DR_BREAK) != 0 ? SERIAL_BREAK : (int)(data & 0xff);
}

static size_t room(const struct serial_port *p)
{
	uint32_t flags = read_register(p, PL011_FR);

	if ((flags & PL011_FR_TX_EMPTY) != 0)
		return BURST_BYTES;
	return (flags & PL011_FR_TX_FULL) != 0 ? 0 : 1;
}

static void send(const struct serial_port *p, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		write_register(p, PL011_DR, bytes[i]);
}

static void set_interrupts(const struct serial_port *p, bool received, bool has_room)
{
	write_register(p, PL011_IMSC,
		       (received ? PL011_INT_RX | PL011_INT_RX_TIMEOUT : 0) | (has_room ? PL011_INT_TX : 0));
}

/* The others end when their cause does. */
static void acknowledge(const struct serial_port *p)
{
	write_register(p, PL011_ICR, PL011_INT_RX_TIMEOUT | PL011_INT_ERRORS);
}

static const struct serial_kind kind = {
	.name = "PL011",
	.major = 204,
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

static struct serial_port console = {.kind = &kind, .name = "ttyAMA0"};

int pl011_find(void)
{
	const struct boot_console *c = &boot_info()->console;

	if (c->kind != BOOT_CONSOLE_PL011) {
		log_info("serial: the machine's description names no PL011");
		return 0;
	}
	console.base = c->phys;
	console.gsi = c->gsi;
	console.irq_flags = c->irq_flags;
	console.has_irq = c->gsi != 0;
	return serial_add(&console);
}
