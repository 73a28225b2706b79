/* SPDX-License-Identifier: MIT */
/* Registers of the PL011 UART (ARM DDI 0183G, PrimeCell UART (PL011) Technical Reference Manual, 3.2 and 3.3); byte
 * offsets from the base, accessed as 32-bit words. */
#ifndef SERIAL_PL011_REGS_H
#define SERIAL_PL011_REGS_H

#include <stdint.h>

enum pl011_register : uint32_t {
	PL011_DR = 0x000,    /* RW: data; reading: with error bits. 3.3.1 */
	PL011_FR = 0x018,    /* R: flags. 3.3.3 */
	PL011_LCR_H = 0x02c, /* RW: line control. 3.3.7 */
	PL011_CR = 0x030,    /* RW: control. 3.3.8 */
	PL011_IFLS = 0x034,  /* RW: FIFO levels of interrupts. 3.3.9 */
	PL011_IMSC = 0x038,  /* RW: interrupt mask, 1 lets through. 3.3.10 */
	PL011_ICR = 0x044,   /* W: interrupt clear. 3.3.13 */
};
enum : uint32_t { PL011_DR_BREAK = 1 << 10 };
enum : uint32_t {
	PL011_FR_BUSY = 1 << 3,
	PL011_FR_RX_EMPTY = 1 << 4,
	PL011_FR_TX_FULL = 1 << 5,
	PL011_FR_TX_EMPTY = 1 << 7,
};
enum : uint32_t { PL011_LCR_FIFO = 1 << 4, PL011_LCR_8_BITS = 3 << 5 };
enum : uint32_t {
	PL011_CR_ENABLE = 1 << 0,
	PL011_CR_TX_ENABLE = 1 << 8,
	PL011_CR_RX_ENABLE = 1 << 9,
	PL011_CR_DTR = 1 << 10,
	PL011_CR_RTS = 1 << 11,
};
enum : uint32_t { PL011_IFLS_TX_QUARTER = 1, PL011_IFLS_RX_EIGHTH = 0 << 3 };
enum : uint32_t {
	PL011_INT_RX = 1 << 4,
	PL011_INT_TX = 1 << 5,
	PL011_INT_RX_TIMEOUT = 1 << 6,
	PL011_INT_ERRORS = 0xf << 7, /* framing, parity, break, overrun */
	PL011_INT_ALL = 0x7ff,
};

#endif
