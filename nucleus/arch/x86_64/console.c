/* SPDX-License-Identifier: MIT */
/* Polled console of the nucleus: the first of a PC's four places for a 16550 UART that has one (PC16550D datasheet).
 * The serial driver sets it up for good later; both use 115200 8N1. */
#include "regs.h"
#include "report/log.h"
#include <lib/uart_wait.h>

enum uart_register : uint16_t {
	UART_DATA,
	UART_INTERRUPTS,
	UART_FIFO,
	UART_LINE,
	UART_MODEM,
	UART_STATUS,
	UART_SCRATCH = 7
};
enum : uint8_t { STATUS_TRANSMIT_EMPTY = 0x20, LINE_8N1 = 0x03, LINE_DIVISOR = 0x80 };
static uint16_t base; /* 0: none */

static uint8_t get(enum uart_register r)
{
	return io_read8((uint16_t)(base + r));
}
static void set(enum uart_register r, uint8_t value)
{
	io_write8((uint16_t)(base + r), value);
}

void arch_console_init(void)
{
	static const uint16_t places[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		base = places[i];
		/* Where no chip is, nothing keeps what is written; the status is all ones. */
		set(UART_SCRATCH, 0x5a);
		if (get(UART_STATUS) != 0xff && get(UART_SCRATCH) == 0x5a)
			break;
		base = 0;
	}
	if (!base)
		return;
	set(UART_INTERRUPTS, 0);
	set(UART_LINE, LINE_DIVISOR);
	set(UART_DATA, 1); /* 115200 */
	set(UART_INTERRUPTS, 0);
	set(UART_LINE, LINE_8N1);
	set(UART_FIFO, 0x07);
	set(UART_MODEM, 0x0b);
}

/* One by one: the driver writes here, too, so how much fits is known only when all is empty. */
static bool ready(void)
{
	cpu_relax();
	return get(UART_STATUS) & STATUS_TRANSMIT_EMPTY;
}

static void put(char c)
{
	static struct uart_wait wait;

	uart_wait(&wait, ready);
	set(UART_DATA, (uint8_t)c);
}

void arch_console_write(const char *text, size_t n)
{
	for (size_t i = 0; base && i < n; i++) {
		if (text[i] == '\n')
			put('\r');
		put(text[i]);
	}
}
