/* SPDX-License-Identifier: MIT */
/*
 * UARTs as ACPI's static tables tell of them: SPCR (Serial Port Console Redirection Table, revision 2 and later) names
 * one, DBG2 (Microsoft Debug Port Table 2, revision 0) several, by the same numbers for kinds and the same addresses
 * (ACPI 6.5, 5.2.3.2). Pure; bounds-checked. Whether a UART answers there is the caller's to find out.
 */
#ifndef LIB_ACPI_UART_H
#define LIB_ACPI_UART_H

#include <stddef.h>
#include <stdint.h>

enum acpi_uart_kind : uint8_t { ACPI_UART_NONE, ACPI_UART_PL011, ACPI_UART_16550 };

struct acpi_uart {
	uint64_t start; /* physical address, or port */
	enum acpi_uart_kind kind;
	bool is_port;
	uint8_t register_shift; /* 16550: registers are 1 << shift bytes apart */
	uint8_t register_bytes; /* width of an access: 1, 4 */
};

enum : size_t { ACPI_ADDRESS_BYTES = 12 };

/* A port type of DBG2's serial ports, and a generic address structure of ACPI_ADDRESS_BYTES. false: a kind that we
 * cannot drive, or an address where none of it can be. */
[[nodiscard]] bool acpi_uart_decode(unsigned type, const unsigned char *address, struct acpi_uart *out);

/* The serial ports of a whole DBG2 whose checksum is right, in its order, each once. Result: how many were written to
 * out, at most `room`; what makes no sense is left out. */
unsigned acpi_debug_ports(const void *table, size_t length, struct acpi_uart *out, unsigned room);

#endif
