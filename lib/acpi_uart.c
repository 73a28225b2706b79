/* SPDX-License-Identifier: MIT */
/* UARTs of SPCR and DBG2, see acpi_uart.h. */
#include <lib/acpi_uart.h>

enum : unsigned {
	TYPE_16550 = 0,
	TYPE_16550_SUBSET = 1,
	TYPE_PL011 = 3,
	TYPE_SBSA_32 = 13,
	TYPE_SBSA = 14,
	TYPE_16550_ADDRESS = 18, /* its registers lie as the address structure says */
};

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}
static uint32_t get32(const unsigned char *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

bool acpi_uart_decode(unsigned type, const unsigned char *address, struct acpi_uart *out)
{
	enum : uint8_t { MEMORY = 0, PORTS = 1, ACCESS_DWORD = 3 };
	enum : uint64_t { PORTS_END = 0x10000, PORT_REGISTERS = 8, PAGE = 4096 };

	*out = (struct acpi_uart){.start = get32(address + 4) | (uint64_t)get32(address + 8) << 32,
				  .is_port = address[0] == PORTS,
				  .register_bytes = 1};
	switch (type) {
	case TYPE_PL011:
	case TYPE_SBSA_32:
	case TYPE_SBSA: out->kind = ACPI_UART_PL011; break;
	case TYPE_16550:
	case TYPE_16550_SUBSET:
	case TYPE_16550_ADDRESS: out->kind = ACPI_UART_16550; break;
	default: return false;
	}
	if (out->start == 0)
		return false;
	if (out->is_port)
		return out->kind == ACPI_UART_16550 && out->start <= PORTS_END - PORT_REGISTERS;
	if (address[3] == ACCESS_DWORD)
		out->register_bytes = 4;
	/* A port whose registers are 32 bits wide has one in every word. */
	out->register_shift = address[1] == 32 ? 2 : 0;
	return address[0] == MEMORY && out->start <= UINT64_MAX - PAGE;
}

/* --- DBG2 --- */

static bool is_known(const struct acpi_uart *u, const struct acpi_uart *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i].start == u->start && list[i].is_port == u->is_port)
			return true;
	return false;
}

/* A device of n bytes: its first address is that of its registers. */
static bool decode_device(const unsigned char *e, size_t n, struct acpi_uart *out)
{
	enum : size_t { ADDRESSES = 3, TYPE = 12, SUBTYPE = 14, ADDRESS_OFFSET = 18, FIXED = 22 };
	enum : uint16_t { SERIAL = 0x8000 };

	if (n < FIXED || e[ADDRESSES] == 0 || get16(e + TYPE) != SERIAL)
		return false;
	size_t at = get16(e + ADDRESS_OFFSET);

	return at >= FIXED && at <= n && n - at >= ACPI_ADDRESS_BYTES &&
	       acpi_uart_decode(get16(e + SUBTYPE), e + at, out);
}

unsigned acpi_debug_ports(const void *table, size_t length, struct acpi_uart *out, unsigned room)
{
	enum : size_t { DEVICES = 36, DEVICE_COUNT = 40, FIXED = 44, DEVICE_LENGTH = 1 };
	const unsigned char *p = table;
	unsigned found = 0;

	if (length < FIXED)
		return 0;
	uint32_t left = get32(p + DEVICE_COUNT);
	size_t at = get32(p + DEVICES);

	for (; left > 0 && found < room && at >= FIXED && at < length && length - at >= 3; left--) {
		size_t n = get16(p + at + DEVICE_LENGTH);
		struct acpi_uart u;

		if (n < 3 || n > length - at)
			break;
		if (decode_device(p + at, n, &u) && !is_known(&u, out, found))
			out[found++] = u;
		at += n;
	}
	return found;
}
