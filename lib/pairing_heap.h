/* SPDX-License-Identifier: MIT */
/*
 * Pairing heap of embedded nodes, smallest key first (Fredman et al., "The pairing heap", Algorithmica 1, 1986).
 * Insert is constant; taking the first, or removing any node, is logarithmic amortised. No allocation.
 */
#ifndef LIB_PAIRING_HEAP_H
#define LIB_PAIRING_HEAP_H

#include <lib/annotate.h>
#include <stdint.h>

struct heap_node {
	uint64_t key;
	struct heap_node *child; /* first child */
	struct heap_node *next;	 /* next sibling */
	struct heap_node *prev;	 /* previous sibling, or parent of the first child; nullptr: root or not in a heap */
};
struct heap {
	struct heap_node *root;
};

void heap_insert(struct heap *h, struct heap_node *n); /* n->key is set by the caller */
void heap_remove(struct heap *h, struct heap_node *n); /* n must be in h */
static inline struct heap_node *heap_first(const struct heap *h)
{
	return h->root;
}
#define heap_entry(node, type, member) container_of(node, type, member)

#endif
