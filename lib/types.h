/* SPDX-License-Identifier: MIT */
/* Address kinds as distinct types, so that the compiler keeps them apart. */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t value;
} phys_addr;
typedef struct {
	uint64_t value;
} user_addr; /* an address in the current process; never dereferenced */

#define USER_ADDR(x) ((user_addr){(uint64_t)(x)})
static inline user_addr user_addr_add(user_addr a, uint64_t n)
{
	return USER_ADDR(a.value + n);
}
static inline uint64_t align_up(uint64_t x, uint64_t a)
{
	return (x + a - 1) & ~(a - 1);
}
static inline uint64_t align_down(uint64_t x, uint64_t a)
{
	return x & ~(a - 1);
}
#define MIN(a, b)                                                                                                      \
	({                                                                                                             \
		typeof(a) min_a_ = (a);                                                                                \
		typeof(b) min_b_ = (b);                                                                                \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                                     \
	})
#define MAX(a, b)                                                                                                      \
	({                                                                                                             \
		typeof(a) max_a_ = (a);                                                                                \
		typeof(b) max_b_ = (b);                                                                                \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                                     \
	})

#endif
