/* SPDX-License-Identifier: MIT */
/*
 * The debugger's line: a 16550 UART (PC16550D datasheet), polled, of a PCI card (class 7, subclass 0: PCI Code and ID
 * Assignment 1.11) behind ports or in memory, or at one of a PC's four places. Firmware has given it its address. It is
 * taken before lowered code runs: its registers are withheld, and its function is not there any more.
 */
#include "debug/debug.h"
#include "device/pci.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include <lib/string.h>

enum uart_register : uint16_t {
	UART_DATA,
	UART_INTERRUPTS,
	UART_FIFO,
	UART_LINE,
	UART_MODEM,
	UART_STATUS,
	UART_SCRATCH = 7,
	UART_BYTES
};
enum : uint8_t { STATUS_DATA = 0x01, STATUS_ROOM = 0x20, LINE_8N1 = 0x03, LINE_DIVISOR = 0x80, NOBODY = 0xff };
enum : uint32_t { CLASS_SERIAL = 0x0700, INTERFACE_16550 = 2, INTERFACE_LAST = 6, PLACES = 4, SPEED_MAX = 115200 };
enum : uint32_t { SLOT = (1u << 30) / PAGE_SIZE - 2 }; /* below the window of device/pci.c */

uint32_t debug_function = UINT32_MAX;
static uint16_t port; /* 0: in memory */
static volatile uint8_t *registers;

static uint8_t get(enum uart_register r)
{
	return ARCH_PORTS && port ? arch_debug_port_read((uint16_t)(port + r)) : registers[r];
}

static void set(enum uart_register r, uint8_t value)
{
	if (ARCH_PORTS && port)
		arch_debug_port_write((uint16_t)(port + r), value);
	else
		registers[r] = value;
}

int debug_uart_poll(void)
{
	uint8_t status = get(UART_STATUS);

	/* All ones: the card is gone. */
	return status != NOBODY && status & STATUS_DATA ? get(UART_DATA) : -1;
}

void debug_uart_send(uint8_t byte)
{
	/* Bounded, for a line on which nothing moves. */
	for (unsigned i = 0; i < 10000000 && !(get(UART_STATUS) & STATUS_ROOM); i++)
		cpu_relax();
	set(UART_DATA, byte);
}

static bool is_there(void)
{
	set(UART_SCRATCH, 0x5a);
	return get(UART_STATUS) != NOBODY && get(UART_SCRATCH) == 0x5a;
}

/* The index-th serial card in the order of bus, device and function; UINT32_MAX: there are not so many. */
static uint32_t find_card(uint32_t index)
{
	for (uint32_t f = 0; f < 0x10000; f++) {
		uint32_t class = pci_register(f, PCI_REVISION, 4) >> 8;

		if (pci_register(f, PCI_VENDOR_ID, 2) != 0xffff) {
			if (class >> 8 == CLASS_SERIAL && (class & 0xff) >= INTERFACE_16550 &&
			    (class & 0xff) <= INTERFACE_LAST && !index--)
				return f;
			if (f & 7 || pci_register(f, PCI_HEADER_TYPE, 1) & PCI_HEADER_MANY)
				continue;
		} else if (f & 7) {
			continue;
		}
		f |= 7; /* a device has further functions if its first says so */
	}
	return UINT32_MAX;
}

static bool open_card(uint32_t index)
{
	uint32_t f = find_card(index), bar, command;
	uint64_t base;

	if (f == UINT32_MAX) {
		log_printf("gdb: there is no PCI serial card number %u\n", index);
		return false;
	}
	bar = pci_register(f, PCI_BAR0, 4);
	base = bar & 1 ? bar & ~3u : bar & ~15u;
	if (!(bar & 1) && (bar & 6) == 4)
		base |= (uint64_t)pci_register(f, PCI_BAR0 + 4, 4) << 32;
	command = bar & 1 ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	if (bar & 1 && base < ARCH_PORTS)
		port = (uint16_t)base;
	else if (!(bar & 1) && base)
		registers = kernel_view_registers(SLOT, base, 1);
	if (!base || !(port || registers)) {
		log_printf("gdb: the PCI serial card has no address that is reached (%lx)\n", base);
		return false;
	}
	pci_register_change(f, PCI_COMMAND, PCI_COMMAND_BUS_MASTER, command | PCI_COMMAND_INTERRUPT_OFF);
	claim_withhold(port ? base | CLAIM_PORT_SPACE : base, (port ? base | CLAIM_PORT_SPACE : base) + UART_BYTES);
	debug_function = f;
	return true;
}

/* One of a PC's places; the first that has a UART is the nucleus's console. */
static bool open_place(uint32_t index)
{
	static const uint16_t places[PLACES] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
	bool console = true;

	for (uint32_t i = 0; i < index; i++) {
		port = places[i];
		console &= !is_there();
	}
	port = places[index];
	if (console && is_there()) {
		log_printf("gdb: ttyS%u is the console\n", index);
		return false;
	}
	claim_withhold(port | CLAIM_PORT_SPACE, (port + UART_BYTES) | CLAIM_PORT_SPACE);
	return true;
}

static bool open_name(const char *name)
{
	uint32_t index;

	if (!strncmp(name, "pci-serial", 10) && name[10] >= '0' && name[10] <= '9' && !name[11])
		return open_card((uint32_t)(name[10] - '0'));
	if (ARCH_PORTS && !strncmp(name, "ttyS", 4) && name[4] >= '0' && name[4] <= '9' && !name[5]) {
		index = (uint32_t)(name[4] - '0');
		return index < PLACES ? open_place(index) : open_card(index - PLACES);
	}
	log_printf("gdb: gdb-stub=%s is neither pci-serial0 … pci-serial9 nor, on a PC, ttyS0 … ttyS9\n", name);
	return false;
}

bool debug_uart_open(const char *name, uint32_t speed)
{
	uint32_t divisor = SPEED_MAX / speed;

	if (!open_name(name))
		return false;
	if (!is_there()) {
		log_printf("gdb: %s: there is no 16550 UART\n", name);
		return false;
	}
	set(UART_INTERRUPTS, 0);
	set(UART_LINE, LINE_DIVISOR);
	set(UART_DATA, (uint8_t)divisor);
	set(UART_INTERRUPTS, (uint8_t)(divisor >> 8));
	set(UART_LINE, LINE_8N1);
	set(UART_FIFO, 0x07);  /* on, empty */
	set(UART_MODEM, 0x03); /* ready, and no interrupts get out */
	return true;
}
