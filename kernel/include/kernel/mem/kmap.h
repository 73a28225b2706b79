/* SPDX-License-Identifier: MIT */
/* Addresses in the kernel mapping range. Thread stacks have the lower half; the rest is handed out here: for good, or
 * as a run that is given back. */
#ifndef KERNEL_KMAP_H
#define KERNEL_KMAP_H

#include <stdint.h>

/* An unused run of addresses with an unmapped page behind it; 0 when the range is used up. Any
 * context. */
uint64_t kmap_reserve(uint64_t pages);

/* The same for what comes and goes: nullptr when there is no memory or the range is used up. What was given back serves
 * the next that asks for as many pages; nothing may be mapped there by then. May sleep. */
struct kmap_run;
[[nodiscard]] struct kmap_run *kmap_run_take(uint64_t pages);
uint64_t kmap_run_address(const struct kmap_run *run);
void kmap_run_give(struct kmap_run *run); /* any context */

#endif
