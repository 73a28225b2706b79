/* SPDX-License-Identifier: MIT */
/* The console's UART of an ARM machine, as its description (lib/arm_platform.h) names it. */
#ifndef LIB_ARM_UART_H
#define LIB_ARM_UART_H

#include <lib/arm_interrupt.h>
#include <stdint.h>

enum arm_uart_kind : uint8_t { ARM_UART_NONE, ARM_UART_PL011, ARM_UART_16550 };

struct arm_uart {
	enum arm_uart_kind kind;
	bool proposed; /* not named as the console: it need not be there */
	uint64_t phys;
	struct arm_interrupt interrupt; /* id 0: polled only */
	uint8_t register_shift;		/* 16550: registers are 1 << shift bytes apart */
	uint8_t register_bytes;		/* width of an access: 1, 4 */
	uint32_t clock_hz;		/* 0: unknown; the firmware's baud rate stays */
};

#endif
