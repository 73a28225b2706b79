/* SPDX-License-Identifier: MIT */
/*
 * Frames inside the nucleus: the table, the blocks they are handed out in, and the nucleus's own pools (page tables;
 * records, stacks and entry pages). Needs the nucleus lock after boot, and the kernel view.
 */
#ifndef NUCLEUS_FRAMES_H
#define NUCLEUS_FRAMES_H

#include <lib/types.h>
#include <nucleus/frame.h>

extern struct frame *frames; /* through the direct map */
extern uint64_t frame_count; /* entries */
extern uint64_t ram_frames, nucleus_frames;
extern uint64_t direct_base; /* the loader's map until ours is loaded */

struct memory_range {
	uint64_t start, end; /* bytes, page-aligned */
};

/* Boot: sets aside memory for the table and the first pools out of `usable` (sorted). 0 or -ENOMEM. */
[[nodiscard]] int frame_init(const struct memory_range *usable, unsigned count, uint64_t highest);
/* More usable memory later (what the loader used). */
void frame_add_range(struct memory_range r);
/* Boot: declares what a range holds. */
void frame_set_type(uint64_t start, uint64_t end, enum frame_type type);
/* Boot: contiguous, zeroed, never freed; physical address, or 0. */
uint64_t frame_boot_alloc(uint64_t bytes);

/* Boot: the direct map has moved by delta. */
void frame_rebase(uint64_t delta);

/* A zeroed page-table frame; 0: out of memory. */
uint64_t frame_table_alloc(unsigned level, uint32_t owner);
void frame_table_free(uint64_t phys);
/* Gives one block of page-table frames back to the free memory if two are not used at all. */
void frame_table_trim(void);
/* Makes sure that n table frames can be had without failing (before a change begins). */
bool frame_table_reserve(unsigned n);

/* A zeroed block of type nucleus, never returned; physical address, 0: out of memory. */
uint64_t frame_block_take(void);
/* Zeroed pool memory (POOL_BASE region), whole pages, never returned. nullptr: out of memory. */
void *pool_alloc(uint64_t pages);
bool pool_has(uint64_t va);
uint64_t pool_phys(const void *p);

static inline bool frame_valid(uint64_t pfn)
{
	return pfn < frame_count;
}

#endif
