/* SPDX-License-Identifier: MIT */
/* A filter of packets as setsockopt(2) takes it (SO_ATTACH_FILTER of socket(7)), as in Linux's ABI. */
#ifndef ABI_FILTER_H
#define ABI_FILTER_H

#include <stdint.h>

struct sock_filter {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};
static_assert(sizeof(struct sock_filter) == 8);
struct sock_fprog {
	uint16_t count;
	uint64_t at;
};
static_assert(sizeof(struct sock_fprog) == 16);
constexpr uint32_t FILTER_MAX = 4096; /* instructions */

#endif
