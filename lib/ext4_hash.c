/* SPDX-License-Identifier: MIT */
/*
 * The hashes of names in a directory's index (lib/ext4.h; "Hash Tree Directories": legacy, half MD4, TEA, each with
 * bytes that have a sign or have none). Half MD4 is MD4 (RFC 1320, 3.4) with eight steps to a round, TEA the Tiny
 * Encryption Algorithm (Wheeler and Needham, 1994) of 16 cycles; debugfs's dx_hash is the judge.
 */
#include <abi/errno.h>
#include <lib/annotate.h>
#include <lib/ext4.h>
#include <lib/ext4_layout.h>
#include <lib/types.h>

/* The last hash there is means the end of a directory to who lists it, and no name has it. */
constexpr uint32_t HASH_END = 0xfffffffe;

static uint32_t byte_of(const char *name, size_t at, bool without_sign)
{
	return without_sign ? (uint32_t)(unsigned char)name[at] : (uint32_t)(int32_t)(signed char)name[at];
}

/* Words of four characters each, the first one highest; behind the end stands the length, four times. */
static void pack(const char *name, size_t length, bool without_sign, uint32_t *words, size_t count)
{
	uint32_t pad = (uint32_t)length | (uint32_t)length << 8;
	size_t taken = MIN(length, count * 4);

	pad |= pad << 16;
	for (size_t n = 0; n < count; n++) {
		uint32_t word = pad;

		for (size_t at = n * 4; at < MIN(taken, n * 4 + 4); at++)
			word = byte_of(name, at, without_sign) + (word << 8);
		words[n] = word;
	}
}

static uint32_t rotate(uint32_t x, unsigned by)
{
	return x << by | x >> (32 - by);
}

static uint32_t mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
	switch (round) {
	case 0: return (x & y) | (~x & z);
	case 1: return (x & y) + ((x ^ y) & z);
	default: return x ^ y ^ z;
	}
}

static void half_md4(uint32_t state[4], const uint32_t words[8])
{
	static const uint8_t order[3][8] = {
		{0, 1, 2, 3, 4, 5, 6, 7}, {1, 3, 5, 7, 0, 2, 4, 6}, {3, 7, 2, 6, 1, 5, 0, 4}};
	static const uint8_t turns[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
	static const uint32_t added[3] = {0, 0x5a827999, 0x6ed9eba1};
	uint32_t s[4] = {state[0], state[1], state[2], state[3]};

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned step = 0; step < 8; step++) {
			/* Of a, b, c, d the one to change goes back by one each step. */
			unsigned at = (4 - step % 4) % 4;
			uint32_t f = mix(round, s[(at + 1) % 4], s[(at + 2) % 4], s[(at + 3) % 4]);

			s[at] = rotate(s[at] + f + words[order[round][step]] + added[round], turns[round][step % 4]);
		}
	}
	for (unsigned n = 0; n < 4; n++)
		state[n] += s[n];
}

static void tea(uint32_t state[4], const uint32_t key[4])
{
	uint32_t sum = 0, x = state[0], y = state[1];

	for (unsigned cycle = 0; cycle < 16; cycle++) {
		sum += 0x9e3779b9;
		x += ((y << 4) + key[0]) ^ (y + sum) ^ ((y >> 5) + key[1]);
		y += ((x << 4) + key[2]) ^ (x + sum) ^ ((x >> 5) + key[3]);
	}
	state[0] += x;
	state[1] += y;
}

static uint32_t legacy(const char *name, size_t length, bool without_sign)
{
	uint32_t before = 0x37abe8f9, now = 0x12a3fe2d;

	for (size_t at = 0; at < length; at++) {
		uint32_t next = before + (now ^ byte_of(name, at, without_sign) * 7152373);

		if (next & 0x80000000)
			next -= 0x7fffffff;
		before = now;
		now = next;
	}
	return now << 1;
}

int ext4_name_hash(const char *name, size_t length, uint8_t version, const uint32_t seed[4], uint32_t *hash)
{
	uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, words[8];
	bool without_sign = version >= HASH_UNSIGNED, half = version % HASH_UNSIGNED == HASH_HALF_MD4;

	if (version > HASH_UNSIGNED + HASH_TEA)
		return -EOPNOTSUPP;
	if ((seed[0] | seed[1] | seed[2] | seed[3]) != 0)
		for (size_t n = 0; n < ARRAY_LEN(state); n++)
			state[n] = seed[n];
	if (version % HASH_UNSIGNED == HASH_LEGACY) {
		*hash = legacy(name, length, without_sign);
	} else {
		size_t piece = half ? 32 : 16;

		for (size_t at = 0; at < length; at += piece) {
			pack(name + at, length - at, without_sign, words, piece / 4);
			half ? half_md4(state, words) : tea(state, words);
		}
		*hash = state[half];
	}
	*hash &= ~1u;
	if (*hash == HASH_END)
		*hash -= 2;
	return 0;
}
