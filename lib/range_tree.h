/* SPDX-License-Identifier: MIT */
/*
 * Disjoint address ranges in a balanced tree (AVL: Adelson-Velsky and Landis 1962), embedded in the
 * caller's structures. Each node knows the gap in front of it and the largest gap below it, so
 * finding a place for a new range is O(log n) too. Neighbours are also linked in a list. No locks,
 * no allocation.
 */
#ifndef LIB_RANGE_TREE_H
#define LIB_RANGE_TREE_H

#include <lib/list.h>
#include <stdint.h>

struct range_node {
	uint64_t start, end; /* [start, end), not empty; change with range_resize only */
	struct range_node *parent, *left, *right;
	uint64_t gap;	  /* from the previous range's end (or the tree's low) to start */
	uint64_t max_gap; /* largest gap in this subtree */
	int32_t height;
	struct list link; /* by address */
};

struct range_tree {
	struct range_node *root;
	struct list list;
	uint64_t low; /* where the first gap begins */
};

void range_tree_init(struct range_tree *t, uint64_t low);
/* The first range with end > address (it may begin above address), or nullptr. */
struct range_node *range_find(const struct range_tree *t, uint64_t address);
/* start and end are set and touch no other range. */
void range_insert(struct range_tree *t, struct range_node *n);
void range_remove(struct range_tree *t, struct range_node *n);
/* New bounds that keep the order and touch no other range. */
void range_resize(struct range_tree *t, struct range_node *n, uint64_t start, uint64_t end);
struct range_node *range_first(const struct range_tree *t);
struct range_node *range_last(const struct range_tree *t);
struct range_node *range_next(const struct range_tree *t, const struct range_node *n);
struct range_node *range_prev(const struct range_tree *t, const struct range_node *n);
/* The highest place for length free bytes within [low, high). False: none. Addresses are multiples
 * of whatever all bounds are multiples of. */
bool range_find_gap(const struct range_tree *t, uint64_t length, uint64_t low, uint64_t high, uint64_t *start);

#endif
