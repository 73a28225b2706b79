/* SPDX-License-Identifier: MIT */
/*
 * The CRC-32 of IEEE 802.3 (3.2.9), as GPT (UEFI 2.10, 5.3.2) and gzip use it: polynomial 0x04c11db7, bits reflected,
 * all ones before and after. In pieces: crc32_add(crc32_add(0, a, n), b, m) is that of a and b in a row.
 */
#ifndef LIB_CRC32_H
#define LIB_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n);

#endif
