/* SPDX-License-Identifier: MIT */
/*
 * Port I/O. IN and OUT need privilege (IOPL is 0), so these are brackets: the calling thread's
 * component must have the right to elevate. Bytes travel in registers; no memory is touched while
 * privileged.
 */
#ifndef ARCH_PORTIO_H
#define ARCH_PORTIO_H

#include <stdint.h>

constexpr bool ARCH_HAS_PORTS = true;

uint8_t portio_read8(uint16_t port);
void portio_write8(uint16_t port, uint8_t value);
/* Writes the low `count` (at most 8) bytes of `bytes` to one port, lowest first, in one bracket. */
void portio_write8_burst(uint16_t port, uint64_t bytes, uint32_t count);
uint16_t portio_read16(uint16_t port);
void portio_write16(uint16_t port, uint16_t value);
uint32_t portio_read32(uint16_t port);
void portio_write32(uint16_t port, uint32_t value);

#endif
