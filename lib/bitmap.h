/* SPDX-License-Identifier: MIT */
/* Bitmaps in arrays of 64-bit words: set, clear, test, and the first bit of a kind from a place on. */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include <stddef.h>
#include <stdint.h>

static inline size_t bitmap_words(size_t bits)
{
	return (bits + 63) / 64;
}
static inline void bitmap_set(uint64_t *map, size_t n)
{
	map[n / 64] |= UINT64_C(1) << (n % 64);
}
static inline void bitmap_clear(uint64_t *map, size_t n)
{
	map[n / 64] &= ~(UINT64_C(1) << (n % 64));
}
static inline bool bitmap_test(const uint64_t *map, size_t n)
{
	return map[n / 64] >> (n % 64) & 1;
}

/* flip: UINT64_MAX looks for a clear bit, 0 for a set one. Result: its number, or `bits`. */
static inline size_t bitmap_find(const uint64_t *map, size_t bits, size_t from, uint64_t flip)
{
	for (size_t word = from / 64; word < bitmap_words(bits); word++) {
		uint64_t seen = map[word] ^ flip;
		if (word == from / 64)
			seen &= UINT64_MAX << (from % 64);
		if (seen != 0) {
			size_t n = word * 64 + (size_t)__builtin_ctzll(seen);
			return n < bits ? n : bits;
		}
	}
	return bits;
}
static inline size_t bitmap_find_clear(const uint64_t *map, size_t bits, size_t from)
{
	return bitmap_find(map, bits, from, UINT64_MAX);
}
static inline size_t bitmap_find_set(const uint64_t *map, size_t bits, size_t from)
{
	return bitmap_find(map, bits, from, 0);
}

#endif
