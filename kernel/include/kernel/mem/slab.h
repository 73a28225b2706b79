/* SPDX-License-Identifier: MIT */
/* Kernel heap: size-class slabs over page_alloc_kernel. Every allocation is charged to the current
 * thread's component. */
#ifndef KERNEL_SLAB_H
#define KERNEL_SLAB_H

#include <nucleus/privilege.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-filled, 16-aligned (page-aligned from 4096 on); at most 1 MiB. nullptr: out of memory. May
 * sleep. */
[[nodiscard]] void *kmalloc(size_t bytes) NOT_ELEVATED;
[[nodiscard]] void *krealloc(void *p, size_t bytes); /* what is new is not zeroed; on failure p stays */
void kfree(void *p) NOT_ELEVATED;		     /* nullptr is fine; p must be live, else the kernel reports the
							object and faults */
[[nodiscard]] char *kstrdup(const char *s);

/* For reports: the heap object that holds an address of a slab page. False: none. */
struct slab_object {
	uint64_t base;
	uint32_t size;
	bool live;
	const char *owner; /* component's name, or nullptr */
};
bool slab_describe(uint64_t address, struct slab_object *out);
const char *slab_owner_name(unsigned component_id);

#endif
