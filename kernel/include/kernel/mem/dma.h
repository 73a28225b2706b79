/* SPDX-License-Identifier: MIT */
/*
 * Memory that devices read and write. Two kinds:
 *
 * Buffers are frames of type dma, for rings and tables that the device and the driver share for long. They come from
 * whole blocks of the nucleus, are in no process and not in the window, and are mapped once; where the device does not
 * look into caches they are reached past them, and by no other way.
 *
 * Lent pages are frames of user memory and page cache, never of the heap: a device that errs would hit what lies
 * beside. Each is held (page_get) until the list ends, so nobody else gets it.
 *
 * An address for a device is a physical one. Where an IOMMU confines the device, it reaches only what the nucleus was
 * told of: one call when a list is ready, one when it ends (dma_confine.c); else no call is made. What a
 * device may still write to, because it could neither be silenced nor is confined, is quarantined: it is counted and
 * never used again (/proc/dma_memory). Drivers use kernel/device/dma.h, which knows their device's rules.
 */
#ifndef KERNEL_DMA_H
#define KERNEL_DMA_H

#include <lib/list.h>
#include <nucleus/privilege.h>
#include <stddef.h>
#include <stdint.h>

struct page;
struct dma_block;

/* What a device can do. All zero: any address, and it sees what CPUs have in their caches. */
struct dma_rules {
	uint8_t bits;	 /* of an address; 0 or 64: all */
	bool incoherent; /* it does not look into caches */
	uint64_t claim; /* of a function that an IOMMU confines: what lending to it takes (calls.def, dma_lend); or 0 */
};

struct dma_buffer {
	void *at;	  /* for the driver; nullptr: no buffer */
	uint64_t address; /* for the device */
	size_t bytes;	  /* whole pages */
	/* The allocator's, and the device core's. */
	struct dma_block *block;
	void *record;
};

constexpr size_t DMA_BUFFER_MAX = 2 << 20;

/* Contiguous, zeroed, page-aligned memory that keeps the rules. -EINVAL: no or too many bytes; -ENOMEM. May sleep. */
[[nodiscard]] int dma_take(const struct dma_rules *rules, size_t bytes, struct dma_buffer *b);
/* The same from what is there, in any context that may take a spinlock. -EAGAIN: nothing is. Not zeroed. */
[[nodiscard]] int dma_take_now(const struct dma_rules *rules, size_t bytes, struct dma_buffer *b);
/* The device no longer knows of it. May sleep. An empty buffer is fine. */
void dma_give(struct dma_buffer *b);
/* The device may still write to it: it is lost. */
void dma_quarantine(struct dma_buffer *b);

enum dma_direction : uint8_t { DMA_TO_DEVICE = 1, DMA_FROM_DEVICE = 2, DMA_BOTH = 3 };

/* A run of lent memory. */
struct dma_segment {
	uint64_t address; /* for the device */
	uint32_t length;
	/* The allocator's: where it begins, and the copy that the device sees instead, if the rules demand one. */
	uint32_t offset;
	struct page *page;
	void *copy;
	struct dma_block *block; /* of the copy */
};

struct dma_list {
	struct dma_segment *segments; /* the caller's memory */
	unsigned max, count;
	uint32_t length_max; /* of a segment; 0: no limit */
	enum dma_direction direction;
	bool confined; /* the nucleus was told of it */
	struct dma_rules rules;
};

/* An empty list over `max` segments. Any context, as for what follows. */
void dma_list_begin(struct dma_list *list, const struct dma_rules *rules, enum dma_direction direction,
		    struct dma_segment *segments, unsigned max, uint32_t length_max);
/* Lends length bytes (at least 1) from offset on, inside one page; what joins the segment before becomes part of it. On
 * an error the list is as before: -EINVAL (no user page, or not inside), -E2BIG (no segment is left), -EAGAIN (no
 * memory for a copy just now). */
[[nodiscard]] int dma_list_add(struct dma_list *list, struct page *page, uint32_t offset, uint32_t length);
/* All is lent that will be: from here on the device may use it, and nobody else. -EAGAIN: the nucleus has no memory
 * just now to tell the IOMMU of it, and who may sleep is to call dma_relieve(), as device_wait() does; the list is as
 * before. */
[[nodiscard]] int dma_list_ready(struct dma_list *list);
/* The device reaches the pages no more, and they are let go. done: it did what it was asked for, and what it wrote is
 * in them; else a copy that it had instead is forgotten. The list is empty. */
void dma_list_end(struct dma_list *list, bool done);
/* The device may still write, unless it is confined: the pages are never let go. The list is empty. */
void dma_list_quarantine(struct dma_list *list);

/* Bits of an address that the function of a claim can be lent; 0: no IOMMU confines it. */
unsigned dma_confined_bits(uint64_t claim) NOT_ELEVATED;
/* The function may read and write the buffer. 0 or a negative errno (calls.def, dma_lend). May sleep. */
[[nodiscard]] int dma_confine(uint64_t claim, const struct dma_buffer *b) NOT_ELEVATED;
/* If a list was not ready for want of the nucleus's memory: gives it some. May sleep. */
void dma_relieve(void);
/* Whether the next dma_relieve() will. Any context. */
bool dma_needs_relief(void);
/* It may not any more. False: it still may. */
bool dma_free_again(uint64_t claim, const struct dma_buffer *b) NOT_ELEVATED;

struct dma_stats {
	uint64_t pages;	      /* in blocks of the nucleus */
	uint64_t used;	      /* of them in buffers */
	uint64_t lent;	      /* pages, counted once for each segment they are in */
	uint64_t quarantined; /* of both kinds */
};
void dma_stats(struct dma_stats *out);

#endif
