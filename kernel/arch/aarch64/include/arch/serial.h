/* SPDX-License-Identifier: MIT */
/* Serial ports of an arm64 machine: firmware names them all, and their registers are mapped, which needs no right. */
#ifndef ARCH_SERIAL_H
#define ARCH_SERIAL_H

#include <kernel/driver/serial/serial.h>

constexpr bool ARCH_SERIAL_ASKS_ELEVATE = false;

/* Announces the machine's ports. */
static inline int arch_serial_find(void)
{
	return pl011_find();
}

#endif
