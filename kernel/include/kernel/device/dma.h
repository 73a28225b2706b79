/* SPDX-License-Identifier: MIT */
/*
 * DMA of a device: memory that it shares with its driver, and pages lent to it for a request (kernel/mem/dma.h), both
 * by the device's rules and owned by it. At the end of a round, after the bus has silenced the device, all is taken
 * back; what a device that could not be silenced may still write to is quarantined.
 *
 * Where an IOMMU confines the device it reaches nothing else. Else lending makes no call of the nucleus, and a device
 * that errs reaches all memory.
 */
#ifndef KERNEL_DEVICE_DMA_H
#define KERNEL_DEVICE_DMA_H

#include <kernel/device/device.h>
#include <kernel/mem/dma.h>

/* Contiguous, zeroed, page-aligned memory. The driver's .wants must name WANTS_DMA (-EPERM). -EINVAL: no bytes, or more
 * than DMA_BUFFER_MAX; -ENOMEM; -ENODEV: no round is under way. May sleep. */
[[nodiscard]] int dma_alloc(struct device *dev, size_t bytes, struct dma_buffer *b) NOT_ELEVATED;
/* Early; the device no longer knows of it. An empty buffer is fine. May sleep. */
void dma_free(struct device *dev, struct dma_buffer *b) NOT_ELEVATED;

/* From here on in this round: addresses of at most so many bits. -EINVAL: less than a page's, or more than 64. */
[[nodiscard]] int dma_limit(struct device *dev, unsigned bits);

/* By a bus, in enable: the device's DMA is that of the function with this claim (0: of none), confined if an IOMMU
 * translates it; devices below have the same rules. Or later, with 0: it was found to go past the IOMMU. */
void device_confine(struct device *dev, uint64_t claim) NOT_ELEVATED;
bool device_is_confined(const struct device *dev);

/*
 * Lists for the requests that are under way at a time, each with room for that many segments. They are memory of the
 * device, not of the driver: what is lent when a round ends is let go, whatever the driver did.
 */
struct dma_table;
[[nodiscard]] int dma_table_open(struct device *dev, unsigned lists, unsigned segments,
				 struct dma_table **out) NOT_ELEVATED;
/* The index-th list, which may be in use: dma_list_begin by dma_map begins it anew only after dma_unmap. */
struct dma_list *dma_table_list(const struct dma_table *t, unsigned index);
/* Begins that list by the device's rules; then dma_list_add for each piece, and dma_list_ready. Any context. */
struct dma_list *dma_map(const struct dma_table *t, unsigned index, enum dma_direction direction, uint32_t length_max);
/* The device is done with it, and did what it was asked for or did not (dma_list_end). Any context; nothing if it is
 * not in use. */
void dma_unmap(const struct dma_table *t, unsigned index, bool done);

#endif
