/* SPDX-License-Identifier: MIT */
/* Polled console of the nucleus: the first 16550 UART (PC16550D datasheet). The serial driver sets it up for good
 * later; both use 115200 8N1. */
#include "regs.h"
#include "report/log.h"

enum uart_port : uint16_t {
	UART_DATA = 0x3f8,
	UART_INTERRUPTS = 0x3f9,
	UART_FIFO = 0x3fa,
	UART_LINE = 0x3fb,
	UART_MODEM = 0x3fc,
	UART_STATUS = 0x3fd
};
enum : uint8_t { STATUS_TRANSMIT_EMPTY = 0x20, LINE_8N1 = 0x03, LINE_DIVISOR = 0x80, FIFO_WORKS = 0xc0 };
static bool present;
static unsigned fifo_bytes = 1;

void arch_console_init(void)
{
	/* No chip answers with all ones. */
	if (io_read8(UART_STATUS) == 0xff)
		return;
	io_write8(UART_INTERRUPTS, 0);
	io_write8(UART_LINE, LINE_DIVISOR);
	io_write8(UART_DATA, 1); /* 115200 */
	io_write8(UART_INTERRUPTS, 0);
	io_write8(UART_LINE, LINE_8N1);
	io_write8(UART_FIFO, 0x07);
	io_write8(UART_MODEM, 0x0b);
	/* A chip whose FIFOs work says so where the interrupts are identified. */
	if ((io_read8(UART_FIFO) & FIFO_WORKS) == FIFO_WORKS)
		fifo_bytes = 16;
	present = true;
}

/* Bounded: a chip that never gets ready must not stop a panic. */
static void wait_empty(void)
{
	for (int i = 0; i < 100000 && !(io_read8(UART_STATUS) & STATUS_TRANSMIT_EMPTY); i++)
		cpu_relax();
}

/* The driver writes here, too: only when all is empty is it known how much fits. */
static void put(char c, unsigned *room)
{
	if (!*room) {
		wait_empty();
		*room = fifo_bytes;
	}
	io_write8(UART_DATA, (uint8_t)c);
	--*room;
}

void arch_console_write(const char *text, size_t n)
{
	unsigned room = 0;

	for (size_t i = 0; present && i < n; i++) {
		if (text[i] == '\n')
			put('\r', &room);
		put(text[i], &room);
	}
}
