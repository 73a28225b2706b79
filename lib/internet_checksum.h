/* SPDX-License-Identifier: MIT */
/*
 * The checksum of IP, TCP, UDP and ICMP (RFC 1071): the complement of the one's complement sum of 16-bit words, of
 * bytes that come in pieces of any length. Pure.
 */
#ifndef LIB_INTERNET_CHECKSUM_H
#define LIB_INTERNET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

struct internet_sum {
	uint64_t sum; /* of words as they are in memory */
	bool odd;     /* an odd number of bytes so far */
};

void internet_sum_add(struct internet_sum *s, const void *bytes, size_t n);
/* As it is stored, in memory's order; never 0 (which UDP takes for none: RFC 768) but 0xffff, which is the same. */
uint16_t internet_sum_checksum(const struct internet_sum *s);

#endif
