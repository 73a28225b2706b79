/* SPDX-License-Identifier: MIT */
/*
 * The brackets of port I/O (arch/portio.h). Each is a straight leaf: elevate, the port
 * instructions, lower; operands stay in registers. IN, OUT: Intel SDM vol. 1, 19 (input/output).
 */
#include <arch/portio.h>
#include <arch/privilege.h>

uint8_t portio_read8(uint16_t port)
{
	uint8_t value;

	elevate();
	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
	lower();
	return value;
}

void portio_write8(uint16_t port, uint8_t value)
{
	elevate();
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
	lower();
}

void portio_write8_burst(uint16_t port, uint64_t bytes, uint32_t count)
{
	if (count == 0)
		return;
	elevate();
	/* One statement: between two the compiler could place a stack access. */
	__asm__ volatile("1:	outb %%al, %%dx\n"
			 "	shrq $8, %%rax\n"
			 "	decl %1\n"
			 "	jnz 1b"
			 : "+a"(bytes), "+r"(count)
			 : "d"(port)
			 : "cc");
	lower();
}

uint16_t portio_read16(uint16_t port)
{
	uint16_t value;

	elevate();
	__asm__ volatile("inw %1, %0" : "=a"(value) : "d"(port));
	lower();
	return value;
}

void portio_write16(uint16_t port, uint16_t value)
{
	elevate();
	__asm__ volatile("outw %0, %1" : : "a"(value), "d"(port));
	lower();
}

uint32_t portio_read32(uint16_t port)
{
	uint32_t value;

	elevate();
	__asm__ volatile("inl %1, %0" : "=a"(value) : "d"(port));
	lower();
	return value;
}

void portio_write32(uint16_t port, uint32_t value)
{
	elevate();
	__asm__ volatile("outl %0, %1" : : "a"(value), "d"(port));
	lower();
}
