/* SPDX-License-Identifier: MIT */
/*
 * Polled console of the nucleus: the UART that the machine's description names, a PL011 (DDI 0183, 3.3) or a 16550 with
 * its registers in memory. The kernel's driver uses the same one and its interrupts; the firmware's speed stays. What
 * is said before the UART is known waits in a buffer.
 */
#include "console.h"
#include "mmio.h"
#include "platform.h"
#include "regs.h"
#include "report/log.h"
#include <lib/string.h>
#include <lib/uart_wait.h>

enum pl011_register : uint32_t {
	PL011_DR = 0x00,   /* RW  3.3.1  data */
	PL011_FR = 0x18,   /* RO  3.3.3  flags */
	PL011_LCRH = 0x2c, /* RW  3.3.7  line control */
	PL011_CR = 0x30,   /* RW  3.3.8  control */
	PL011_IMSC = 0x38, /* RW  3.3.10 interrupts wanted */
};
enum : uint32_t {
	PL011_FR_TRANSMIT_FULL = 1 << 5,
	PL011_LCRH_8N1_FIFO = 0x70,
	PL011_CR_ENABLE = 1 << 0,
	PL011_CR_TRANSMIT = 1 << 8,
	PL011_CR_RECEIVE = 1 << 9,
};
/* PC16550D, 8: data, interrupt enable, line status. */
enum ns16550_register : uint32_t { NS16550_DATA = 0, NS16550_INTERRUPTS = 1, NS16550_STATUS = 5 };
enum : uint32_t { NS16550_STATUS_EMPTY = 0x20 };

static volatile void *registers; /* nullptr: not known yet, or there is none */
static char early[4096];
static size_t early_bytes, early_lost;

static uint32_t ns16550_read(enum ns16550_register r)
{
	size_t offset = (size_t)r << platform.console.register_shift;

	return platform.console.register_bytes == 4 ? mmio_read32(registers, offset) : mmio_read8(registers, offset);
}

static void ns16550_write(enum ns16550_register r, uint8_t value)
{
	size_t offset = (size_t)r << platform.console.register_shift;

	if (platform.console.register_bytes == 4)
		mmio_write32(registers, offset, value);
	else
		mmio_write8(registers, offset, value);
}

static bool ready(void)
{
	cpu_relax();
	if (platform.console.kind == ARM_UART_PL011)
		return !(mmio_read32(registers, PL011_FR) & PL011_FR_TRANSMIT_FULL);
	return ns16550_read(NS16550_STATUS) & NS16550_STATUS_EMPTY;
}

static void put(char c)
{
	static struct uart_wait wait;

	uart_wait(&wait, ready);
	if (platform.console.kind == ARM_UART_PL011)
		mmio_write32(registers, PL011_DR, (uint8_t)c);
	else
		ns16550_write(NS16550_DATA, (uint8_t)c);
}

static void put_text(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			put('\r');
		put(text[i]);
	}
}

static void prepare(void)
{
	uint32_t control;

	if (platform.console.kind != ARM_UART_PL011) {
		ns16550_write(NS16550_INTERRUPTS, 0);
		return;
	}
	mmio_write32(registers, PL011_IMSC, 0);
	control = mmio_read32(registers, PL011_CR);
	if (control & PL011_CR_ENABLE && control & PL011_CR_TRANSMIT)
		return;
	mmio_write32(registers, PL011_LCRH, PL011_LCRH_8N1_FIFO);
	mmio_write32(registers, PL011_CR, control | PL011_CR_ENABLE | PL011_CR_TRANSMIT | PL011_CR_RECEIVE);
}

void arch_console_init(void)
{
	/* Where the UART is, nobody has told yet. */
}

bool console_started(void)
{
	return registers;
}

void console_start(volatile void *uart)
{
	registers = uart;
	prepare();
	put_text(early, early_bytes);
	if (early_lost)
		log_printf("console: %zu earlier bytes are lost\n", early_lost);
	early_bytes = 0;
}

void arch_console_write(const char *text, size_t n)
{
	size_t room = sizeof(early) - early_bytes, kept = n < room ? n : room;

	if (registers) {
		put_text(text, n);
		return;
	}
	memcpy(early + early_bytes, text, kept);
	early_bytes += kept;
	early_lost += n - kept;
}
