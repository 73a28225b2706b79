/* SPDX-License-Identifier: MIT */
/* libFuzzer: any bytes as an MADT, as tables of registers to be kept from all, as a debug port table. No read is
 * outside of them, and every answer is in range. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Included, so that they are compiled for the fuzzer's eyes. */
#include <lib/acpi_tables.c>
#define get16 get16_uart
#define get32 get32_uart
#include <lib/acpi_uart.c>

enum { ROOM = 4096, ROOT = 64, TABLE = 128 };
static unsigned char *memory;
static size_t memory_bytes;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const void *map(uint64_t phys, size_t size)
{
	return phys <= memory_bytes && size <= memory_bytes - phys ? memory + phys : nullptr;
}

static void close_sum(size_t at, size_t n, size_t where)
{
	unsigned char sum = 0;

	memory[where] = 0;
	for (size_t i = 0; i < n; i++)
		sum += memory[at + i];
	memory[where] = (unsigned char)-sum;
}

/* A root with one table that has the input for its body, of just its size. */
static void find(const char *name, const uint8_t *data, size_t size)
{
	struct acpi_range guarded[ACPI_GUARDED_MAX];
	size_t length = 36 + size;

	memory_bytes = TABLE + length;
	memory = calloc(1, memory_bytes);
	memcpy(memory, "RSD PTR ", 8);
	memory[16] = ROOT;
	close_sum(0, 20, 8);
	memory[ROOT + 4] = 40;
	memory[ROOT + 36] = TABLE;
	close_sum(ROOT, 40, ROOT + 9);
	memcpy(memory + TABLE, name, 4);
	memory[TABLE + 4] = (unsigned char)length;
	memory[TABLE + 5] = (unsigned char)(length >> 8);
	memcpy(memory + TABLE + 36, data, size);
	close_sum(TABLE, length, TABLE + 9);
	assert(acpi_find_table(0, name, map, &length) == memory + TABLE && length == 36 + size);
	unsigned count = acpi_find_guarded(0, map, guarded);
	assert(count <= ACPI_GUARDED_MAX);
	for (unsigned i = 0; i < count; i++)
		assert(guarded[i].start <= guarded[i].end);
	free(memory);
}

static void parse(const uint8_t *data, size_t size)
{
	struct acpi_uart ports[3];
	struct madt madt;
	/* Of its own, so that the sanitizer sees both ends. */
	unsigned char *table = malloc(size);

	memcpy(table, data, size);
	if (madt_parse(table, size, &madt))
		assert(madt.ioapic_count <= MADT_IOAPICS_MAX && madt.override_count <= MADT_OVERRIDES_MAX);
	unsigned count = acpi_debug_ports(table, size, ports, 3);
	assert(count <= 3);
	for (unsigned i = 0; i < count; i++) {
		assert(ports[i].kind == ACPI_UART_16550 || (ports[i].kind == ACPI_UART_PL011 && !ports[i].is_port));
		assert(ports[i].start != 0 && (!ports[i].is_port || ports[i].start <= 0xfff8));
		assert(ports[i].register_shift <= 2);
	}
	free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"DMAR", "IVRS", "HPET"};

	if (size == 0 || size > ROOM)
		return 0;
	if (data[0] % 4 < 3)
		find(names[data[0] % 4], data + 1, size - 1);
	else
		parse(data + 1, size - 1);
	return 0;
}
