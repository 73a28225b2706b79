/* SPDX-License-Identifier: MIT */
/*
 * The frame table: one entry for each 4 KiB of RAM. The nucleus writes it; lowered code may read it
 * (FRAMES_BASE + pfn * sizeof), for accounting and copy-on-write decisions under its own locks.
 */
#ifndef NUCLEUS_FRAME_H
#define NUCLEUS_FRAME_H

#include <nucleus/layout.h>
#include <stdint.h>

enum frame_type : uint8_t {
	FRAME_NONE, /* no RAM */
	FRAME_FREE,
	FRAME_NUCLEUS,	  /* image, records, stacks */
	FRAME_PAGE_TABLE, /* lowered code may read it */
	FRAME_KERNEL,	  /* lowered kernel's own; never mapped into a process */
	FRAME_PAGE,	  /* user memory and page cache */
	FRAME_DMA,	  /* devices write here; neither in the window nor in a process */
	FRAME_DEVICE,
	FRAME_SHARED,	/* nucleus writes; anyone may map it read-only */
	FRAME_FIRMWARE, /* ACPI tables and the like: lowered code may read */
	FRAME_IOMMU,	/* table of a device's domain, or counts beside one: lowered code may read it */
	FRAME_TYPES
};

struct frame {
	enum frame_type type;
	uint8_t level;	   /* page table, iommu's: 1 (leaf) … 4; dma: 1 if it is reached past the caches */
	uint16_t owner;	   /* page table: address-space index; iommu's counts: whose they are */
	uint32_t mappings; /* process mappings (type page), kmap mappings (kernel, dma), lends of either kind to devices
			      (page, dma), used entries (page table), frame of the next counts (iommu's tables of
			      leaves, and counts) */
};
static_assert(sizeof(struct frame) == 8);

static inline const struct frame *frame_entry(uint64_t pfn)
{
	return (const struct frame *)FRAMES_BASE + pfn;
}

#endif
