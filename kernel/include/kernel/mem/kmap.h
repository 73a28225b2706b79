/* SPDX-License-Identifier: MIT */
/* Addresses in the kernel mapping range. Thread stacks have the lower half; the rest is handed out
 * here and not returned. */
#ifndef KERNEL_KMAP_H
#define KERNEL_KMAP_H

#include <stdint.h>

/* An unused run of addresses with an unmapped page behind it; 0 when the range is used up. Any
 * context. */
uint64_t kmap_reserve(uint64_t pages);

#endif
