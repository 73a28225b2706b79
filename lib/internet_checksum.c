/* SPDX-License-Identifier: MIT */
/* The Internet checksum (lib/internet_checksum.h). The order of bytes does not matter to the sum (RFC 1071, 2 (B)). */
#include <lib/internet_checksum.h>
#include <lib/string.h>

static uint16_t fold(uint64_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t swap(uint16_t v)
{
	return (uint16_t)(v << 8 | v >> 8);
}

void internet_sum_add(struct internet_sum *s, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t sum = 0;
	uint16_t word = 0;
	size_t left = n;

	for (; left >= sizeof(uint32_t); left -= sizeof(uint32_t), p += sizeof(uint32_t)) {
		uint32_t two;

		memcpy(&two, p, sizeof(two));
		sum += two;
	}
	for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	/* As if a zero followed. */
	if (left > 0) {
		word = 0;
		memcpy(&word, p, 1);
		sum += word;
	}
	/* Behind an odd number of bytes each is the other half of its word. */
	uint16_t folded = fold(sum);
	s->sum += s->odd ? swap(folded) : folded;
	s->odd ^= n % 2 != 0;
}

uint16_t internet_sum_checksum(const struct internet_sum *s)
{
	uint16_t checksum = (uint16_t)~fold(s->sum);

	return checksum == 0 ? UINT16_MAX : checksum;
}
