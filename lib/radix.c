/* SPDX-License-Identifier: MIT */
/*
 * Radix trees with 64 slots a node, see lib/radix.h. A tree of n levels covers indices below 2^(6n); it grows at the
 * root and does not become lower again until it is empty.
 */
#include <lib/radix.h>

#include <lib/annotate.h>

static unsigned slot_of(uint64_t index, unsigned level)
{
	return (unsigned)(index >> (RADIX_BITS * level)) & (RADIX_SLOTS - 1);
}

static unsigned levels_for(uint64_t index)
{
	unsigned levels = 1;

	while (levels < RADIX_LEVELS && index >> (RADIX_BITS * levels) != 0)
		levels++;
	return levels;
}

static struct radix_node *child(const struct radix_node *node, unsigned slot)
{
	return (struct radix_node *)(uintptr_t)node->slot[slot];
}

uint64_t *radix_find(const struct radix *r, uint64_t index)
{
	struct radix_node *node = r->root;

	if (r->levels == 0 || levels_for(index) > r->levels)
		return nullptr;
	for (unsigned level = r->levels - 1; level > 0; level--) {
		node = child(node, slot_of(index, level));
		if (node == nullptr)
			return nullptr;
	}
	return &node->slot[slot_of(index, 0)];
}

unsigned radix_need(const struct radix *r, uint64_t index)
{
	unsigned want = levels_for(index);

	if (r->levels == 0)
		return want;
	if (want > r->levels)
		return (want - r->levels) + (want - 1); /* new roots, and a path beside the old tree */
	const struct radix_node *node = r->root;
	for (unsigned level = r->levels - 1; level > 0; level--) {
		node = child(node, slot_of(index, level));
		if (node == nullptr)
			return level;
	}
	return 0;
}

static struct radix_node *take_spare(struct radix_spares *spares)
{
	struct radix_node *node = spares->first;

	spares->first = node->next_spare;
	spares->count--;
	node->next_spare = nullptr;
	return node;
}

static void give_spare(struct radix_spares *spares, struct radix_node *node)
{
	node->next_spare = spares->first;
	spares->first = node;
	spares->count++;
}

static void grow(struct radix *r, unsigned levels, struct radix_spares *spares)
{
	if (r->levels == 0) {
		r->root = take_spare(spares);
		r->levels = levels;
	}
	while (r->levels < levels) {
		struct radix_node *root = take_spare(spares);
		root->slot[0] = (uintptr_t)r->root;
		root->used = 1;
		r->root = root;
		r->levels++;
	}
}

uint64_t *radix_place(struct radix *r, uint64_t index, struct radix_spares *spares)
{
	grow(r, levels_for(index), spares);
	struct radix_node *node = r->root;
	for (unsigned level = r->levels - 1; level > 0; level--) {
		unsigned slot = slot_of(index, level);
		if (node->slot[slot] == 0) {
			node->slot[slot] = (uintptr_t)take_spare(spares);
			node->used++;
		}
		node = child(node, slot);
	}
	uint64_t *place = &node->slot[slot_of(index, 0)];
	if (*place == 0)
		node->used++;
	return place;
}

uint64_t radix_remove(struct radix *r, uint64_t index, struct radix_spares *spares)
{
	struct radix_node *path[RADIX_LEVELS];
	struct radix_node *node = r->root;

	if (r->levels == 0 || levels_for(index) > r->levels)
		return 0;
	for (unsigned level = r->levels - 1;; level--) {
		if (node == nullptr)
			return 0;
		path[level] = node;
		if (level == 0)
			break;
		node = child(node, slot_of(index, level));
	}
	uint64_t value = node->slot[slot_of(index, 0)];
	if (value == 0)
		return 0;
	for (unsigned level = 0; level < r->levels; level++) {
		path[level]->slot[slot_of(index, level)] = 0;
		if (--path[level]->used > 0)
			return value;
		give_spare(spares, path[level]);
	}
	r->root = nullptr;
	r->levels = 0;
	return value;
}

/* The first value at or after *index under one node; *index is moved on. */
static uint64_t *next_below(struct radix_node *node, unsigned level, uint64_t *index)
{
	while (true) {
		unsigned slot = slot_of(*index, level);

		if (node->slot[slot] != 0) {
			uint64_t *found =
				level == 0 ? &node->slot[slot] : next_below(child(node, slot), level - 1, index);
			if (found != nullptr)
				return found;
			/* next_below left *index at the start of the next slot, or of the next node. */
			if (slot_of(*index, level) == 0 || *index == 0)
				return nullptr;
			continue;
		}
		*index = ((*index >> (RADIX_BITS * level)) + 1) << (RADIX_BITS * level);
		if (slot == RADIX_SLOTS - 1 || *index == 0)
			return nullptr;
	}
}

uint64_t *radix_next(const struct radix *r, uint64_t from, uint64_t *index)
{
	*index = from;
	if (r->levels == 0 || levels_for(from) > r->levels)
		return nullptr;
	return next_below(r->root, r->levels - 1, index);
}
