/* SPDX-License-Identifier: MIT */
/* What the kernel and its vDSO share: two read-only data pages right before the vDSO's image, the
 * nucleus's time page and this one. */
#ifndef KERNEL_VDSO_H
#define KERNEL_VDSO_H

#include <nucleus/layout.h>
#include <nucleus/upcall.h>
#include <stdint.h>

#define VDSO_DATA_PAGES 2

struct vdso_data {
	int64_t realtime_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC; one atomic word */
};

/* Prepares the pages that vm_map_vdso maps; after page_init. -ENOMEM. */
[[nodiscard]] int vdso_init(uint64_t time_page_pfn);
/* For clock_set_realtime_ns; may come before vdso_init. Any context. */
void vdso_set_realtime_offset(int64_t offset_ns);

#endif
