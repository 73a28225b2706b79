/* SPDX-License-Identifier: MIT */
/* CRC-32, four bits at a time: a table of 16 words is enough for headers and partition tables (lib/crc32.h). */
#include <lib/crc32.h>

constexpr uint32_t POLYNOMIAL_REFLECTED = 0xedb88320;

/* What four more bits of zeros make of a remainder. */
static uint32_t shift_four(uint32_t crc)
{
	for (unsigned bit = 0; bit < 4; bit++)
		crc = crc >> 1 ^ ((crc & 1) != 0 ? POLYNOMIAL_REFLECTED : 0);
	return crc;
}

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;
	uint32_t table[16];

	for (uint32_t i = 0; i < 16; i++)
		table[i] = shift_four(i);
	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= at[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}
