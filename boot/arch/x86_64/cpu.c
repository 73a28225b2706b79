/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - x86_64's serial port, counter, random numbers, and leaving for the kernel.
 *
 * Specifications: 16550 (COM1 at 0x3f8, 115200 8N1), 8259A (masks), IOAPIC 82093AA 3.2 (redirection
 * table), Intel SDM 3A for the rest; ACPI 6.5, 5.2.12 for where I/O APICs are.
 */
#include <boot/arch.h>
#include <lib/uart_wait.h>

#include "cpu.h"
#include "madt.h"
#include "x86_64.h"

constexpr uint16_t COM1 = 0x3f8;

static uint64_t ticks_per_us = 1;

void arch_serial_init(void)
{
	port_write(COM1 + 1, 0x00); /* no interrupts */
	port_write(COM1 + 3, 0x80); /* divisor latch */
	port_write(COM1 + 0, 1);    /* 115200 */
	port_write(COM1 + 1, 0);
	port_write(COM1 + 3, 0x03); /* 8N1 */
	port_write(COM1 + 2, 0x07); /* FIFOs on and empty */
	port_write(COM1 + 4, 0x03); /* DTR, RTS */
}

static bool serial_ready(void)
{
	constexpr uint8_t transmitter_empty = 0x20;

	pause();
	return port_read(COM1 + 5) & transmitter_empty;
}

void arch_serial_write(char c)
{
	static struct uart_wait wait;

	uart_wait(&wait, serial_ready);
	port_write(COM1, (uint8_t)c);
}

void arch_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

uint64_t arch_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

bool arch_random(uint64_t *number)
{
	constexpr uint32_t rdrand = 1u << 30;

	if (!(cpuid(1).ecx & rdrand))
		return false;
	/* Intel SDM 1, 7.3.17: ten tries tell a passing lack from a broken generator. */
	for (unsigned i = 0; i < 10; i++) {
		bool good;

		__asm__ volatile("rdrand %0" : "=r"(*number), "=@ccc"(good));
		if (good)
			return true;
	}
	return false;
}

void wait_us(uint64_t us)
{
	uint64_t start = arch_ticks();

	while (arch_ticks() - start < us * ticks_per_us)
		pause();
}

void arch_prepare(void)
{
	constexpr uint64_t sample_us = 1000;
	uint64_t start;

	start = arch_ticks();
	efi->boot->stall(sample_us);
	ticks_per_us = (arch_ticks() - start) / sample_us + 1;
	paging_prepare();
	trampoline_prepare();
}

/* Masks the lines of an I/O APIC whose delivery is fixed or lowest priority; NMI and SMI stay. */
static void mask_io_apic(uint64_t base)
{
	constexpr uint32_t masked = 1u << 16, version_register = 1, first_entry = 0x10;
	uint32_t count;

	mmio_write(base, version_register);
	count = (mmio_read(base + 0x10) >> 16 & 0xff) + 1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t entry;

		mmio_write(base, first_entry + 2 * i);
		entry = mmio_read(base + 0x10);
		if ((entry >> 8 & 7) <= 1)
			mmio_write(base + 0x10, entry | masked);
	}
}

void arch_enter(struct boot *boot, void *stack_top)
{
	constexpr uint32_t madt_pcat_compat = 1;
	const struct madt *madt = firmware_acpi(boot->rsdp, "APIC");

	if (madt == nullptr || (madt->flags & madt_pcat_compat)) {
		port_write(0x21, 0xff);
		port_write(0xa1, 0xff);
	}
	for (size_t at = 0; madt != nullptr;) {
		const struct madt_entry *e = madt_next(madt, &at);

		if (e == nullptr)
			break;
		if (e->type == MADT_IO_APIC)
			mask_io_apic(((const struct madt_io_apic *)e)->address);
	}
	trampoline_enter(boot->entry_point, (uint64_t)to_hhdm(stack_top));
}
