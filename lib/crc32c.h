/* SPDX-License-Identifier: MIT */
/*
 * The CRC-32C of Castagnoli (RFC 3720, 12.1): polynomial 0x1edc6f41, bits reflected. This is the bare remainder:
 * whoever wants the number of the RFC begins with all ones and inverts the end, as iSCSI does; ext4 and JBD2 begin with
 * all ones, or with another remainder, and invert nothing.
 */
#ifndef LIB_CRC32C_H
#define LIB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The remainder of what gave `crc`, with n bytes behind it. */
uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t n);

#endif
