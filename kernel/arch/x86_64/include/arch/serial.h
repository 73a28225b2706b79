/* SPDX-License-Identifier: MIT */
/* Serial ports of a PC: 16550s at port addresses, so the serial driver needs the right to elevate. */
#ifndef ARCH_SERIAL_H
#define ARCH_SERIAL_H

constexpr bool ARCH_SERIAL_ASKS_ELEVATE = true;

/* Announces the machine's ports (kernel/driver/serial/serial.h). */
int arch_serial_find(void);

#endif
