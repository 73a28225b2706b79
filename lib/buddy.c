/* SPDX-License-Identifier: MIT */
/* Buddy allocator; see lib/buddy.h for use and locking. */
#include <lib/buddy.h>

static struct buddy_node *node_at(const struct buddy *b, uint64_t index)
{
	return (struct buddy_node *)(b->base + index * BUDDY_STRIDE);
}

static uint64_t index_of(const struct buddy *b, const struct buddy_node *node)
{
	return (uint64_t)((const char *)node - b->base) / BUDDY_STRIDE;
}

void buddy_init(struct buddy *b, void *base, uint8_t pool_flag)
{
	b->base = base;
	b->free_pages = 0;
	b->nonempty = 0;
	b->pool_flag = pool_flag;
	for (unsigned i = 0; i < BUDDY_ORDERS; i++)
		list_init(&b->lists[i]);
}

static void run_insert(struct buddy *b, uint64_t index, unsigned order)
{
	struct buddy_node *node = node_at(b, index);

	node->order = (uint8_t)order;
	node->flags = BUDDY_FREE | b->pool_flag;
	list_push_front(&b->lists[order], &node->link);
	b->nonempty |= 1u << order;
}

static void run_remove(struct buddy *b, struct buddy_node *node)
{
	node->flags = 0;
	list_remove(&node->link);
	if (list_empty(&b->lists[node->order]))
		b->nonempty &= ~(1u << node->order);
}

uint64_t buddy_alloc(struct buddy *b, unsigned order)
{
	uint32_t usable = order < BUDDY_ORDERS ? b->nonempty & ~((1u << order) - 1) : 0;

	if (!usable)
		return BUDDY_NONE;
	unsigned have = (unsigned)__builtin_ctz(usable);
	struct buddy_node *node = list_first(&b->lists[have], struct buddy_node, link);
	uint64_t index = index_of(b, node);

	run_remove(b, node);
	while (have > order) {
		have--;
		run_insert(b, index + (1ull << have), have);
	}
	node->order = (uint8_t)order;
	b->free_pages -= 1ull << order;
	return index;
}

unsigned buddy_free(struct buddy *b, uint64_t index, unsigned order)
{
	b->free_pages += 1ull << order;
	while (order + 1 < BUDDY_ORDERS) {
		struct buddy_node *other = node_at(b, index ^ (1ull << order));

		if (other->flags != (BUDDY_FREE | b->pool_flag) || other->order != order)
			break;
		run_remove(b, other);
		index &= ~(1ull << order);
		order++;
	}
	run_insert(b, index, order);
	return order;
}

void buddy_add(struct buddy *b, uint64_t index, uint64_t count)
{
	while (count) {
		unsigned order = BUDDY_ORDERS - 1;

		if (index && (unsigned)__builtin_ctzll(index) < order)
			order = (unsigned)__builtin_ctzll(index);
		while (1ull << order > count)
			order--;
		buddy_free(b, index, order);
		index += 1ull << order;
		count -= 1ull << order;
	}
}

int buddy_largest(const struct buddy *b)
{
	return b->nonempty ? 31 - __builtin_clz(b->nonempty) : -1;
}
