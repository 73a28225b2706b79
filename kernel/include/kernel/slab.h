/* SPDX-License-Identifier: MIT */
/* Kernel heap: size-class slabs over page_alloc_kernel. Every allocation is charged to the current thread's component. */
#ifndef KERNEL_SLAB_H
#define KERNEL_SLAB_H

#include <stddef.h>

/* Zero-filled, 16-aligned (page-aligned from 4096 on). nullptr: out of memory. May sleep. */
[[nodiscard]] void *kmalloc(size_t bytes);
[[nodiscard]] void *krealloc(void *p, size_t bytes);
void kfree(void *p);			/* nullptr is fine */
[[nodiscard]] char *kstrdup(const char *s);

#endif
