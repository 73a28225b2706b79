/* SPDX-License-Identifier: MIT */
/* CRC-32C, a byte at a time (lib/crc32c.h). The compiler makes the table: a remainder is linear in the bits of its
 * byte, so eight of them give all. */
#include <lib/crc32c.h>

#define SHIFT(crc) ((crc) >> 1 ^ (((crc) & 1) != 0 ? 0x82f63b78u : 0))
constexpr uint32_t BIT7 = 0x82f63b78, BIT6 = SHIFT(BIT7), BIT5 = SHIFT(BIT6), BIT4 = SHIFT(BIT5), BIT3 = SHIFT(BIT4),
		   BIT2 = SHIFT(BIT3), BIT1 = SHIFT(BIT2), BIT0 = SHIFT(BIT1);
#define ENTRY(n)                                                                                                       \
	(((n) & 1 ? BIT0 : 0) ^ ((n) & 2 ? BIT1 : 0) ^ ((n) & 4 ? BIT2 : 0) ^ ((n) & 8 ? BIT3 : 0) ^                   \
	 ((n) & 16 ? BIT4 : 0) ^ ((n) & 32 ? BIT5 : 0) ^ ((n) & 64 ? BIT6 : 0) ^ ((n) & 128 ? BIT7 : 0))
#define FOUR(n)	   ENTRY(n), ENTRY(n + 1), ENTRY(n + 2), ENTRY(n + 3)
#define SIXTEEN(n) FOUR(n), FOUR(n + 4), FOUR(n + 8), FOUR(n + 12)
#define MANY(n)	   SIXTEEN(n), SIXTEEN(n + 16), SIXTEEN(n + 32), SIXTEEN(n + 48)

static const uint32_t table[256] = {MANY(0), MANY(64), MANY(128), MANY(192)};

uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < n; i++)
		crc = crc >> 8 ^ table[(crc ^ at[i]) & 255];
	return crc;
}
