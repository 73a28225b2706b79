/* SPDX-License-Identifier: MIT */
/*
 * Buddy allocator over an array of page descriptors that the caller owns (Knuth, The Art of
 * Computer Programming 1, 2.5). One struct buddy is one pool; several pools may share one array,
 * and runs never merge across pools or across blocks of BUDDY_BLOCK pages.
 *
 * Entries are BUDDY_STRIDE bytes apart and begin with a struct buddy_node. Entries of a block must
 * exist (zeroed) before a range of it is added. No locks, no allocation: the caller serialises.
 */
#ifndef LIB_BUDDY_H
#define LIB_BUDDY_H

#include <lib/list.h>
#include <stdint.h>

#define BUDDY_STRIDE 32
#define BUDDY_ORDERS 10 /* runs of 1 … 512 pages */
#define BUDDY_BLOCK  512

enum : uint8_t { BUDDY_FREE = 1 }; /* in node.flags: first page of a free run */

struct buddy_node {
	struct list link;
	uint8_t order;
	uint8_t flags; /* BUDDY_FREE | the pool's flag while free; else the owner's */
};

struct buddy {
	char *base;
	uint64_t free_pages;
	uint32_t nonempty; /* bit n: lists[n] is not empty */
	uint8_t pool_flag; /* other than BUDDY_FREE; marks this pool's free runs */
	struct list lists[BUDDY_ORDERS];
};

#define BUDDY_NONE UINT64_MAX

void buddy_init(struct buddy *b, void *base, uint8_t pool_flag);
/* Index of 2^order consecutive pages, aligned to their number, or BUDDY_NONE. The first entry's
 * flags are 0, order is set. */
[[nodiscard]] uint64_t buddy_alloc(struct buddy *b, unsigned order);
/* Gives a run back; merges as far as it can. Result: the order of the free run it ended up in. */
unsigned buddy_free(struct buddy *b, uint64_t index, unsigned order);
/* Adds any range of pages to the pool. */
void buddy_add(struct buddy *b, uint64_t index, uint64_t count);
/* Largest order that can be allocated now; -1 if empty. */
int buddy_largest(const struct buddy *b);

#endif
