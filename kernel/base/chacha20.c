/* SPDX-License-Identifier: MIT */
/* The ChaCha20 block function (RFC 8439, 2.1–2.3). Words are in machine order: both architectures
 * are little-endian. */
#include "chacha20.h"

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))

static inline void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d ^= *a;
	*d = ROTATE(*d, 16);
	*c += *d;
	*b ^= *c;
	*b = ROTATE(*b, 12);
	*a += *b;
	*d ^= *a;
	*d = ROTATE(*d, 8);
	*c += *d;
	*b ^= *c;
	*b = ROTATE(*b, 7);
}

void chacha20_block(const uint32_t key[8], const uint32_t input[4], uint32_t out[16])
{
	/* "expand 32-byte k" */
	uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	uint32_t s[16];

	for (int i = 0; i < 8; i++)
		start[4 + i] = key[i];
	for (int i = 0; i < 4; i++)
		start[12 + i] = input[i];
	for (int i = 0; i < 16; i++)
		s[i] = start[i];
	for (int round = 0; round < 10; round++) {
		quarter_round(&s[0], &s[4], &s[8], &s[12]);
		quarter_round(&s[1], &s[5], &s[9], &s[13]);
		quarter_round(&s[2], &s[6], &s[10], &s[14]);
		quarter_round(&s[3], &s[7], &s[11], &s[15]);
		quarter_round(&s[0], &s[5], &s[10], &s[15]);
		quarter_round(&s[1], &s[6], &s[11], &s[12]);
		quarter_round(&s[2], &s[7], &s[8], &s[13]);
		quarter_round(&s[3], &s[4], &s[9], &s[14]);
	}
	for (int i = 0; i < 16; i++)
		out[i] = s[i] + start[i];
}
