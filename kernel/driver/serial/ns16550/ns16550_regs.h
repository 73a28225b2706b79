/* SPDX-License-Identifier: MIT */
/* Registers of the 16550A UART (National Semiconductor PC16550D data sheet, 8.0 "Registers"); byte
 * offsets from the base. */
#ifndef SERIAL_NS16550_REGS_H
#define SERIAL_NS16550_REGS_H

#include <stdint.h>

enum uart_register : uint16_t {
	UART_DATA = 0,	  /* RW: receiver buffer, transmitter holding; with DLAB: divisor low */
	UART_IER = 1,	  /* RW: interrupt enable; with DLAB: divisor high */
	UART_IIR = 2,	  /* R: interrupt identification */
	UART_FCR = 2,	  /* W: FIFO control */
	UART_LCR = 3,	  /* RW: line control */
	UART_MCR = 4,	  /* RW: modem control */
	UART_LSR = 5,	  /* R: line status */
	UART_MSR = 6,	  /* R: modem status */
	UART_SCRATCH = 7, /* RW */
};
enum : uint8_t { IER_RECEIVED = 1, IER_TRANSMIT_EMPTY = 2, IER_LINE_STATUS = 4 };
enum : uint8_t { FCR_ENABLE = 1, FCR_CLEAR_RECEIVE = 2, FCR_CLEAR_TRANSMIT = 4, FCR_TRIGGER_8 = 0x80 };
enum : uint8_t { LCR_8_BITS = 3, LCR_DLAB = 0x80 };
enum : uint8_t { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT2 = 8 }; /* OUT2 lets the interrupt through on a PC */
enum : uint8_t { LSR_DATA = 1, LSR_OVERRUN = 2, LSR_BREAK = 0x10, LSR_HOLDING_EMPTY = 0x20, LSR_IDLE = 0x40 };

constexpr uint32_t UART_CLOCK_DIVIDED = 115200; /* baud at divisor 1 */
constexpr unsigned UART_FIFO_BYTES = 16;

#endif
