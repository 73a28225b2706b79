/* SPDX-License-Identifier: MIT */
/*
 * Radix trees: from a 64-bit index to a pointer-sized value, 64 slots a node; 0 means absent.
 *
 * Nodes come from the caller beforehand (radix_need tells how many), so that insertion cannot fail under a spinlock,
 * and go back through a callback. One thread at a time.
 */
#ifndef LIB_RADIX_H
#define LIB_RADIX_H

#include <stddef.h>
#include <stdint.h>

enum : unsigned { RADIX_BITS = 6, RADIX_SLOTS = 64, RADIX_LEVELS = 11 };

struct radix_node {
	uint64_t slot[RADIX_SLOTS];
	uint32_t used;
	struct radix_node *next_spare;
};
struct radix {
	struct radix_node *root;
	unsigned levels; /* of nodes; 0: empty */
};
/* Zeroed nodes, linked by next_spare. */
struct radix_spares {
	struct radix_node *first;
	unsigned count;
};

/* The place of index, or nullptr if there is none. Those of the indices behind it, up to the next multiple of
 * RADIX_SLOTS, follow in memory. */
uint64_t *radix_find(const struct radix *r, uint64_t index);
/* How many nodes an insertion at index would use. */
unsigned radix_need(const struct radix *r, uint64_t index);
/* The place of index, made from spares, of which there are enough. A value other than 0 must be stored in it if it was
 * 0. */
uint64_t *radix_place(struct radix *r, uint64_t index, struct radix_spares *spares);
/* Empties the place of index; nodes that become empty go to spares. Result: the value. */
uint64_t radix_remove(struct radix *r, uint64_t index, struct radix_spares *spares);
/* The first index >= from with a value, in *index; its place, or nullptr. */
uint64_t *radix_next(const struct radix *r, uint64_t from, uint64_t *index);

#endif
